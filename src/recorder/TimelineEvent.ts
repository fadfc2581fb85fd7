/** Events of a timeline, and which of them a step of the machine has brought about for a session. */
import * as HashSet from "effect/HashSet"
import type * as Schema from "effect/Schema"
import type { Advice } from "../core/Advice.ts"
import * as Channel from "../core/Channel.ts"
import type { ConnectionId } from "../core/Connection.ts"
import type { Input, Returned } from "../core/Input.ts"
import * as Message from "../core/Message.ts"
import * as MessageQueue from "../core/MessageQueue.ts"
import type { Cause, MonitorEvent } from "../core/MonitorEvent.ts"
import type { Output } from "../core/Output.ts"
import * as Retries from "../core/Retries.ts"
import * as Session from "../core/Session.ts"
import * as State from "../core/State.ts"
import type { Step } from "./Replay.ts"

/** Message of an event: its position among all, the number of its event if it was published in this process, its channel. */
export interface MessageRef {
  readonly position: number
  readonly sequence: number | undefined
  readonly channel: string
}

type Of<Tag extends string, Fields = object> = { readonly _tag: Tag } & Fields
type OfMessage<Tag extends string, Fields = object> = Of<Tag, { readonly message: MessageRef } & Fields>

/**
 * Event of a timeline:
 *
 * - `There`: the recording begins with the session as it is in `info`.
 * - `Connected`: a connect came; it is held until it is answered, or answered at once.
 * - `Advised`: it got an advice over its stream.
 * - `Written`: a message left for a connection. `CameBack`: it could not be written after all, its answer was reset, or
 *   the client has asked for it again.
 * - `Lost`: it still waited when the session ended. `Waits`: it still does when the recording ends.
 * - `Came`, `Went`: from and to another process.
 */
export type TimelineEvent =
  | Of<"There", { readonly info: Session.Info }>
  | Of<"Began", { readonly connection: ConnectionId | undefined; readonly acknowledges: boolean }>
  | Of<"Came" | "Went", { readonly waiting: number }>
  | Of<"Connected", {
    readonly connection: ConnectionId
    readonly connectionType: string
    readonly heldUntil: number | undefined
  }>
  | Of<"StreamOpened" | "Disconnected", { readonly connection: ConnectionId }>
  | Of<"Answered", { readonly connection: ConnectionId; readonly messages: number }>
  | Of<"Advised", { readonly connection: ConnectionId; readonly reconnect: NonNullable<Advice["reconnect"]> }>
  | Of<"Refused", { readonly request: string; readonly error: string }>
  | Of<"Subscribed", { readonly channel: string }>
  | Of<"Unsubscribed", { readonly channel: string; readonly cause: Cause }>
  | OfMessage<"Published", { readonly data: Schema.Json }>
  | OfMessage<"Matched", { readonly patterns: ReadonlyArray<string> }>
  | OfMessage<"Queued", { readonly waiting: number }>
  | OfMessage<"Written", { readonly connection: ConnectionId }>
  | OfMessage<"CameBack", { readonly why: "Unwritten" | "Reset" | "AskedAgain" }>
  | OfMessage<"Acknowledged">
  | OfMessage<"Lost", { readonly cause: Cause }>
  | OfMessage<"Waits", { readonly why: "NoConnection" | "NotAcknowledged" }>
  | Of<"Ended", { readonly cause: Cause; readonly waiting: number }>

/** Returns the reference to a message. */
export type RefOf = (message: Message.Delivery) => MessageRef

/** Returns the outcome of a publish in a step, if there is one. */
export const publishedIn = ({ input }: Step) =>
  input._tag === "Happened" && input.outcome._tag === "Published" ? input.outcome : undefined

/** Session before and after a step. */
interface Around {
  readonly step: Step
  readonly clientId: string
  readonly before: Session.Session | undefined
  readonly after: Session.Session | undefined
  readonly refOf: RefOf
}

/** Returns the events of a step for a session. */
export const of = (step: Step, clientId: string, refOf: RefOf): ReadonlyArray<TimelineEvent> => {
  const before = State.session(step.before, clientId)
  const after = State.session(step.after, clientId)
  const around = { step, clientId, before, after, refOf }
  const left = written(around)
  return [
    ...ofInput(step.input, around),
    ...refusals(around),
    ...step.events.flatMap((event) => ofEvent(event, around)),
    ...matched(around),
    ...answered(around),
    ...advised(around),
    ...left,
    ...ofQueue(around, left),
    ...end(around)
  ]
}

const ofInput = (input: Input, around: Around): ReadonlyArray<TimelineEvent> => {
  const { after, before, clientId } = around
  switch (input._tag) {
    case "Received": {
      const { connection: { id: connection }, message, slot } = input
      if (message._tag !== "Connect" || message.clientId !== clientId) return []
      const held = after && Session.held(after)
      const heldUntil = held?.slot === slot && held.request === message ? held.until : undefined
      const connected = { _tag: "Connected", connection, connectionType: message.connectionType, heldUntil } as const
      return [connected, ...askedAgain(message, connection, around)]
    }
    case "StreamOpened":
      return input.clientId === clientId ? [{ _tag: "StreamOpened", connection: input.connection.id }] : []
    case "ConnectionClosed":
    case "ConnectionEnding":
      return before !== undefined && connectionOf(before) === input.connection
        ? [{ _tag: "Disconnected", connection: input.connection }]
        : []
    case "Returned":
      if (input.clientId !== clientId || before === undefined) return []
      return cameBack(input, around)
    case "Happened": {
      const { outcome } = input
      if (outcome._tag === "SessionCreated" && outcome.change.clientId === clientId) {
        const { acknowledges, origin } = outcome.change
        return [{ _tag: "Began", connection: origin?.connection.id, acknowledges }]
      }
      return outcome._tag === "SessionAdopted" && outcome.session.clientId === clientId
        ? [{ _tag: "Came", waiting: outcome.session.queue.length }]
        : []
    }
    case "HandshakeReceived":
    case "Heard":
    case "Halted":
    case "DeadlinePassed":
    case "TurnEnded":
    case "EndRequested":
    case "TransportsChanged":
      return []
  }
}

/** Returns the messages that a client has asked for again by the id of its connect. */
const askedAgain = (
  message: Message.Connect,
  connection: ConnectionId,
  { before, refOf }: Around
): ReadonlyArray<TimelineEvent> =>
  before === undefined || before.acknowledges || !Retries.isUnread(before.retries, message, connection)
    ? []
    : (before.retries.answered?.messages ?? []).map((message) => ({
      _tag: "CameBack",
      message: refOf(message),
      why: "AskedAgain"
    }))

/** Returns the messages that a connection has not delivered and that are to be written again. */
const cameBack = ({ messages, resetBy }: Returned, { after, refOf, step }: Around): ReadonlyArray<TimelineEvent> => {
  const why = resetBy === undefined ? "Unwritten" : "Reset"
  const queued = after === undefined ? [] : MessageQueue.toArray(after.queue)
  const pushed = step.outputs.flatMap((output) => output._tag === "Deliver" ? [output.message] : [])
  const back = new Set([...queued, ...pushed].map(({ position }) => position))
  return messages
    .filter(({ position }) => back.has(position))
    .map((message) => ({ _tag: "CameBack", message: refOf(message), why }))
}

const connectionOf = ({ link }: Session.Session): ConnectionId | undefined =>
  link._tag === "Detached" ? undefined : link.connection

const ofEvent = (event: MonitorEvent, { clientId, refOf, step }: Around): ReadonlyArray<TimelineEvent> => {
  if (event.clientId !== clientId) return []
  switch (event._tag) {
    case "Subscribe":
      return [{ _tag: "Subscribed", channel: event.channel }]
    case "Unsubscribe":
      return event.withSession ? [] : [{ _tag: "Unsubscribed", channel: event.channel, cause: event.cause }]
    case "Publish": {
      const { channel, data } = event
      const position = publishedIn(step)?.position ?? 0
      return [{ _tag: "Published", message: refOf(new Message.Delivery(channel, data, undefined, position)), data }]
    }
    case "Handshake":
    case "Disconnect":
    case "Arrive":
    case "Depart":
      return []
  }
}

/** Returns the error with which a request of the session was refused, at once or with the outcome. */
const refusals = ({ clientId, step: { input, outputs } }: Around): ReadonlyArray<TimelineEvent> => {
  const origin = input._tag === "Received"
    ? { connection: input.connection, slot: input.slot, request: input.message }
    : input._tag === "Happened" && input.outcome._tag === "Refused"
    ? input.outcome.change.origin
    : undefined
  if (origin === undefined || !("clientId" in origin.request) || origin.request.clientId !== clientId) return []
  return outputs.flatMap((output) => {
    if (output._tag !== "Reply" || output.connection !== origin.connection.id || output.slot !== origin.slot) return []
    const error = output.messages.filter(Message.isReply)[0]?.error
    return error === undefined ? [] : [{ _tag: "Refused", request: Message.channelOf(origin.request) ?? "", error }]
  })
}

/** Returns the patterns of a session that match a channel. */
const patternsFor = (session: Session.Session, channel: Channel.Channel): ReadonlyArray<string> =>
  Channel.expand(channel).filter((pattern) => HashSet.has(session.subscriptions, pattern))

const matched = ({ before, refOf, step }: Around): ReadonlyArray<TimelineEvent> => {
  const outcome = publishedIn(step)
  if (outcome === undefined || before === undefined) return []
  const { channel, data, id } = outcome.change
  const patterns = patternsFor(before, channel)
  if (patterns.length === 0) return []
  return [{ _tag: "Matched", message: refOf(new Message.Delivery(channel, data, id, outcome.position)), patterns }]
}

type Reply = Extract<Output, { readonly _tag: "Reply" }>

/** Returns answers to connects of the session; the last one, when it ends, has no client id. */
const replies = ({ before, clientId, step }: Around): ReadonlyArray<Reply> => {
  if (before === undefined) return []
  const held = Session.held(before)
  const connection = connectionOf(before)
  return step.outputs.filter((output): output is Reply =>
    output._tag === "Reply" &&
    (output.clientId === clientId ||
      (held !== undefined && output.connection === connection && output.slot === held.slot))
  )
}

const answered = (around: Around): ReadonlyArray<TimelineEvent> =>
  replies(around).map(({ connection, messages }) => ({
    _tag: "Answered",
    connection,
    messages: messages.filter(Message.isDelivery).length
  }))

const advised = ({ before, step }: Around): ReadonlyArray<TimelineEvent> =>
  step.outputs.flatMap((output) => {
    if (output._tag !== "Advise" || before === undefined || connectionOf(before) !== output.connection) return []
    const { reconnect } = output.message.advice ?? {}
    return reconnect === undefined ? [] : [{ _tag: "Advised", connection: output.connection, reconnect }]
  })

const written = (around: Around): ReadonlyArray<Extract<TimelineEvent, { readonly _tag: "Written" }>> => {
  const { after, before, refOf, step } = around
  const pushed = step.outputs.flatMap((output) => {
    if (output._tag !== "Deliver") return []
    const connection = [after, before].map((session) => session && connectionOf(session))
      .find((connection) => connection !== undefined && output.connections.includes(connection))
    return connection === undefined ? [] : [{ connection, message: output.message }]
  })
  const answers = replies(around).flatMap(({ connection, messages }) =>
    messages.filter(Message.isDelivery).map((message) => ({ connection, message }))
  )
  return [...pushed, ...answers].map(({ connection, message }) => ({
    _tag: "Written",
    message: refOf(message),
    connection
  }))
}

/** Returns the messages that came into the queue, or left it without being written. */
const ofQueue = (
  { after, before, refOf, step }: Around,
  left: ReadonlyArray<{ readonly message: MessageRef }>
): ReadonlyArray<TimelineEvent> => {
  if (before === undefined || before.queue === after?.queue) return []
  const old = MessageQueue.toArray(before.queue)
  const now = after === undefined ? [] : MessageQueue.toArray(after.queue)
  if (publishedIn(step) !== undefined && after !== undefined) {
    return now.slice(old.length).map((message) => ({ _tag: "Queued", message: refOf(message), waiting: now.length }))
  }
  const still = new Set([...now.map(({ position }) => position), ...left.map(({ message }) => message.position)])
  const gone = old.filter(({ position }) => !still.has(position)).map(refOf)
  const cause = after === undefined ? causeIn(step) : undefined
  if (cause !== undefined) return gone.map((message) => ({ _tag: "Lost", message, cause }))
  return after === undefined ? [] : gone.map((message) => ({ _tag: "Acknowledged", message }))
}

const causeIn = ({ input }: Step): Cause | undefined =>
  input._tag === "Happened" && input.outcome._tag === "SessionEnded" ? input.outcome.change.cause : undefined

const end = (around: Around): ReadonlyArray<TimelineEvent> => {
  const { after, before, step } = around
  if (before === undefined || after !== undefined) return []
  const cause = causeIn(step)
  const written = replies(around).flatMap(({ messages }) => messages.filter(Message.isDelivery)).length
  return cause === undefined
    ? [{ _tag: "Went", waiting: before.queue.length }]
    : [{ _tag: "Ended", cause, waiting: Math.max(0, before.queue.length - written) }]
}
