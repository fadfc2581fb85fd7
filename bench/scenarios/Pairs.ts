/** Publishers with one subscriber each: a publish is done when it has been delivered and answered. */
import { webSocket } from "../dialects/index.ts"
import * as Load from "../load/Load.ts"
import * as Measurement from "../load/Measurement.ts"
import * as Pace from "../load/Pace.ts"
import type { Scenario } from "./Scenario.ts"

const pairs = Array.from(
  { length: 200 },
  (_, pair) => ({ room: `pair-${pair}`, channel: `/pair/${pair}`, stream: pair })
)

const plan: Load.Plan = {
  subscriptions: pairs.map(({ channel, room }) => ({ room, patterns: [channel] })),
  publications: pairs.map(({ channel, room, stream }) => ({ room, streams: [{ stream, channel }], answered: true })),
  groups: pairs.map(({ stream }) => [stream])
}

export const pairsOf200: Scenario = {
  name: "pairs",
  title: "200 pairs, each publish answered (socket.io: no answers)",
  unit: "publishes/s",
  better: "more",
  servers: ["effect-bayeux", "faye", "socket.io", "plain-ws", "bare-socket"],
  target: { text: "0.85 × plain ws", ratio: { of: "plain", by: 0.85 } },
  run: async (setting) => {
    const load = await Load.open(webSocket(setting.server), [setting.port], plan)
    const { donePerSecond, ...rest } = await Measurement.run(setting, load, Pace.inFlight(1))
    return { ...rest, value: donePerSecond }
  }
}

/** The same with a load that leaves the server time: what else it does costs CPU and nothing else. Not in the table. */
export const pairsAt5000: Scenario = {
  ...pairsOf200,
  name: "pairs-5000",
  title: "200 pairs, 5,000 publishes/s: server CPU",
  unit: "% of a core",
  better: "less",
  servers: ["effect-bayeux"],
  run: async (setting) => {
    const load = await Load.open(webSocket(setting.server), [setting.port], plan)
    const measurement = await Measurement.run(setting, load, Pace.steady(5_000))
    return { ...measurement, value: measurement.serverCpu * 100 }
  }
}
