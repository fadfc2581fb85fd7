/**
 * Reads lines that `Encoder` has written back to inputs and outcomes. Lines are decoded without checks: their checksum was
 * checked before.
 */
import type * as Schema from "effect/Schema"
import type { Change, Outcome } from "../core/Change.ts"
import type { Channel } from "../core/Channel.ts"
import type { Input, Received } from "../core/Input.ts"
import * as Message from "../core/Message.ts"
import type { Retries } from "../core/Retries.ts"
import type { Traceparent } from "../core/Traceparent.ts"
import { type Line, way } from "./Line.ts"

/** An outcome without its change. */
export type OutcomeFields = { readonly [field: string]: unknown }

/** Line of a step, and of those of the outcomes that followed at once. */
export interface Recorded {
  readonly step: number
  readonly at: number
  /** Number of the last event before it. */
  readonly sequence: number
  /** Digest of the outputs; null if a step failed. */
  readonly digest: number | null
  readonly input: Input
  /** Outcomes that followed at once: the first one is of the only change of the step, and so on. */
  readonly outcomes: ReadonlyArray<OutcomeFields>
  /** Step that committed the change of the outcome. */
  readonly committed: number | undefined
}

type Rest = ReadonlyArray<Schema.Json>
type Fields = { readonly [field: string]: Schema.Json }
type MessageFields = {
  readonly position: number
  readonly channel: Channel
  readonly data: Schema.Json
  readonly id?: string | number
  readonly ext?: { readonly traceparent: Traceparent }
}

/** Reads a message that `Encoder.json` has written. */
export const delivery = ({ channel, data, ext, id, position }: MessageFields): Message.Delivery =>
  new Message.Delivery(channel, data, id, position, { traceparent: ext?.traceparent })

const deliveries = (json: Schema.Json | undefined): ReadonlyArray<Message.Delivery> =>
  (json as unknown as ReadonlyArray<MessageFields>).map(delivery)

const retries = ({ answered, ids, last }: Retries): Retries => ({
  ids,
  last,
  answered: answered && { ...answered, messages: answered.messages.map(delivery) }
})

/** Reads a change. */
export const change = (json: Schema.Json | undefined): Change => {
  const change = json as unknown as Change
  if (change._tag === "Yield") return { ...change, retries: retries(change.retries) }
  return change._tag === "GiveBack" ? { ...change, messages: change.messages.map(delivery) } : change
}

const outcome = (json: Fields, changeOf: () => Change | undefined): Outcome | undefined => {
  const outcome = json as unknown as Outcome
  switch (outcome._tag) {
    case "SessionAdopted":
      return {
        ...outcome,
        session: {
          ...outcome.session,
          queue: outcome.session.queue.map(delivery),
          retries: retries(outcome.session.retries)
        }
      }
    case "GivenBack":
      return { ...outcome, messages: outcome.messages.map(delivery) }
    case "SessionWanted":
    case "SessionTaken":
    case "SessionHere":
    case "AdoptionSuperseded":
      return outcome
    case "Published":
    case "SessionCreated":
    case "Repeated":
    case "Subscribed":
    case "Unsubscribed":
    case "SessionEnded":
    case "Refused": {
      const of = changeOf()
      return of && { ...outcome, change: of } as Outcome
    }
  }
}

const committedIn = (json: Fields): number | undefined => json["committed"] as number | undefined

const input = (json: Fields, now: number, committed: ReadonlyMap<number, Change>): Input | undefined => {
  if (json["_tag"] === "Returned") {
    return { ...json, now, messages: deliveries(json["messages"]) } as unknown as Input
  }
  if (json["_tag"] !== "Happened") return { ...json, now } as unknown as Input
  const fields = json["outcome"] as Fields
  const step = committedIn(json)
  const changeOf = () => step === undefined ? change(fields["change"]) : committed.get(step)
  const decoded = outcome(fields, changeOf)
  return decoded && { _tag: "Happened", now, outcome: decoded }
}

const received = (
  now: number,
  connection: number,
  digit: number,
  slot: number,
  message: Received["message"]
): Received => {
  const { mayBeHeld, kind, local } = way(digit)
  return { _tag: "Received", now, connection: { id: connection, kind, local }, slot, mayBeHeld, message }
}

const publish = (now: number, rest: Rest): readonly [Input, ReadonlyArray<OutcomeFields>] => {
  const [connection, digit, slot, clientId, position, json] = rest as unknown as [
    ...[number, number, number, string | null, number, MessageFields]
  ]
  const { channel, data, ext, id } = json
  const message = { _tag: "Publish", id, clientId, channel, data, traceparent: ext?.traceparent } as const
  return [received(now, connection, digit, slot, message), [{ _tag: "Published", position, isOwn: true }]]
}

const connect = (now: number, rest: Rest): Input => {
  const [connection, digit, slot, clientId, connectionType, timeout, acknowledged, id] = rest as unknown as [
    ...[number, number, number, string, string, number | null, number | null, string | number | null]
  ]
  return received(now, connection, digit, slot, {
    _tag: "Connect",
    id: id ?? undefined,
    clientId,
    connectionType,
    timeout: timeout ?? undefined,
    acknowledged: acknowledged ?? undefined
  })
}

/** Decodes a line. Returns undefined if it is not the line of a step, or the outcome of an unknown change. */
export const decode = (line: Line, committed: ReadonlyMap<number, Change>): Recorded | undefined => {
  const [step, tag, ...fields] = line
  const [at, sequence, digest, ...rest] = fields as unknown as [number, number, number | null, ...Rest]
  const recorded = (
    input: Input | undefined,
    outcomes: Recorded["outcomes"] = [],
    committed?: number
  ): Recorded | undefined => input && { step, at, sequence, digest, input, outcomes, committed }
  switch (tag) {
    case "Publish":
      return recorded(...publish(at, rest))
    case "Connect":
      return recorded(connect(at, rest))
    case "Closed":
      return recorded({ _tag: "ConnectionClosed", now: at, connection: rest[0] as number })
    case "TurnEnded":
      return recorded({ _tag: "TurnEnded", now: at })
    case "Input": {
      const [json, ...outcomes] = rest as unknown as readonly [Fields, ...ReadonlyArray<OutcomeFields>]
      return recorded(input(json, at, committed), outcomes, committedIn(json))
    }
    default:
      return undefined
  }
}
