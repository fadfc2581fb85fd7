/**
 * Writes steps as lines, in the moment in which they are taken: everything is at hand then. What is frequent is put
 * together by hand: a publish that is carried out at once, as in memory, is one line, with the JSON that its subscribers
 * get. A fact does not repeat the order that it answers, if that
 * was ordered here, but says in which step.
 */
import type { Change, Outcome, PublishChange } from "../core/Change.ts"
import type { Input } from "../core/Input.ts"
import * as Message from "../core/Message.ts"
import type { Output } from "../core/Output.ts"
import * as Digest from "./Digest.ts"
import { digit } from "./Line.ts"
import * as Pseudonymiser from "./Pseudonymiser.ts"
import type { RecordingFile } from "./RecordingFile.ts"

/** A step that was taken: what went in, what came out (nothing where it has failed), the last event before it. */
export interface Taken {
  readonly step: number
  readonly input: Input
  readonly outputs: ReadonlyArray<Output> | undefined
  readonly sequence: number
}

/** What a line is written with. */
export type LineWriter = Pick<RecordingFile, "ascii" | "number" | "next" | "text" | "end">

/** Where a line goes of so many bytes at most, about a step; nowhere if there is no room. */
export type Sink = (most: number, step: number) => LineWriter | undefined

/** What the line of a publish holds beside the message. */
const mostBeside = 512

type Outputs = ReadonlyArray<Output>
type Received = Extract<Input, { readonly _tag: "Received" }>
type Published = Extract<Outcome, { readonly _tag: "Published" }>

/** JSON, in which a message that is on its way also shows its position. */
export const json = (value: unknown): string =>
  JSON.stringify(value, (_key, field: unknown) =>
    field instanceof Message.Delivery
      ? { position: field.position, channel: field.channel, data: field.data, id: field.id, ext: field.ext }
      : field)

/** The lines of steps, in their order. */
export class Encoder {
  readonly #pseudonymiser: Pseudonymiser.Pseudonymiser
  /** Orders that are not answered yet, with the number of their step. */
  readonly #committed = new Map<Change, number>()

  constructor(pseudonymiser: Pseudonymiser.Pseudonymiser) {
    this.#pseudonymiser = pseudonymiser
  }

  /** The orders that are not answered yet, and the steps in which they were given. */
  get committed(): ReadonlyMap<Change, number> {
    return this.#committed
  }

  /** A publish that the engine may be about to carry out. */
  #held: Taken | undefined

  /** The step that is not written yet. */
  get waiting(): Taken | undefined {
    return this.#held
  }

  /** Writes a step, or waits for the next one to know how. */
  take(taken: Taken, sink: Sink): void {
    const held = this.#held
    if (held !== undefined) {
      this.#held = undefined
      const published = publishedAtOnce(held, taken)
      if (published !== undefined) return this.#publish(held, published, taken.outputs ?? [], sink)
      this.#write(held, sink)
    }
    if (isPublish(taken)) this.#held = taken
    else this.#write(taken, sink)
  }

  /** Nothing follows at once: writes what waits. */
  settle(sink: Sink): void {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#write(held, sink)
  }

  /** Takes note of a step that is not written. */
  skip(taken: Taken): void {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#note(held)
    this.#note(taken)
  }

  #note({ input, outputs = [], step }: Taken): void {
    if (input._tag === "Happened" && "change" in input.outcome) this.#committed.delete(input.outcome.change)
    for (const output of outputs) {
      if (output._tag === "Commit" && output.change.origin !== undefined) this.#committed.set(output.change, step)
    }
  }

  #publish({ input, outputs = [], sequence, step }: Taken, outcome: Published, then: Outputs, sink: Sink): void {
    if (input._tag !== "Received") return
    const { connection, slot } = input
    const { clientId } = outcome.change
    const { nameOf } = this.#pseudonymiser
    const message = this.#message(outcome.change, then)
    const writer = sink(message.length * 3 + mostBeside, step)
    if (writer === undefined) return
    writer.ascii("[")
    writer.number(step)
    writer.ascii(",\"Publish\",")
    writer.ascii(this.#time(input.now))
    writer.next(sequence)
    writer.next((Digest.of(outputs, nameOf) + Digest.of(then, nameOf)) | 0)
    writer.next(connection.id)
    writer.next(digit(connection, input.mayBeHeld))
    writer.next(slot)
    writer.ascii(clientId === null ? ",null" : ",\"")
    if (clientId !== null) {
      writer.ascii(nameOf(clientId))
      writer.ascii("\"")
    }
    writer.next(outcome.position)
    writer.ascii(",")
    writer.text(message)
    writer.ascii("]")
    writer.end()
  }

  #write(taken: Taken, sink: Sink): void {
    const line = this.#step(taken)
    const writer = sink(line.length * 3, taken.step)
    writer?.text(line)
    writer?.end()
  }

  /** A message that is delivered is in JSON anyway. */
  #message({ channel, data, id, traceparent }: PublishChange, outputs: Outputs): string {
    const { redact } = this.#pseudonymiser
    const ext = traceparent && { traceparent }
    if (redact !== undefined) return JSON.stringify({ channel, data: redact(channel, data), id, ext })
    for (const output of outputs) if (output._tag === "Deliver") return output.message.json
    return JSON.stringify({ channel, data, id, ext })
  }

  #step(taken: Taken): string {
    const { input, outputs, sequence, step } = taken
    const digest = outputs === undefined ? "null" : Digest.of(outputs, this.#pseudonymiser.nameOf)
    const rest = this.#rest(input)
    this.#note(taken)
    return `[${step},"${rest[0]}",${this.#time(input.now)},${sequence},${digest}${rest[1]}]`
  }

  /** Tag of a line, and its fields behind the digest, each with a comma before it. */
  #rest(input: Input): readonly [tag: string, rest: string] {
    if (input._tag === "TurnEnded") return ["TurnEnded", ""]
    if (input._tag === "ConnectionClosed") return ["Closed", `,${input.connection}`]
    if (input._tag === "Happened") return ["Input", `,${json({ _tag: "Happened", ...this.#outcome(input.outcome) })}`]
    if (input._tag === "Received" && input.message._tag === "Connect") {
      return ["Connect", this.#connect(input, input.message)]
    }
    return ["Input", `,${json({ ...Pseudonymiser.input(this.#pseudonymiser, input), now: undefined })}`]
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

  /** The time is the same for all of a turn. */
  #time(now: number): string {
    if (now !== this.#now) {
      this.#now = now
      this.#nowText = String(now)
    }
    return this.#nowText
  }
}

const isPublish = ({ input, outputs }: Taken): boolean =>
  input._tag === "Received" && input.message._tag === "Publish" && outputs?.length === 1

const publishedAtOnce = ({ input, outputs }: Taken, next: Taken): Published | undefined => {
  if (next.outputs === undefined || next.input._tag !== "Happened" || next.input.now !== input.now) return undefined
  const { outcome } = next.input
  const commit = outputs?.[0]
  const isAnswer = commit?._tag === "Commit" && outcome._tag === "Published" && outcome.isOwn &&
    outcome.change === commit.change
  return isAnswer ? outcome : undefined
}
