/** Carries a part of the load, as it is told by the program that started this process. */
import type { Dialect } from "../dialects/Dialect.ts"
import * as Load from "../load/Load.ts"
import * as Measurement from "../load/Measurement.ts"
import * as Pace from "../load/Pace.ts"
import type { Usage } from "../load/Usage.ts"
import type { FromPart, Part, ToPart } from "./Protocol.ts"

const room = "bench"
const channel = `/${room}`

/** How many streams there are at the most, in all parts. */
const streams = 2

const tell = (message: FromPart): void => void process.send?.(message)

const fail = (error: unknown): void =>
  tell({ _tag: "Failed", reason: error instanceof Error ? error.message : String(error) })

/** What others publish has to come in order, too; when it was sent and when it has reached everybody they know. */
const knowing = (own: ReadonlyArray<number>, { subscribe, ...rest }: Dialect): Dialect => ({
  ...rest,
  subscribe: (address, subscription, onDelivery) => {
    let next = 0
    return subscribe(address, subscription, (stream, sequence) => {
      if (own.includes(stream)) return onDelivery(stream, sequence)
      if (sequence !== next) throw new Error(`Message ${sequence} of another process came where ${next} was due`)
      next++
    })
  }
})

const open = (dialect: Dialect, part: Part): Promise<Load.Load> => {
  const everybody = Array.from({ length: part.subscribers }, (_, subscriber) => subscriber)
  return Load.open(knowing(part.streams, dialect), part.ports.length === 0 ? [0] : part.ports, {
    subscriptions: everybody.map(() => ({ room, patterns: [channel] })),
    publications: part.streams.map((stream) => ({ room, streams: [{ stream, channel }], answered: true })),
    groups: Array.from({ length: streams }, () => everybody)
  })
}

/** Does what it is told from now on. */
export const serve = (dialectOf: (part: Part) => Dialect): void => {
  let run: (() => Promise<Measurement.Measurement>) | undefined
  let onUsage: (usage: Usage) => void = () => {}
  const usage = (): Promise<Usage> =>
    new Promise((resolve) => {
      onUsage = resolve
      tell({ _tag: "UsageAsked" })
    })
  const onOpen = async (part: Part) => {
    const load = await open(dialectOf(part), part)
    run = () => Measurement.run({ ...part, usage }, load, Pace.inFlight(part.inFlight))
    tell({ _tag: "Ready" })
  }
  process.on("uncaughtException", fail)
  process.on("unhandledRejection", fail)
  process.on("SIGTERM", () => process.exit())
  process.on("disconnect", () => process.exit())
  process.on("message", (message: ToPart) => {
    switch (message._tag) {
      case "Open":
        return void onOpen(message.part)
      case "Go":
        return void run?.().then((measurement) => tell({ _tag: "Done", measurement }))
      case "Usage":
        return onUsage(message.usage)
    }
  })
}
