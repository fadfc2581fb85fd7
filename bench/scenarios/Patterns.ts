/**
 * Subscribers by patterns: each of 16 channels reaches 100 subscribers through `/**`, `/rooms/**`, `/rooms/<n>/*`, and
 * through all of these and the channel itself at once, which is to give one delivery and not four.
 */
import { webSocket } from "../dialects/index.ts"
import * as Load from "../load/Load.ts"
import * as Measurement from "../load/Measurement.ts"
import * as Pace from "../load/Pace.ts"
import type { Scenario } from "./Scenario.ts"

const room = "rooms"
const streams = Array.from({ length: 16 }, (_, stream) => ({ stream, channel: `/rooms/${stream}/chat` }))
const channels = streams.map(({ channel }) => channel)
const children = streams.map(({ stream }) => `/rooms/${stream}/*`)

/** A quarter of the subscribers has each of these. */
const patterns = [["/**"], ["/rooms/**"], children, ["/**", "/rooms/**", ...children, ...channels]]
const subscribers = Array.from({ length: 100 }, (_, subscriber) => subscriber)

const plan: Load.Plan = {
  subscriptions: subscribers.map((subscriber) => ({ room, patterns: patterns[subscriber % patterns.length] ?? [] })),
  publications: [{ room, streams, answered: false }],
  groups: streams.map(() => subscribers)
}

export const byPatterns: Scenario = {
  name: "patterns",
  title: "100 subscribers by patterns, 16 channels, 2 in flight each",
  unit: "delivered/s",
  better: "more",
  servers: ["effect-bayeux", "faye", "plain-ws", "bare-socket"],
  target: { text: "half the limit", ratio: { of: "limit", by: 0.5 } },
  run: async (setting) => {
    const load = await Load.open(webSocket(setting.server), [setting.port], plan)
    const { deliveredPerSecond, ...rest } = await Measurement.run(setting, load, Pace.inFlight(2))
    return { ...rest, value: deliveredPerSecond }
  }
}
