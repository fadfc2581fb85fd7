/**
 * Requests: the channels of the specification's "Meta Message Field Definitions", one function each.
 *
 * A request comes in well formed (see `Message.decode`). Permissions are checked here: whether the session can exist
 * (401), whether the transport is offered (301), whether the channel may be subscribed to (403). A permitted request
 * becomes a change; it is answered with the outcome (`Outcomes`). The engine finds out whether a session that is not
 * here exists at all.
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Advice from "./Advice.ts"
import * as Awaiting from "./Awaiting.ts"
import * as BayeuxError from "./BayeuxError.ts"
import { clientRequest } from "./Cause.ts"
import type { Change } from "./Change.ts"
import * as Channel from "./Channel.ts"
import * as ClientId from "./ClientId.ts"
import type { Connection } from "./Connection.ts"
import * as Connects from "./Connects.ts"
import * as EndedSessions from "./EndedSessions.ts"
import type { ConnectReceived, HandshakeReceived, Received, StreamOpened } from "./Input.ts"
import * as Links from "./Links.ts"
import * as Message from "./Message.ts"
import { type Output, reply } from "./Output.ts"
import * as Retries from "./Retries.ts"
import type * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>

/** Connection type of the application's own sessions. */
export const inProcess = "in-process"

/**
 * Lists the connection types that are open to a connection. A session that acknowledges gets its messages with the
 * answers to its connects: it cannot have a stream.
 */
export const connectionTypes = (
  state: State.State,
  connection: Connection,
  acknowledges: boolean
): ReadonlyArray<string> => {
  if (connection.local) return [inProcess]
  return acknowledges ? state.connectionTypes.filter((type) => type !== "eventsource") : state.connectionTypes
}

const commit = (change: Change, out: Out): void => {
  out.push({ _tag: "Commit", change })
}

/**
 * Chooses the advice of a refusal: where the engine cannot be asked the session is kept, and its client is to come
 * back.
 */
const adviceWith = (error: BayeuxError.BayeuxError, { _tag }: Message.Incoming): Advice.Advice | undefined =>
  BayeuxError.isUnavailable(error) && _tag === "Connect" ? Advice.inAMoment : undefined

/**
 * Creates the fields of a handshake's answer about the server. A refused client gets them, too: it may find out what to
 * try next.
 */
export const offer = (
  state: State.State,
  connection: Connection,
  acknowledges: boolean
): Pick<Message.Reply, "version" | "supportedConnectionTypes"> => ({
  version: Message.version,
  supportedConnectionTypes: connectionTypes(state, connection, acknowledges)
})

const offerIn = (state: State.State, connection: Connection, message: Message.Incoming) =>
  Message.channelOf(message) === Channel.handshake
    ? offer(state, connection, message._tag === "Handshake" && message.acknowledges)
    : undefined

/** Creates the answers to a request that is refused: the error, and to a connect the farewell if its session was ended. */
const refusal = (
  state: State.State,
  connection: Connection,
  message: Message.Incoming,
  given: BayeuxError.BayeuxError
): ReadonlyArray<Message.Reply> => {
  const name = "clientId" in message ? message.clientId : undefined
  const error = EndedSessions.errorOf(state.kicked, name, given)
  const isOver = error !== given
  const advice = message._tag === "Refused" ? message.advice : isOver ? Advice.none : adviceWith(error, message)
  const reply = Message.failed(message, error, advice, offerIn(state, connection, message))
  return isOver && message._tag === "Connect" ? [reply, EndedSessions.farewell(message.clientId, error)] : [reply]
}

/** Answers a request with an error. */
export const refuse = (
  state: State.State,
  { connection, slot }: { readonly connection: Connection; readonly slot: number },
  message: Message.Incoming,
  error: BayeuxError.BayeuxError,
  out: Out
): void => {
  out.push(reply(connection.id, slot, refusal(state, connection, message, error), undefined))
  if (isPublish(message)) out.push({ _tag: "Drop", reason: "Refused", messages: 1 })
}

/** Refuses a connect or stream that waits for its session. Where the engine cannot be asked, a browser is to try again. */
export const refuseAwaiting = (
  state: State.State,
  input: State.Awaiting,
  error: BayeuxError.BayeuxError,
  out: Out
): void => {
  const { connection } = input
  if (input._tag === "StreamOpened" && BayeuxError.isUnavailable(error)) {
    out.push({ _tag: "CloseConnection", connection: connection.id, reason: "Unavailable" })
  } else Awaiting.turnAway(input, (request) => refusal(state, connection, request, error), out)
}

const isPublish = (message: Message.Incoming): boolean =>
  message._tag === "Publish" ||
  (message._tag === "Refused" && message.channel !== undefined && !Channel.isMeta(message.channel))

/**
 * `/meta/handshake`: begins a session, if client and server have a connection type in common. It acknowledges if the
 * client says so; the application's own sessions lose nothing and need not.
 */
export const handshake = (state: State.State, input: HandshakeReceived, out: Out): State.State => {
  const { connection, freshId, message, slot } = input
  const { identity, supportedConnectionTypes: types } = message
  const acknowledges = message.acknowledges && !connection.local
  const offered = connectionTypes(state, connection, acknowledges)
  const full = crowded(state, connection)
  if (full !== undefined) {
    refuse(state, input, message, full, out)
  } else if (types.some((type) => offered.includes(type))) {
    const origin = { connection, slot, request: message }
    const { local } = connection
    commit({ _tag: "CreateSession", clientId: freshId, local, acknowledges, identity, origin }, out)
    return connection.kind === "socket" && !local ? State.begin(state, connection.id, freshId) : state
  } else {
    refuse(state, input, message, BayeuxError.connectionTypesMismatch(types), out)
  }
  return state
}

/** Error of a handshake for which there is no room, in the process or over its socket. */
const crowded = (state: State.State, { id, local }: Connection): BayeuxError.BayeuxError | undefined => {
  if (local) return undefined
  const { maxSessions, maxSessionsPerSocket } = state.settings
  if (HashMap.size(state.sessions) >= maxSessions) return BayeuxError.tooManySessions(maxSessions)
  return State.begunOver(state, id).length >= maxSessionsPerSocket
    ? BayeuxError.tooManySessions(maxSessionsPerSocket)
    : undefined
}

/** Handles any other request. */
export const receive = (state: State.State, input: Received, out: Out): State.State => {
  const { message } = input
  switch (message._tag) {
    case "Refused":
      refuse(state, input, message, message.error, out)
      return state
    case "Publish":
      publish(state, input, message, out)
      return state
    case "Connect":
      return connect(state, { ...input, message }, out)
    case "Subscribe":
      subscribe(state, input, message, out)
      return state
    case "Unsubscribe":
      unsubscribe(state, input, message, out)
      return state
    case "Disconnect":
      disconnect(state, input, message, out)
      return state
  }
}

/**
 * Publishes a message. A client that names a session must be the client of that session; one that names none is a
 * stranger.
 */
const publish = (state: State.State, input: Received, message: Message.Publish, out: Out): void => {
  const session = message.clientId === null ? null : State.session(state, message.clientId)
  const isKnown = session !== undefined
  const clientId = isKnown ? session?.clientId ?? null : ClientId.parse(message.clientId ?? "")
  if (clientId === undefined) {
    return refuse(state, input, message, BayeuxError.clientUnknown(message.clientId ?? ""), out)
  }
  const { channel, data, id, traceparent } = message
  const origin = { connection: input.connection, slot: input.slot, request: message }
  const arrivedAt = input.now
  const once = onceOf(input.connection, session, clientId, id)
  commit({ _tag: "Publish", clientId, isKnown, channel, data, id, arrivedAt, traceparent, once, origin }, out)
}

/**
 * Creates the key by which a repeated publish is recognised. The engine knows whether the ids of a session that is not
 * here are unique.
 */
const onceOf = (
  { local }: Connection,
  session: Session.Session | null | undefined,
  clientId: ClientId.ClientId | null,
  id: Message.Id
): Retries.IdempotencyKey | undefined =>
  local || clientId === null ? undefined : Retries.once(session?.retries.ids ?? "Unique", clientId, id)

/**
 * `/meta/connect`: the business of the process that owns the session. It needs no change, but the session must be here.
 */
const connect = (state: State.State, input: ConnectReceived, out: Out): State.State => {
  const { clientId, connectionType } = input.message
  const session = State.session(state, clientId)
  if (session === undefined) return adopt(state, input, out)
  if (!connectionTypes(state, input.connection, session.acknowledges).includes(connectionType)) {
    refuse(state, input, input.message, BayeuxError.connectionTypesMismatch([connectionType]), out)
    return state
  }
  return Connects.connect(state, session, input, out)
}

/** Binds a stream to its session, if that is here. */
export const openStream = (state: State.State, input: StreamOpened, out: Out): State.State => {
  const session = State.session(state, input.clientId)
  return session === undefined ? adopt(state, input, out) : Links.openStream(state, session, input, out)
}

/** Has the engine bring a session here; its connects and streams wait until it comes, or is refused. */
const adopt = (state: State.State, input: State.Awaiting, out: Out): State.State => {
  const name = input._tag === "Received" ? input.message.clientId : input.clientId
  const clientId = ClientId.parse(name)
  if (clientId === undefined) {
    refuseAwaiting(state, input, BayeuxError.clientUnknown(name), out)
    return state
  }
  if (!Awaiting.isAwaited(state, clientId)) {
    const acknowledged = input._tag === "Received" ? input.message.acknowledged : undefined
    commit({ _tag: "Adopt", clientId, acknowledged, origin: undefined }, out)
  }
  return Awaiting.add(state, clientId, input)
}

/** `/meta/subscribe`: all of the patterns or none. */
const subscribe = (state: State.State, input: Received, message: Message.Subscription, out: Out): void => {
  const session = State.session(state, message.clientId)
  const error = forbidden(input.connection, message.patterns) ??
    (session && tooMany(state, session.subscriptions, message.patterns))
  changeSubscriptions(state, session, input, message, error, out)
}

/** `/meta/unsubscribe`: all of the patterns or none; one that was not subscribed to is no error. */
const unsubscribe = (state: State.State, input: Received, message: Message.Subscription, out: Out): void => {
  const session = State.session(state, message.clientId)
  changeSubscriptions(state, session, input, message, forbidden(input.connection, message.patterns), out)
}

/**
 * Commits a change of subscriptions. An unknown session is a worse error than a forbidden pattern: the engine finds out
 * about a session that is not here, so its change carries the error.
 */
const changeSubscriptions = (
  state: State.State,
  session: Session.Session | undefined,
  input: Received,
  message: Message.Subscription,
  error: BayeuxError.BayeuxError | undefined,
  out: Out
): void => {
  const { _tag, clientId: name, patterns } = message
  const clientId = session?.clientId ?? ClientId.parse(name)
  if (clientId === undefined) return refuse(state, input, message, BayeuxError.clientUnknown(name), out)
  if (error !== undefined && session !== undefined) return refuse(state, input, message, error, out)
  const origin = { connection: input.connection, slot: input.slot, request: message }
  commit({ _tag, clientId, patterns, forbidden: error, origin }, out)
}

/** `/meta/disconnect`: ends the session. */
const disconnect = (state: State.State, input: Received, message: Message.Disconnect, out: Out): void => {
  const clientId = State.session(state, message.clientId)?.clientId ?? ClientId.parse(message.clientId)
  if (clientId === undefined) return refuse(state, input, message, BayeuxError.clientUnknown(message.clientId), out)
  const origin = { connection: input.connection, slot: input.slot, request: message }
  commit({ _tag: "EndSession", clientId, cause: clientRequest, origin }, out)
}

const forbidden = (
  connection: Connection,
  patterns: ReadonlyArray<Channel.Pattern>
): BayeuxError.BayeuxError | undefined => {
  const isAllowed = connection.local ? (pattern: string) => !Channel.isMeta(pattern) : Channel.isSubscribable
  const refused = patterns.find((pattern) => !isAllowed(pattern))
  return refused === undefined ? undefined : BayeuxError.channelForbidden(refused)
}

const tooMany = (
  state: State.State,
  subscriptions: HashSet.HashSet<Channel.Pattern>,
  patterns: ReadonlyArray<Channel.Pattern>
): BayeuxError.BayeuxError | undefined => {
  const added = new Set(patterns.filter((pattern) => !HashSet.has(subscriptions, pattern)))
  const { maxSubscriptions, maxTotalSubscriptions } = state.settings
  if (added.size > 0 && state.routes.size + added.size > maxTotalSubscriptions) {
    return BayeuxError.tooManySubscriptions(maxTotalSubscriptions)
  }
  return HashSet.size(subscriptions) + added.size > maxSubscriptions
    ? BayeuxError.tooManySubscriptions(maxSubscriptions)
    : undefined
}
