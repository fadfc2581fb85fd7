/**
 * What happens when the engine has carried out an order: only here do sessions and subscriptions come into the state
 * and leave it, only here is a monitoring event emitted. So an event exists if and only if the state has changed.
 */
import { HashMap, HashSet } from "effect"
import * as Advice from "./Advice.ts"
import * as BayeuxError from "./BayeuxError.ts"
import type { Pattern } from "./Channel.ts"
import * as Deadlines from "./Deadlines.ts"
import * as Links from "./Links.ts"
import * as Message from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import type { Cause } from "./MonitorEvent.ts"
import type { CreateSession, EndSession, Fact, Origin, PublishOrder, Subscribe, Unsubscribe } from "./Order.ts"
import type { Output } from "./Output.ts"
import * as Protocol from "./Protocol.ts"
import * as Routes from "./Routes.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>

const answer = (origin: Origin<Message.Incoming>, message: Message.Reply, out: Out): void => {
  out.push({
    _tag: "Reply",
    connection: origin.connection.id,
    slot: origin.slot,
    messages: [message],
    clientId: undefined
  })
}

/** The engine has done something, or refused to. */
export const apply = (state: State.State, fact: Fact, now: number, out: Out): State.State => {
  switch (fact._tag) {
    case "Published":
      return published(state, fact.order, fact.position, out)
    case "SessionCreated":
      return sessionCreated(state, fact.order, now, out)
    case "Subscribed":
      return subscribed(state, fact.order, out)
    case "Unsubscribed":
      return unsubscribed(state, fact.order, out)
    case "SessionEnded":
      return sessionEnded(state, fact.order, out)
    case "Refused":
      return refused(state, fact, now, out)
  }
}

const sessionCreated = (state: State.State, order: CreateSession, now: number, out: Out): State.State => {
  const { acknowledges, clientId, origin } = order
  const supportedConnectionTypes = Protocol.connectionTypes(state, origin.connection, acknowledges)
  const advice = Advice.retry(state.settings, "")
  const { version } = Message
  const ext = acknowledges ? { ext: { ack: true } } : undefined
  answer(
    origin,
    Message.succeeded(origin.request, { clientId, version, supportedConnectionTypes, advice, ...ext }),
    out
  )
  out.push({ _tag: "Emit", event: { _tag: "Handshake", clientId } })
  const { local } = origin.connection
  return Links.arm(state, Session.make({ clientId, local, acknowledges }, now, state.settings.sessionTimeout))
}

const subscribed = (state: State.State, order: Subscribe, out: Out): State.State => {
  const { clientId, origin, patterns } = order
  const session = State.session(state, clientId)
  if (session === undefined) return endedMeanwhile(state, order, out)
  let subscriptions = session.subscriptions
  const added = patterns.filter((pattern) => {
    const before = subscriptions
    subscriptions = HashSet.has(before, pattern) ? before : HashSet.add(before, pattern)
    return subscriptions !== before
  })
  answer(origin, Message.succeeded(origin.request, { clientId, subscription: origin.request.subscription }), out)
  for (const channel of added) out.push({ _tag: "Emit", event: { _tag: "Subscribe", clientId, channel } })
  if (added.length === 0) return state
  const routes = Routes.subscribe(state.routes, clientId, added)
  return State.setSession({ ...state, routes }, { ...session, subscriptions })
}

const unsubscribed = (state: State.State, order: Unsubscribe, out: Out): State.State => {
  const { clientId, origin, patterns } = order
  const session = State.session(state, clientId)
  if (session === undefined) return endedMeanwhile(state, order, out)
  let subscriptions = session.subscriptions
  const removed = patterns.filter((pattern) => {
    const before = subscriptions
    subscriptions = HashSet.has(before, pattern) ? HashSet.remove(before, pattern) : before
    return subscriptions !== before
  })
  answer(origin, Message.succeeded(origin.request, { clientId, subscription: origin.request.subscription }), out)
  emitUnsubscribes(session, removed, { _tag: "ClientRequest" }, out)
  if (removed.length === 0) return state
  const routes = Routes.unsubscribe(state.routes, clientId, removed)
  return State.setSession({ ...state, routes }, { ...session, subscriptions })
}

const emitUnsubscribes = (session: Session.Session, patterns: Iterable<Pattern>, cause: Cause, out: Out): void => {
  const { clientId } = session
  for (const channel of patterns) out.push({ _tag: "Emit", event: { _tag: "Unsubscribe", clientId, channel, cause } })
}

const endedMeanwhile = (state: State.State, order: Subscribe | Unsubscribe, out: Out): State.State => {
  Protocol.refuse(order.origin, order.origin.request, BayeuxError.clientUnknown(order.clientId), out)
  return state
}

/** A message has been accepted: it is built anew from what may be delivered, and goes to each subscriber once. */
const published = (state: State.State, order: PublishOrder, position: number, out: Out): State.State => {
  const { channel, clientId, data, id, origin } = order
  const message = new Message.Delivery(channel, data, id, position)
  answer(origin, Message.succeeded(origin.request, clientId === null ? undefined : { clientId }), out)
  out.push({ _tag: "Emit", event: { _tag: "Publish", clientId, channel, data } })
  const { connections, queues } = Routes.recipients(state.routes, channel)
  if (connections.length > 0) out.push({ _tag: "Deliver", connections, message })
  const [next, overflowing] = Links.enqueue(state, queues, message)
  return overflowing.reduce((state, clientId) => requestEnd(state, clientId, { _tag: "QueueOverflow" }, out), next)
}

/** Orders the end of a session on the server's side, once. */
export const requestEnd = (state: State.State, clientId: string, cause: Cause, out: Out): State.State => {
  const session = State.session(state, clientId)
  if (session === undefined || session.ending) return state
  out.push({ _tag: "Commit", order: { _tag: "EndSession", clientId: session.clientId, cause, origin: undefined } })
  return Links.rearm(state, { ...session, ending: true })
}

const sessionEnded = (state: State.State, order: EndSession, out: Out): State.State => {
  const { cause, clientId, origin } = order
  const session = State.session(state, clientId)
  if (origin !== undefined) answer(origin, Message.succeeded(origin.request, { clientId }), out)
  if (session === undefined) return state
  dismiss(session, cause, out)
  emitUnsubscribes(session, session.subscriptions, cause, out)
  out.push({ _tag: "Emit", event: { _tag: "Disconnect", clientId, cause } })
  const { link } = session
  if (link._tag === "Attached") {
    out.push({ _tag: "CloseConnection", connection: link.connection, reason: "SessionEnded" })
  }
  return remove(state, session)
}

const remove = (before: State.State, session: Session.Session): State.State => {
  const { clientId } = session
  const state = Links.detach(before, session)
  return {
    ...state,
    sessions: HashMap.remove(state.sessions, clientId),
    routes: Routes.unsubscribe(state.routes, clientId, session.subscriptions),
    deadlines: Deadlines.remove(state.deadlines, session.armedAt, clientId)
  }
}

/** The last answer of a session: to its held connect, with what still waits for it and with what the client is to do. */
const dismiss = (session: Session.Session, cause: Cause, out: Out): void => {
  const held = Session.held(session)
  if (held === undefined || session.link._tag === "Detached") return
  const reply = cause._tag === "ClientRequest"
    ? Message.succeeded(held.request, { clientId: session.clientId, advice: Advice.none })
    : Message.failed(held.request, BayeuxError.clientUnknown(session.clientId), adviceAfter(cause))
  const messages = [reply, ...MessageQueue.toArray(session.queue)]
  out.push({ _tag: "Reply", connection: session.link.connection, slot: held.slot, messages, clientId: undefined })
}

const adviceAfter = (cause: Cause): Advice.Advice => {
  switch (cause._tag) {
    case "ClientRequest":
    case "Kicked":
      return Advice.none
    case "Timeout":
    case "QueueOverflow":
      return Advice.handshake
    case "Shutdown":
      return Advice.restart
  }
}

/** The engine has refused an order: whoever waits for it is told, and a session that was to end lives on. */
const refused = (
  state: State.State,
  fact: Fact & { readonly _tag: "Refused" },
  now: number,
  out: Out
): State.State => {
  const { error, order } = fact
  if (order.origin !== undefined) Protocol.refuse(order.origin, order.origin.request, error, out)
  if (order._tag !== "EndSession") return state
  const session = State.session(state, order.clientId)
  if (session === undefined) return state
  return Links.arm(state, { ...Session.seen(session, now, state.settings.sessionTimeout), ending: false })
}
