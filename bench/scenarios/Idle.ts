/** Sessions that are open, subscribed and connected, and silent: what each of them occupies. */
import { setTimeout as sleep } from "node:timers/promises"
import { webSocket } from "../dialects/index.ts"
import { forAll } from "../load/Load.ts"
import * as Measurement from "../load/Measurement.ts"
import type { Scenario, Setting } from "./Scenario.ts"

const room = "idle"

/** Opens sessions that do nothing, counting the peers from `first`. */
export const openSessions = async (setting: Setting, first: number, count: number): Promise<void> => {
  const dialect = webSocket(setting.server)
  await forAll(Array.from({ length: count }), (_, index) =>
    dialect.subscribe(
      { port: setting.port, peer: first + index },
      { room, patterns: [`/${room}/${index % 100}`] },
      () => {
        throw new Error("An idle session got a message that nobody published")
      }
    ))
}

/** A few sessions first, so that what the server loads or makes but once does not count. */
const forerunners = 100

/** How long the last sessions have to become quiet. */
const settling = 1_000

export const idle: Scenario = {
  name: "idle",
  title: "5,000 idle sessions: memory of each",
  unit: "KiB",
  better: "less",
  servers: ["effect-bayeux", "faye", "socket.io", "plain-ws", "bare-socket"],
  target: { text: "16 or less", atMost: 16 },
  run: async (setting) => {
    await openSessions(setting, 0, forerunners)
    const before = await setting.usage({ gc: true })
    await openSessions(setting, forerunners, setting.sessions)
    await sleep(settling)
    const { shares } = await Measurement.during({ ...setting, warmUp: 0 }, () => {}, () => 0)
    const rush = await setting.usage({ gc: false })
    const after = await setting.usage({ gc: true })
    return { ...shares, value: (after.rss - before.rss) / setting.sessions / 1_024, usage: { before, rush, after } }
  }
}
