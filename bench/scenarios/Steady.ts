/** A load that no server finds hard: what it costs, and how long messages take when nothing queues. */
import { webSocket } from "../dialects/index.ts"
import * as Load from "../load/Load.ts"
import * as Measurement from "../load/Measurement.ts"
import * as Pace from "../load/Pace.ts"
import type { Scenario } from "./Scenario.ts"

const perRoom = 20
const rooms = Array.from(
  { length: 10 },
  (_, stream) => ({ room: `room-${stream}`, channel: `/rooms/${stream}`, stream })
)

const plan: Load.Plan = {
  subscriptions: rooms.flatMap(({ channel, room }) =>
    Array.from({ length: perRoom }, () => ({ room, patterns: [channel] }))
  ),
  publications: rooms.map(({ channel, room, stream }) => ({ room, streams: [{ stream, channel }], answered: false })),
  groups: rooms.map(({ stream }) => Array.from({ length: perRoom }, (_, index) => stream * perRoom + index))
}

export const steady: Scenario = {
  name: "steady",
  title: "1,000 publishes/s to 20 each: server CPU",
  unit: "% of a core",
  better: "less",
  servers: ["effect-bayeux", "faye", "socket.io", "plain-ws", "bare-socket"],
  target: {
    text: "1.1 × plain ws, p50 no worse (within 5 %)",
    ratio: { of: "plain", by: 1.1 },
    p50: { of: "plain", by: 1.05 }
  },
  run: async (setting) => {
    const load = await Load.open(webSocket(setting.server), [setting.port], plan)
    const measurement = await Measurement.run(setting, load, Pace.steady(1_000))
    return { ...measurement, value: measurement.serverCpu * 100 }
  }
}
