/**
 * What happens when the engine has carried out an order: only here do sessions and subscriptions come into the state
 * and leave it, only here is a monitoring event emitted. So an event exists if and only if something has changed: in the
 * service, which its own process tells, or in what of it is here (`Arrive`, `Depart`).
 *
 * The events of a step come before everything else that comes of it: whoever is reached by an answer or a delivery, an
 * extension say, and looks at the state finds in it what the events have told, no more and no less.
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import * as Advice from "./Advice.ts"
import * as BayeuxError from "./BayeuxError.ts"
import type { Adopted, CreateSession, EndSession, Origin, Outcome, PublishChange } from "./Change.ts"
import type { ClientId } from "./ClientId.ts"
import * as Deadlines from "./Deadlines.ts"
import * as EndedSessions from "./EndedSessions.ts"
import * as Links from "./Links.ts"
import * as Message from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import { type Cause, clientRequest, type Event, handshake, type Move, unsubscribes } from "./MonitorEvent.ts"
import type { DropReason, Output } from "./Output.ts"
import * as Protocol from "./Protocol.ts"
import * as Resets from "./Resets.ts"
import * as Retries from "./Retries.ts"
import * as Returns from "./Returns.ts"
import * as Routes from "./Routes.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>
type Of<Tag extends Outcome["_tag"]> = Extract<Outcome, { readonly _tag: Tag }>

const answer = (
  origin: Pick<Origin<never>, "connection" | "slot">,
  message: Message.Reply,
  out: Out,
  clientId?: ClientId
): void => {
  out.push({ _tag: "Reply", connection: origin.connection.id, slot: origin.slot, messages: [message], clientId })
}

const emit = (event: Event | Move, out: Out): void => {
  out.push({ _tag: "Emit", event })
}

/** A session is here as another process has left it, or made it. */
const emitArrival = ({ clientId, createdAt, identity, subscriptions }: Session.Session, out: Out): void => {
  const known = identity === undefined ? undefined : { identity }
  emit({ _tag: "Arrive", clientId, ...known, createdAt, subscriptions: [...subscriptions] }, out)
}

const drop = (reason: DropReason, messages: number, out: Out): void => {
  if (messages > 0) out.push({ _tag: "Drop", reason, messages })
}

/** The engine has done something, or refused to. */
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
      return sessionWanted(state, outcome.clientId, outcome.position, out)
    case "SessionTaken":
      return release(state, outcome.clientId, out)
    case "SessionHere":
      return resume(state, outcome.clientId, out)
    case "AdoptionSuperseded":
      return adoptionSuperseded(state, outcome.clientId, out)
    case "GivenBack":
      return Returns.givenBack(state, outcome, out)
    case "Refused":
      return refused(state, outcome, now, out)
  }
}

const sessionCreated = (state: State.State, change: CreateSession, now: number, out: Out): State.State => {
  const { clientId, identity, origin } = change
  emit(handshake(clientId, identity), out)
  if (origin !== undefined) answerHandshake(state, change, origin, out)
  const retries = Retries.make(origin?.request)
  return Links.arm(state, Session.make({ ...change, retries }, now, state.settings.sessionTimeout))
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

/** A message has been accepted: it is built anew from what may be delivered, and goes to each subscriber once. */
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
  const [next, overflowing] = Links.enqueue(state, queues, message)
  drop("QueueOverflow", overflowing.length, out)
  return overflowing.reduce((state, clientId) => requestEnd(state, clientId, { _tag: "QueueOverflow" }, out), next)
}

// ---------------------------------------------------------------------------------------------------------------------
// sessions that move

/** The session comes with its queue; whatever waited for it is handed in again. */
const sessionAdopted = (before: State.State, adopted: Adopted, now: number, out: Out): State.State => {
  const { clientId, queue, subscriptions } = adopted
  if (State.session(before, clientId) !== undefined) return resume(before, clientId, out)
  const session: Session.Session = {
    ...Session.make({ ...adopted, local: false }, now, before.settings.sessionTimeout),
    createdAt: adopted.createdAt,
    subscriptions: HashSet.fromIterable(subscriptions),
    queue: MessageQueue.restore(MessageQueue.empty, queue),
    resets: { ...Resets.none, againUpTo: adopted.againUpTo },
    isStreamComing: adopted.hadStream
  }
  emitArrival(session, out)
  const state = resume(before, clientId, out)
  const here = Links.arm({ ...state, routes: Routes.subscribe(state.routes, clientId, subscriptions) }, session)
  return queue.length > state.settings.maxQueueLength
    ? requestEnd(here, clientId, { _tag: "QueueOverflow" }, out)
    : here
}

const awaiting = (state: State.State, clientId: ClientId) =>
  Option.getOrElse(HashMap.get(state.awaiting, clientId), () => [])

/** What waited for a session waits no longer. */
const awaited = (state: State.State, clientId: ClientId, tell: (input: State.Awaiting) => void): State.State => {
  const inputs = awaiting(state, clientId)
  for (const input of inputs) tell(input)
  return inputs.length === 0 ? state : { ...state, awaiting: HashMap.remove(state.awaiting, clientId) }
}

const resume = (state: State.State, clientId: ClientId, out: Out): State.State =>
  awaited(state, clientId, (input) => out.push({ _tag: "Resume", input }))

/** Another process wants the session, and gets it with what waits for it. */
const sessionWanted = (state: State.State, clientId: ClientId, position: number, out: Out): State.State => {
  const session = State.session(state, clientId)
  if (session === undefined || session.local || session.ending) return state
  const queued = MessageQueue.toArray(session.queue).map((message) => message.position)
  const released = release(state, clientId, out)
  const { resets: { againUpTo }, retries } = session
  const hadStream = Links.isStreaming(session) || session.isStreamComing
  out.push({
    _tag: "Commit",
    change: { _tag: "Yield", clientId, position, queued, retries, againUpTo, hadStream, origin: undefined }
  })
  return released
}

/** What waits here is answered like a connect that is held when the session gets a newer connection. */
const adoptionSuperseded = (state: State.State, clientId: ClientId, out: Out): State.State =>
  awaited(state, clientId, (input) => {
    if (input._tag === "Received") answer(input, Links.supersededReply(state, clientId, input.message), out)
    else out.push({ _tag: "CloseConnection", connection: input.connection.id, reason: "SessionMoved" })
  })

/** The session is not here any more. Its client is told to connect again, which it does where its session is now. */
const release = (before: State.State, clientId: ClientId, out: Out): State.State => {
  const session = State.session(before, clientId)
  if (session === undefined) return before
  emit({ _tag: "Depart", clientId }, out)
  const state = Links.leave(before, clientId, out)
  const { link } = session
  if (link._tag === "Attached") {
    out.push({ _tag: "CloseConnection", connection: link.connection, reason: "SessionMoved" })
  }
  return remove(state, State.session(state, clientId) ?? session)
}

// ---------------------------------------------------------------------------------------------------------------------
// ends

/** Orders the end of a session on the server's side, once. */
export const requestEnd = (state: State.State, clientId: string, cause: Cause, out: Out): State.State => {
  const session = State.session(state, clientId)
  if (session === undefined || session.ending) return state
  out.push({ _tag: "Commit", change: endOf(session, cause) })
  return Links.rearm(state, { ...session, ending: true })
}

/** A session has ended; its subscriptions are known here, or have been told by who knows them. */
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
  const state = remember(awaited(before, clientId, (input) => turnAway(input, clientId, cause, out)), clientId, cause)
  if (session === undefined) return state
  const { link } = session
  if (link._tag === "Attached") {
    for (const message of unheld(session, cause)) out.push({ _tag: "Advise", connection: link.connection, message })
    out.push({ _tag: "CloseConnection", connection: link.connection, reason: "SessionEnded" })
  }
  return remove(state, session)
}

const remember = (state: State.State, clientId: ClientId, cause: Cause): State.State =>
  cause._tag === "Kicked" ? { ...state, kicked: EndedSessions.remember(state.kicked, clientId, cause) } : state

/** What is said to a socket or stream of which no connect is held. */
const unheld = (session: Session.Session, cause: Cause): ReadonlyArray<Message.Reply> => {
  const { clientId } = session
  if (Session.held(session) !== undefined || cause._tag === "ClientRequest") return []
  const last = Links.isStreaming(session) ? [lastReply(Message.unasked(clientId), clientId, cause)] : []
  return [...last, ...farewell(clientId, cause)]
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

/**
 * The last answer of a session: to its held connect, with what still waits for it, as far as an answer may hold it, and
 * with what the client is to do. What does not leave with it is lost.
 */
const dismiss = (state: State.State, session: Session.Session, cause: Cause, out: Out): void => {
  const held = Session.held(session)
  if (held === undefined || session.link._tag === "Detached") {
    return drop(cause._tag, MessageQueue.after(session.queue, session.sent).length, out)
  }
  const [waiting, rest] = MessageQueue.take(session.queue, state.settings.maxAnswerBytes)
  const { clientId } = session
  const messages = [lastReply(held.request, clientId, cause), ...waiting, ...farewell(clientId, cause)]
  out.push({ _tag: "Reply", connection: session.link.connection, slot: held.slot, messages, clientId: undefined })
  drop(cause._tag, MessageQueue.after(rest, session.sent).length, out)
}

const lastReply = (request: Message.Connect, clientId: ClientId, cause: Cause): Message.Reply =>
  cause._tag === "ClientRequest"
    ? Message.succeeded(request, { clientId, advice: Advice.none })
    : Message.failed(request, errorAfter(cause, clientId), adviceAfter(cause))

/** What the client of a session that the application has ended is told besides. */
const farewell = (clientId: ClientId, cause: Cause): ReadonlyArray<Message.Reply> =>
  cause._tag === "Kicked" ? [EndedSessions.farewell(clientId, errorAfter(cause, clientId))] : []

const errorAfter = (cause: Cause, clientId: ClientId): BayeuxError.BayeuxError =>
  cause._tag === "Kicked" ? BayeuxError.sessionEnded(clientId, cause.reason) : BayeuxError.clientUnknown(clientId)

/** A session ended while it was on its way here: what waited for it is told like what is held. */
const turnAway = (input: State.Awaiting, clientId: ClientId, cause: Cause, out: Out): void => {
  if (input._tag === "Received") {
    const messages = [lastReply(input.message, clientId, cause), ...farewell(clientId, cause)]
    out.push({ _tag: "Reply", connection: input.connection.id, slot: input.slot, messages, clientId: undefined })
  } else Protocol.closeStream(input.connection.id, lastReply(Message.unasked(clientId), clientId, cause), out)
}

const endOf = ({ clientId }: Session.Session, cause: Cause): EndSession => ({
  _tag: "EndSession",
  clientId,
  cause,
  origin: undefined
})

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

/** The engine has refused an order: whoever waits for it is told, and a session that was to end lives on. */
const refused = (state: State.State, { error, change }: Of<"Refused">, now: number, out: Out): State.State => {
  if (change.origin !== undefined) Protocol.refuse(state, change.origin, change.origin.request, error, out)
  if (change._tag === "Adopt") {
    return awaited(state, change.clientId, (input) => Protocol.turnAway(state, input, error, out))
  }
  if (change._tag === "GiveBack") drop("Unwritten", change.messages.length, out)
  if (change._tag !== "EndSession") return state
  const session = State.session(state, change.clientId)
  if (session === undefined) return state
  return Links.arm(state, { ...Session.seen(session, now, state.settings.sessionTimeout), ending: false })
}
