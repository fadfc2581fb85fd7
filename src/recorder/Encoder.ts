/**
 * Writes steps as lines, at the moment at which they are taken: everything is in the processor's caches then.
 *
 * A line has a step, and the next one where the engine has returned the outcome of its only change, and so on. A publish
 * with its outcome, as in memory, is put together by hand, with the JSON that its subscribers get. An outcome that comes
 * later names its change by the number of the step that committed it.
 */
import type { Change, Outcome, PublishChange } from "../core/Change.ts"
import type { Input } from "../core/Input.ts"
import * as Message from "../core/Message.ts"
import type { Output } from "../core/Output.ts"
import * as Digest from "./Digest.ts"
import { digit } from "./Line.ts"
import * as Pseudonymiser from "./Pseudonymiser.ts"
import type { RecordingFile } from "./RecordingFile.ts"

type Outputs = ReadonlyArray<Output>

/** Steps of one line: that of an input, and those of the outcomes that followed at once. */
export interface Entry {
  /** Number of the first step. */
  readonly step: number
  /** Number of the last event before it. */
  readonly sequence: number
  readonly input: Input
  readonly outcomes: Array<Outcome>
  /** Outputs of each step, undefined if it has failed. */
  readonly outputs: Array<Outputs | undefined>
}

/** Writer of a line. */
export type LineWriter = Pick<RecordingFile, "ascii" | "number" | "next" | "text" | "end">

/** Returns the writer for a line of so many bytes at most, about a step; undefined if there is no room. */
export type Sink = (most: number, step: number) => LineWriter | undefined

/** Bytes of the line of a publish beside the message, at most. */
const mostBeside = 512

type Received = Extract<Input, { readonly _tag: "Received" }>
type Published = Extract<Outcome, { readonly _tag: "Published" }>

/** Writes JSON in which a delivery has its position as well. */
export const json = (value: unknown): string =>
  JSON.stringify(value, (_key, field: unknown) =>
    field instanceof Message.Delivery
      ? { position: field.position, channel: field.channel, data: field.data, id: field.id, ext: field.ext }
      : field)

/** Encoder of one recording. */
export class Encoder {
  readonly #pseudonymiser: Pseudonymiser.Pseudonymiser
  readonly #committed = new Map<Change, number>()

  constructor(pseudonymiser: Pseudonymiser.Pseudonymiser) {
    this.#pseudonymiser = pseudonymiser
  }

  /** Changes of clients that have no outcome yet, with the number of their step. */
  get committed(): ReadonlyMap<Change, number> {
    return this.#committed
  }

  /** Takes note of the changes of an entry, whether it is written or not. */
  note({ input, outputs, step }: Entry): void {
    if (input._tag === "Happened" && "change" in input.outcome) this.#committed.delete(input.outcome.change)
    for (const output of outputs.at(-1) ?? []) {
      if (output._tag === "Commit" && output.change.origin !== undefined) this.#committed.set(output.change, step)
    }
  }

  /** Writes the line of an entry. Throws where something is not JSON. */
  write(entry: Entry, sink: Sink): void {
    const published = publishedIn(entry)
    if (published !== undefined) return this.#publish(entry, published, sink)
    const line = this.#line(entry)
    const writer = sink(line.length * 3, entry.step)
    writer?.text(line)
    writer?.end()
  }

  #publish(entry: Entry, outcome: Published, sink: Sink): void {
    const { input, sequence, step } = entry
    if (input._tag !== "Received") return
    const { connection, slot } = input
    const { clientId } = outcome.change
    const message = this.#message(entry, outcome.change)
    const writer = sink(message.length * 3 + mostBeside, step)
    if (writer === undefined) return
    writer.ascii("[")
    writer.number(step)
    writer.ascii(",\"Publish\",")
    writer.ascii(this.#time(input.now))
    writer.next(sequence)
    writer.next(this.#digest(entry) ?? 0)
    writer.next(connection.id)
    writer.next(digit(connection, input.mayBeHeld))
    writer.next(slot)
    writer.ascii(clientId === null ? ",null" : ",\"")
    if (clientId !== null) {
      writer.ascii(this.#pseudonymiser.nameOf(clientId))
      writer.ascii("\"")
    }
    writer.next(outcome.position)
    writer.ascii(",")
    writer.text(message)
    writer.ascii("]")
    writer.end()
  }

  /** Writes a message. If it was delivered, it is in JSON already. */
  #message({ outputs }: Entry, { channel, data, id, traceparent }: PublishChange): string {
    const { redact } = this.#pseudonymiser
    const ext = traceparent && { traceparent }
    if (redact !== undefined) return JSON.stringify({ channel, data: redact(channel, data), id, ext })
    for (const output of outputs[1] ?? []) if (output._tag === "Deliver") return output.message.json
    return JSON.stringify({ channel, data, id, ext })
  }

  /** Returns the sum over all steps, undefined if one of them has failed. */
  #digest({ outputs }: Entry): number | undefined {
    let sum = 0
    for (const some of outputs) {
      if (some === undefined) return undefined
      sum = (sum + Digest.of(some, this.#pseudonymiser.nameOf)) | 0
    }
    return sum
  }

  #line(entry: Entry): string {
    const { input, outcomes, sequence, step } = entry
    const digest = this.#digest(entry) ?? null
    const [tag, rest] = outcomes.length > 0 ? this.#long(input, outcomes) : this.#short(input) ?? this.#long(input)
    return `[${step},"${tag}",${this.#time(input.now)},${sequence},${digest}${rest}]`
  }

  /** Returns tag and fields of a frequent input, each field behind a comma. */
  #short(input: Input): readonly [tag: string, rest: string] | undefined {
    if (input._tag === "TurnEnded") return ["TurnEnded", ""]
    if (input._tag === "ConnectionClosed") return ["Closed", `,${input.connection}`]
    return input._tag === "Received" && input.message._tag === "Connect"
      ? ["Connect", this.#connect(input, input.message)]
      : undefined
  }

  /** Returns tag and fields of any input, with the outcomes. These lack their changes, which the replay has. */
  #long(input: Input, outcomes: ReadonlyArray<Outcome> = []): readonly [tag: string, rest: string] {
    const written = outcomes.map((outcome) => ({
      ...Pseudonymiser.outcome(this.#pseudonymiser, outcome),
      change: undefined
    }))
    return ["Input", [this.#input(input), ...written].map((part) => `,${json(part)}`).join("")]
  }

  #input(input: Input): object {
    return input._tag === "Happened"
      ? { _tag: "Happened", ...this.#outcome(input.outcome) }
      : { ...Pseudonymiser.input(this.#pseudonymiser, input), now: undefined }
  }

  #connect({ mayBeHeld, connection, slot }: Received, message: Message.Connect): string {
    const { acknowledged = null, clientId, connectionType, id = null, timeout = null } = message
    const name = this.#pseudonymiser.nameOf(clientId)
    return `,${connection.id},${digit(connection, mayBeHeld)},${slot},` +
      JSON.stringify([name, connectionType, timeout, acknowledged, id]).slice(1, -1)
  }

  #outcome(outcome: Outcome): { readonly outcome: unknown; readonly committed?: number } {
    const pseudonymised = Pseudonymiser.outcome(this.#pseudonymiser, outcome)
    if (!("change" in outcome)) return { outcome: pseudonymised }
    const committed = this.#committed.get(outcome.change)
    return committed === undefined
      ? { outcome: { ...pseudonymised, change: Pseudonymiser.change(this.#pseudonymiser, outcome.change) } }
      : { outcome: { ...pseudonymised, change: undefined }, committed }
  }

  #now = Number.NaN
  #nowText = ""

  /** Writes the time, which is the same for all of a turn. */
  #time(now: number): string {
    if (now !== this.#now) {
      this.#now = now
      this.#nowText = String(now)
    }
    return this.#nowText
  }
}

/** Returns the outcome of a publish, if an entry has nothing else. */
const publishedIn = ({ input, outcomes, outputs }: Entry): Published | undefined => {
  const [outcome, another] = outcomes
  const isPublish = input._tag === "Received" && input.message._tag === "Publish"
  return isPublish && outcome?._tag === "Published" && outcome.isOwn && another === undefined &&
      outputs[1] !== undefined
    ? outcome
    : undefined
}
