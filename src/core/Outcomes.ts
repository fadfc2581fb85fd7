/**
 * Effects of outcomes: only here do sessions and subscriptions come into the state and leave it, only here is a
 * monitoring event emitted. So an event exists if and only if something has changed: in the service, which the process
 * of the change tells, or in the part of it that is here (`Arrive`, `Depart`).
 *
 * The events of a step come before its other outputs: whoever is reached by an answer or a delivery, an extension say,
 * and looks at the state finds in it what the events have told, no more and no less.
 */
import * as HashSet from "effect/HashSet"
import * as Advice from "./Advice.ts"
import * as Answers from "./Answers.ts"
import * as Awaiting from "./Awaiting.ts"
import * as BayeuxError from "./BayeuxError.ts"
import { type Cause, clientRequest } from "./Cause.ts"
import type { Adopted, CreateSession, Origin, Outcome, PublishChange } from "./Change.ts"
import type { ClientId } from "./ClientId.ts"
import * as EndedSessions from "./EndedSessions.ts"
import * as Links from "./Links.ts"
import * as Message from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import { type Event, handshake, type Move, unsubscribes } from "./MonitorEvent.ts"
import { type DropReason, type Output, reply } from "./Output.ts"
import * as Protocol from "./Protocol.ts"
import * as Resets from "./Resets.ts"
import * as Retries from "./Retries.ts"
import * as ReturnedMessages from "./ReturnedMessages.ts"
import * as Routes from "./Routes.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>
type Of<Tag extends Outcome["_tag"]> = Extract<Outcome, { readonly _tag: Tag }>

const answer = (
  { connection, slot }: Pick<Origin<never>, "connection" | "slot">,
  message: Message.Reply,
  out: Out,
  clientId?: ClientId
): void => {
  out.push(reply(connection.id, slot, [message], clientId))
}

const emit = (event: Event | Move, out: Out): void => {
  out.push({ _tag: "Emit", event })
}

/** Emits that a session is here as another process has left it, or changed it. */
const emitArrival = ({ clientId, createdAt, identity, subscriptions }: Session.Session, out: Out): void => {
  const known = identity === undefined ? undefined : { identity }
  emit({ _tag: "Arrive", clientId, ...known, createdAt, subscriptions: [...subscriptions] }, out)
}

const drop = (reason: DropReason, messages: number, out: Out): void => {
  if (messages > 0) out.push({ _tag: "Drop", reason, messages })
}

/** Applies an outcome to the state. */
export const apply = (state: State.State, outcome: Outcome, now: number, out: Out): State.State => {
  switch (outcome._tag) {
    case "Published":
      return published(state, outcome, now, out)
    case "Repeated":
      if (outcome.change.origin !== undefined) answerPublish(outcome.change, outcome.change.origin, out)
      return state
    case "SessionCreated":
      return sessionCreated(state, outcome.change, now, out)
    case "Subscribed":
      return subscribed(state, outcome, out)
    case "Unsubscribed":
      return unsubscribed(state, outcome, out)
    case "SessionEnded":
      return sessionEnded(state, outcome, out)
    case "SessionAdopted":
      return sessionAdopted(state, outcome.session, now, out)
    case "SessionWanted":
      return sessionWanted(state, outcome, out)
    case "SessionTaken":
      return sessionTaken(state, outcome, out)
    case "SessionHere":
      return Awaiting.resume(state, outcome.clientId, out)
    case "AdoptionSuperseded":
      return adoptionSuperseded(state, outcome.clientId, out)
    case "GivenBack":
      return givenBack(state, outcome, out)
    case "Refused":
      return refused(state, outcome, now, out)
  }
}

const sessionCreated = (state: State.State, change: CreateSession, now: number, out: Out): State.State => {
  const { clientId, identity, origin } = change
  emit(handshake(clientId, identity), out)
  if (origin !== undefined) answerHandshake(state, change, origin, out)
  const retries = Retries.make(origin?.request)
  return State.arm(state, Session.make({ ...change, retries }, now, state.settings.sessionTimeout))
}

const answerHandshake = (
  state: State.State,
  { acknowledges, clientId }: CreateSession,
  origin: Origin<Message.Handshake>,
  out: Out
): void => {
  const offer = Protocol.offer(state, origin.connection, acknowledges)
  const advice = Advice.retry(state.settings, "")
  const ext = acknowledges ? { ext: { ack: true } } : undefined
  answer(origin, Message.succeeded(origin.request, { clientId, ...offer, advice, ...ext }), out, clientId)
}

const subscribed = (state: State.State, outcome: Of<"Subscribed">, out: Out): State.State => {
  const { isOwn, change: { clientId, origin }, patterns } = outcome
  if (isOwn) { for (const channel of patterns) emit({ _tag: "Subscribe", clientId, channel }, out) }
  if (origin !== undefined) answerSubscription(clientId, origin, out)
  const session = State.session(state, clientId)
  if (session === undefined || patterns.length === 0) return state
  const subscriptions = patterns.reduce((set, pattern) => HashSet.add(set, pattern), session.subscriptions)
  const routes = Routes.subscribe(state.routes, clientId, patterns)
  return resubscribed({ ...state, routes }, { ...session, subscriptions }, isOwn, out)
}

const resubscribed = (state: State.State, session: Session.Session, isOwn: boolean, out: Out): State.State => {
  if (!isOwn) emitArrival(session, out)
  return State.setSession(state, session)
}

const unsubscribed = (state: State.State, outcome: Of<"Unsubscribed">, out: Out): State.State => {
  const { isOwn, change: { clientId, origin }, patterns } = outcome
  const end = { clientId, cause: clientRequest, withSession: false }
  if (isOwn) { for (const event of unsubscribes(patterns, end)) emit(event, out) }
  if (origin !== undefined) answerSubscription(clientId, origin, out)
  const session = State.session(state, clientId)
  if (session === undefined || patterns.length === 0) return state
  const subscriptions = patterns.reduce((set, pattern) => HashSet.remove(set, pattern), session.subscriptions)
  const routes = Routes.unsubscribe(state.routes, clientId, patterns)
  return resubscribed({ ...state, routes }, { ...session, subscriptions }, isOwn, out)
}

const answerSubscription = (clientId: ClientId, origin: Origin<Message.Subscription>, out: Out): void =>
  answer(origin, Message.succeeded(origin.request, { clientId, subscription: origin.request.subscription }), out)

const answerPublish = ({ clientId }: PublishChange, origin: Origin<Message.Publish>, out: Out): void =>
  answer(origin, Message.succeeded(origin.request, clientId === null ? undefined : { clientId }), out)

/** Delivers a message that was accepted, built anew from what may be delivered, to each subscriber once. */
const published = (
  state: State.State,
  { isOwn, json, change, position }: Of<"Published">,
  now: number,
  out: Out
): State.State => {
  const { arrivedAt = now, channel, clientId, data, id, origin, traceparent } = change
  const message = new Message.Delivery(channel, data, id, position, { arrivedAt, json, traceparent })
  if (isOwn) emit({ _tag: "Publish", clientId, channel, data }, out)
  if (origin !== undefined) answerPublish(change, origin, out)
  const { connections, queues } = Routes.recipients(state.routes, channel)
  if (connections.length > 0) out.push({ _tag: "Deliver", connections, message })
  const queued = Answers.enqueue(state, queues, message)
  drop("QueueOverflow", queued.dropped, out)
  return queued.overflowing.reduce(
    (state, session) => requestEnd(state, session, { _tag: "QueueOverflow" }, out),
    queued.state
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// sessions that move

/** Takes a session in with its queue; connects and streams that waited for it are handed in again. */
const sessionAdopted = (before: State.State, adopted: Adopted, now: number, out: Out): State.State => {
  const { clientId, queue, subscriptions } = adopted
  if (State.session(before, clientId) !== undefined) return Awaiting.resume(before, clientId, out)
  const session: Session.Session = {
    ...Session.make({ ...adopted, local: false }, now, before.settings.sessionTimeout),
    createdAt: adopted.createdAt,
    subscriptions: HashSet.fromIterable(subscriptions),
    queue: MessageQueue.restore(MessageQueue.empty, queue),
    resets: { ...Resets.none, againUpTo: adopted.againUpTo },
    isStreamComing: adopted.hadStream
  }
  emitArrival(session, out)
  const resumed = Awaiting.resume(before, clientId, out)
  const state = { ...resumed, routes: Routes.subscribe(resumed.routes, clientId, subscriptions) }
  const { maxQueueBytes, maxQueueLength } = state.settings
  return session.queue.length > maxQueueLength || (session.queue.length > 1 && session.queue.bytes > maxQueueBytes)
    ? requestEnd(state, session, { _tag: "QueueOverflow" }, out)
    : State.arm(state, session)
}

/** Yields a session to another process, with its queue. */
const sessionWanted = (state: State.State, { clientId, position }: Of<"SessionWanted">, out: Out): State.State => {
  const session = State.session(state, clientId)
  if (session === undefined || session.local || session.ending) return state
  const queued = MessageQueue.toArray(session.queue).map((message) => message.position)
  const released = release(state, session, out)
  const { resets: { againUpTo }, retries } = session
  const hadStream = Session.isStreaming(session) || session.isStreamComing
  out.push({
    _tag: "Commit",
    change: { _tag: "Yield", clientId, position, queued, retries, againUpTo, hadStream, origin: undefined }
  })
  return released
}

const sessionTaken = (state: State.State, { clientId }: Of<"SessionTaken">, out: Out): State.State => {
  const session = State.session(state, clientId)
  return session === undefined ? state : release(state, session, out)
}

/** Answers connects that wait here like a held connect whose session gets a newer connection. */
const adoptionSuperseded = (state: State.State, clientId: ClientId, out: Out): State.State =>
  Awaiting.remove(state, clientId, (input) => {
    if (input._tag === "Received") answer(input, Answers.superseded(state, clientId, input.message), out)
    else out.push({ _tag: "CloseConnection", connection: input.connection.id, reason: "SessionMoved" })
  })

/** Gives a session up. Its client is told to connect again, which it does where its session is now. */
const release = (before: State.State, session: Session.Session, out: Out): State.State => {
  emit({ _tag: "Depart", clientId: session.clientId }, out)
  const [state, left] = Links.leave(before, session, out)
  const { link } = session
  if (link._tag === "Attached") {
    out.push({ _tag: "CloseConnection", connection: link.connection, reason: "SessionMoved" })
  }
  return State.removeSession(state, left)
}

const givenBack = (state: State.State, outcome: Of<"GivenBack">, out: Out): State.State => {
  const session = State.session(state, outcome.clientId)
  return session === undefined ? state : State.update(session, ReturnedMessages.givenBack(state, session, outcome, out))
}

// ---------------------------------------------------------------------------------------------------------------------
// ends

/** Has the engine end a session on the server's side, once. */
export const requestEnd = (state: State.State, session: Session.Session, cause: Cause, out: Out): State.State => {
  if (session.ending) return state
  const { clientId } = session
  out.push({ _tag: "Commit", change: { _tag: "EndSession", clientId, cause, origin: undefined } })
  return State.rearm(state, { ...session, ending: true })
}

/** Ends a session. Its subscriptions are known here, or come with the outcome. */
const sessionEnded = (before: State.State, outcome: Of<"SessionEnded">, out: Out): State.State => {
  const { isOwn, change: { cause, clientId, origin }, patterns } = outcome
  const session = State.session(before, clientId)
  if (isOwn) {
    const ended = session?.subscriptions ?? patterns
    for (const event of unsubscribes(ended, { clientId, cause, withSession: true })) emit(event, out)
    emit({ _tag: "Disconnect", clientId, cause }, out)
  } else if (session !== undefined) emit({ _tag: "Depart", clientId }, out)
  if (origin !== undefined) answer(origin, Message.succeeded(origin.request, { clientId }), out)
  if (session !== undefined) dismiss(before, session, cause, out)
  const answers = (request: Message.Connect) => [lastReply(request, clientId, cause), ...farewell(clientId, cause)]
  const left = Awaiting.remove(before, clientId, (input) => Awaiting.turnAway(input, answers, out))
  const state = remember(left, clientId, cause)
  if (session === undefined) return state
  const { link } = session
  if (link._tag === "Attached") {
    for (const message of unheld(session, cause)) out.push({ _tag: "Advise", connection: link.connection, message })
    out.push({ _tag: "CloseConnection", connection: link.connection, reason: "SessionEnded" })
  }
  return State.removeSession(state, session)
}

const remember = (state: State.State, clientId: ClientId, cause: Cause): State.State =>
  cause._tag === "Kicked" ? { ...state, kicked: EndedSessions.remember(state.kicked, clientId, cause) } : state

/** Creates the last messages for a socket or stream on which no connect is held. */
const unheld = (session: Session.Session, cause: Cause): ReadonlyArray<Message.Reply> => {
  const { clientId } = session
  if (Session.held(session) !== undefined || cause._tag === "ClientRequest") return []
  const last = Session.isStreaming(session) ? [lastReply(Message.unasked(clientId), clientId, cause)] : []
  return [...last, ...farewell(clientId, cause)]
}

/**
 * Answers the held connect of a session that has ended: with the queue, as far as an answer may hold it, and with
 * advice. The rest is lost.
 */
const dismiss = (state: State.State, session: Session.Session, cause: Cause, out: Out): void => {
  const held = Session.held(session)
  if (held === undefined || session.link._tag === "Detached") {
    return drop(cause._tag, MessageQueue.after(session.queue, session.sent).length, out)
  }
  const [waiting, rest] = MessageQueue.take(session.queue, state.settings.maxAnswerBytes)
  const { clientId } = session
  const messages = [lastReply(held.request, clientId, cause), ...waiting, ...farewell(clientId, cause)]
  out.push(reply(session.link.connection, held.slot, messages, undefined))
  drop(cause._tag, MessageQueue.after(rest, session.sent).length, out)
}

const lastReply = (request: Message.Connect, clientId: ClientId, cause: Cause): Message.Reply =>
  cause._tag === "ClientRequest"
    ? Message.succeeded(request, { clientId, advice: Advice.none })
    : Message.failed(request, errorAfter(cause, clientId), adviceAfter(cause))

/** Creates the further message to the client of a session that the application has ended. */
const farewell = (clientId: ClientId, cause: Cause): ReadonlyArray<Message.Reply> =>
  cause._tag === "Kicked" ? [EndedSessions.farewell(clientId, errorAfter(cause, clientId))] : []

const errorAfter = (cause: Cause, clientId: ClientId): BayeuxError.BayeuxError =>
  cause._tag === "Kicked" ? BayeuxError.sessionEnded(clientId, cause.reason) : BayeuxError.clientUnknown(clientId)

const adviceAfter = (cause: Cause): Advice.Advice => {
  switch (cause._tag) {
    case "ClientRequest":
    case "Kicked":
      return Advice.none
    case "Timeout":
    case "QueueOverflow":
    case "EngineLost":
    case "ProcessLost":
    case "Shutdown":
      return Advice.handshake
  }
}

/** Answers a change that the engine has refused; a session that was to end lives on. */
const refused = (state: State.State, { error, change }: Of<"Refused">, now: number, out: Out): State.State => {
  if (change.origin !== undefined) Protocol.refuse(state, change.origin, change.origin.request, error, out)
  if (change._tag === "Adopt") {
    return Awaiting.remove(state, change.clientId, (input) => Protocol.refuseAwaiting(state, input, error, out))
  }
  if (change._tag === "GiveBack") drop("Unwritten", change.messages.length, out)
  if (change._tag !== "EndSession") return state
  const session = State.session(state, change.clientId)
  if (session === undefined) return state
  return State.arm(state, { ...Session.seen(session, now, state.settings.sessionTimeout), ending: false })
}
