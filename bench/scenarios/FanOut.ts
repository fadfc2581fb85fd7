/** One publisher, one channel, many subscribers. */
import { polling, webSocket } from "../dialects/index.ts"
import * as Load from "../load/Load.ts"
import * as Measurement from "../load/Measurement.ts"
import * as Pace from "../load/Pace.ts"
import type { Scenario } from "./Scenario.ts"

const room = "fan-out"
const channel = `/${room}`

const plan = (subscribers: number): Load.Plan => ({
  subscriptions: Array.from({ length: subscribers }, () => ({ room, patterns: [channel] })),
  publications: [{ room, streams: [{ stream: 0, channel }], answered: false }],
  groups: [Array.from({ length: subscribers }, (_, subscriber) => subscriber)]
})

const run =
  (dialectOf: typeof webSocket, subscribers: number, inFlight: number): Scenario["run"] => async (setting) => {
    const load = await Load.open(dialectOf(setting.server), [setting.port], plan(subscribers))
    const { deliveredPerSecond, ...rest } = await Measurement.run(setting, load, Pace.inFlight(inFlight))
    return { ...rest, value: deliveredPerSecond }
  }

const overWebSocket = {
  unit: "delivered/s",
  better: "more",
  servers: ["effect-bayeux", "faye", "socket.io", "plain-ws", "bare-socket"]
} as const

export const to100: Scenario = {
  ...overWebSocket,
  name: "fan-out-100",
  title: "fan-out to 100 sockets, 100 B, 32 publishes in flight",
  target: { text: "half the limit", ratio: { of: "limit", by: 0.5 } },
  run: run(webSocket, 100, 32)
}

export const to1000: Scenario = {
  ...overWebSocket,
  name: "fan-out-1000",
  title: "fan-out to 1,000 sockets, 100 B, 8 in flight",
  target: { text: "half the limit", ratio: { of: "limit", by: 0.5 } },
  run: run(webSocket, 1_000, 8)
}

export const to1000OneByOne: Scenario = {
  ...overWebSocket,
  name: "fan-out-1000-single",
  title: "fan-out to 1,000 sockets, one in flight",
  target: { text: "as plain ws", ratio: { of: "plain", by: 1 } },
  run: run(webSocket, 1_000, 1)
}

export const overLongPolling: Scenario = {
  name: "long-polling",
  title: "long-poll fan-out to 100, 4 in flight",
  unit: "delivered/s",
  better: "more",
  servers: ["effect-bayeux", "faye", "plain-http"],
  target: { text: "0.75 × plain http", ratio: { of: "plain", by: 0.75 } },
  run: run(polling, 100, 4)
}
