/** Sessions that come and go: from the handshake to the disconnect, 32 at a time. */
import * as Lifetime from "../dialects/Lifetime.ts"
import { HttpClient } from "../load/HttpClient.ts"
import { Latency } from "../load/Latency.ts"
import * as Measurement from "../load/Measurement.ts"
import type { Scenario, Setting } from "./Scenario.ts"

const atOnce = 32

/** Runs cycles in so many loops and measures; each loop makes its cycle from its number. */
const run = async (setting: Setting, loop: (index: number) => () => Promise<void>) => {
  const latency = new Latency()
  let isRunning = true
  let count = 0
  const repeat = async (_: unknown, index: number) => {
    const cycle = loop(index)
    while (isRunning) {
      const startedAt = performance.now()
      await cycle()
      latency.record(performance.now() - startedAt)
      count++
    }
  }
  const loops = Promise.all(Array.from({ length: atOnce }, repeat))
  const measured = await Measurement.during(setting, () => latency.reset(), () => count)
  const latencies = { p50: latency.percentile(0.5), p99: latency.percentile(0.99) }
  isRunning = false
  await loops
  const { after, before, seconds, shares } = measured
  if (after === before) throw new Error(`No session came to its end within ${seconds.toFixed(1)} seconds`)
  return { value: (after - before) / seconds, ...latencies, ...shares }
}

export const overWebSocket: Scenario = {
  name: "cycles-websocket",
  title: "handshake to disconnect, WebSocket",
  unit: "sessions/s",
  better: "more",
  servers: ["effect-bayeux", "faye", "plain-ws", "bare-socket"],
  target: { text: "0.78 × plain ws", ratio: { of: "plain", by: 0.78 } },
  run: (setting) => {
    const cycle = Lifetime.overWebSocket(setting.server)
    let peer = 0
    return run(setting, () => () => cycle({ port: setting.port, peer: peer++ }))
  }
}

export const overHttp: Scenario = {
  name: "cycles-http",
  title: "handshake to disconnect, HTTP keep-alive",
  unit: "sessions/s",
  better: "more",
  servers: ["effect-bayeux", "faye", "plain-http"],
  target: { text: "0.72 × plain http", ratio: { of: "plain", by: 0.72 } },
  run: (setting) => {
    const cycle = Lifetime.overHttp(setting.server)
    return run(setting, (peer) => {
      const client = HttpClient.open({ port: setting.port, peer })
      return async () => cycle(await client)
    })
  }
}
