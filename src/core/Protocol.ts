/**
 * What each request means: the channels of the specification's "Meta Message Field Definitions", one function each.
 *
 * A request comes in well formed (see `Message.decode`). Here is decided who may do what: whether the session exists
 * (401), whether the transport is offered (301), whether the channel may be subscribed to (403). A request that may be
 * carried out becomes an order; its answer waits for the fact (`Facts`).
 */
import { HashSet } from "effect"
import * as BayeuxError from "./BayeuxError.ts"
import * as Channel from "./Channel.ts"
import type { Connection } from "./Connection.ts"
import type { HandshakeReceived, Received } from "./Input.ts"
import * as Links from "./Links.ts"
import * as Message from "./Message.ts"
import { clientRequest } from "./MonitorEvent.ts"
import type { Order } from "./Order.ts"
import type { Output } from "./Output.ts"
import * as State from "./State.ts"

type Out = Array<Output>

/** The connection type of the application's own sessions. */
export const inProcess = "in-process"

/**
 * The connection types that are open to whoever is behind the connection. A session that acknowledges gets its messages
 * with the answers to its connects: it cannot have a stream.
 */
export const connectionTypes = (
  state: State.State,
  connection: Connection,
  acknowledges: boolean
): ReadonlyArray<string> => {
  if (connection.local) return [inProcess]
  return acknowledges ? state.connectionTypes.filter((type) => type !== "eventsource") : state.connectionTypes
}

const commit = (order: Order, out: Out): void => {
  out.push({ _tag: "Commit", order })
}

/** Answers a request with an error. */
export const refuse = (
  input: { readonly connection: Connection; readonly slot: number },
  message: Message.Incoming,
  error: BayeuxError.BayeuxError,
  out: Out
): void => {
  const advice = message._tag === "Refused" ? message.advice : undefined
  out.push({
    _tag: "Reply",
    connection: input.connection.id,
    slot: input.slot,
    messages: [Message.failed(message, error, advice)],
    clientId: undefined
  })
}

/**
 * `/meta/handshake`: begins a session, if client and server have a connection type in common. It acknowledges if the
 * client says so; the application's own sessions lose nothing and need not.
 */
export const handshake = (state: State.State, input: HandshakeReceived, out: Out): State.State => {
  const { connection, freshId, message, slot } = input
  const types = message.supportedConnectionTypes
  const acknowledges = message.acknowledges && !connection.local
  const offered = connectionTypes(state, connection, acknowledges)
  if (types.some((type) => offered.includes(type))) {
    const origin = { connection, slot, request: message }
    commit({ _tag: "CreateSession", clientId: freshId, acknowledges, origin }, out)
  } else {
    refuse(input, message, BayeuxError.connectionTypesMismatch(types), out)
  }
  return state
}

/** Any other request. */
export const receive = (state: State.State, input: Received, out: Out): State.State => {
  const { message } = input
  switch (message._tag) {
    case "Refused":
      refuse(input, message, message.error, out)
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

/** A message for others. Whoever names a session must be that session's client; whoever names none is a stranger. */
const publish = (state: State.State, input: Received, message: Message.Publish, out: Out): void => {
  const session = message.clientId === null ? null : State.session(state, message.clientId)
  if (session === undefined) return refuse(input, message, BayeuxError.clientUnknown(message.clientId ?? ""), out)
  const { channel, data, id } = message
  const origin = { connection: input.connection, slot: input.slot, request: message }
  commit({ _tag: "Publish", clientId: session === null ? null : session.clientId, channel, data, id, origin }, out)
}

/** `/meta/connect`: the only request that needs no order, a session's connection is nobody else's business. */
const connect = (state: State.State, input: Links.ConnectReceived, out: Out): State.State => {
  const { clientId, connectionType } = input.message
  const session = State.session(state, clientId)
  if (session === undefined) {
    refuse(input, input.message, BayeuxError.clientUnknown(clientId), out)
    return state
  }
  if (!connectionTypes(state, input.connection, session.acknowledges).includes(connectionType)) {
    refuse(input, input.message, BayeuxError.connectionTypesMismatch([connectionType]), out)
    return state
  }
  return Links.connect(state, input, out)
}

/** `/meta/subscribe`: all of the patterns or none. */
const subscribe = (state: State.State, input: Received, message: Message.Subscription, out: Out): void => {
  const session = State.session(state, message.clientId)
  if (session === undefined) return refuse(input, message, BayeuxError.clientUnknown(message.clientId), out)
  const error = forbidden(input.connection, message.patterns) ?? tooMany(state, session.subscriptions, message.patterns)
  if (error !== undefined) return refuse(input, message, error, out)
  const origin = { connection: input.connection, slot: input.slot, request: message }
  commit({ _tag: "Subscribe", clientId: session.clientId, patterns: message.patterns, origin }, out)
}

/** `/meta/unsubscribe`: all of the patterns or none; one that was not subscribed to is no error. */
const unsubscribe = (state: State.State, input: Received, message: Message.Subscription, out: Out): void => {
  const session = State.session(state, message.clientId)
  if (session === undefined) return refuse(input, message, BayeuxError.clientUnknown(message.clientId), out)
  const error = forbidden(input.connection, message.patterns)
  if (error !== undefined) return refuse(input, message, error, out)
  const origin = { connection: input.connection, slot: input.slot, request: message }
  commit({ _tag: "Unsubscribe", clientId: session.clientId, patterns: message.patterns, origin }, out)
}

/** `/meta/disconnect`: ends the session. */
const disconnect = (state: State.State, input: Received, message: Message.Disconnect, out: Out): void => {
  const session = State.session(state, message.clientId)
  if (session === undefined) return refuse(input, message, BayeuxError.clientUnknown(message.clientId), out)
  const origin = { connection: input.connection, slot: input.slot, request: message }
  commit({ _tag: "EndSession", clientId: session.clientId, cause: clientRequest, origin }, out)
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
  const { maxSubscriptions } = state.settings
  return HashSet.size(subscriptions) + added.size > maxSubscriptions
    ? BayeuxError.tooManySubscriptions(maxSubscriptions)
    : undefined
}
