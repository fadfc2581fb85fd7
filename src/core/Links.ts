/**
 * How messages leave: holding a `/meta/connect` and answering it, binding a socket or stream to a session, queueing for
 * a session that has neither.
 *
 * An exchange gets messages with the answer to its connect and in no other answer. The specification would have them
 * sent with whatever response leaves first; two responses on two connections may overtake each other, and the order of
 * a channel's messages is worth more than the moment gained.
 *
 * A session that acknowledges (CometD's `ext.ack`) gets its messages in the same way over a socket, too: they are never
 * pushed. What an answer has carried stays in the queue until a connect says that the client has it; a connect that
 * leaves something unacknowledged is answered at once, with all of it. An answer's number is the position of its last
 * message; one without messages has no number, so it does not matter when or whether a client reads it.
 *
 * Each function takes a state and gives the next; what the shell has to do is pushed to `out`.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Advice from "./Advice.ts"
import type { ClientId } from "./ClientId.ts"
import type { Connection, ConnectionId } from "./Connection.ts"
import * as Deadlines from "./Deadlines.ts"
import type { ConnectionEnding, ConnectReceived, StreamOpened } from "./Input.ts"
import * as Message from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import type { Output } from "./Output.ts"
import * as Retries from "./Retries.ts"
import * as Returns from "./Returns.ts"
import * as Routes from "./Routes.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>

/** The answer to a connect that has done what it was to do. */
const connectReply = (state: State.State, clientId: ClientId, request: Message.Connect): Message.Reply =>
  Message.succeeded(request, {
    clientId,
    advice: Advice.retry(state.settings, request.connectionType)
  })

/**
 * The answer to a connect whose place another one has taken; nothing is delivered with it. Mostly nobody reads it. Two
 * clients that use one session do, and would take the place from each other as fast as they can: so it sends back later.
 */
export const supersededReply = (state: State.State, clientId: ClientId, request: Message.Connect): Message.Reply => ({
  ...connectReply(state, clientId, request),
  advice: Advice.later(state.settings)
})

const reply = (
  session: Session.Session,
  connection: ConnectionId,
  slot: number,
  messages: ReadonlyArray<Message.Outgoing>
): Output => ({ _tag: "Reply", connection, slot, messages, clientId: session.clientId })

/** So many answers in a row may get lost; a client that acknowledges none of more is in no hurry. */
const mostUnheard = 3

/** Answers a connect with what waits for its session, as much of it as an answer may hold. */
const answer = (
  state: State.State,
  session: Session.Session,
  connection: ConnectionId,
  { request, slot }: Pick<Session.HeldConnect, "request" | "slot">,
  out: Out,
  advice = Advice.retry(state.settings, request.connectionType)
): Session.Session => {
  const [messages, queue] = MessageQueue.take(session.queue, state.settings.maxAnswerBytes)
  const last = session.acknowledges ? messages.at(-1)?.position : undefined
  const ext = last === undefined ? undefined : { ext: { ack: last } }
  const unheard = last === undefined ? session.unheard : session.unheard + 1
  const told = unheard > mostUnheard ? Advice.later(state.settings) : advice
  const succeeded = Message.succeeded(request, { clientId: session.clientId, advice: told, ...ext })
  out.push(reply(session, connection, slot, [succeeded, ...messages]))
  if (session.acknowledges) return { ...session, sent: last ?? session.sent, unheard }
  return { ...session, queue, retries: Retries.answered(session.retries, request, connection, messages) }
}

/** Whether one answer holds all that waits for the session. */
const isLast = ({ settings }: State.State, { queue }: Session.Session): boolean =>
  MessageQueue.take(queue, settings.maxAnswerBytes)[1].length === 0

/** Sees to it that the session is looked at when its held connect or its end is due (see `Deadlines`). */
export const arm = (state: State.State, session: Session.Session): State.State => {
  const next = Session.dueAt(session)
  if (session.armedAt <= next) return State.setSession(state, session)
  const deadlines = Deadlines.remove(state.deadlines, session.armedAt, session.clientId)
  return State.setSession(
    { ...state, deadlines: Deadlines.add(deadlines, next, session.clientId) },
    { ...session, armedAt: next }
  )
}

/** Arms a session whose entry has just come up. */
export const rearm = (state: State.State, session: Session.Session): State.State =>
  arm(
    { ...state, deadlines: Deadlines.remove(state.deadlines, session.armedAt, session.clientId) },
    { ...session, armedAt: Infinity }
  )

/** Takes the session off its connection, which stays open. A connect that is held there is not answered. */
export const detach = (state: State.State, session: Session.Session): State.State => {
  if (session.link._tag === "Detached") return state
  return State.setSession(
    {
      ...state,
      bindings: HashMap.remove(state.bindings, session.link.connection),
      routes: Routes.detach(state.routes, session.clientId)
    },
    { ...session, link: Session.detached }
  )
}

/** Answers a held connect when another one takes its place. */
const supersede = (state: State.State, session: Session.Session, out: Out): void => {
  if (session.link._tag === "Detached" || session.link.held === undefined) return
  const { request, slot } = session.link.held
  out.push(reply(session, session.link.connection, slot, [supersededReply(state, session.clientId, request)]))
}

/** Takes the session off its connection, whose held connect is answered. */
export const leave = (state: State.State, clientId: string, out: Out): State.State => {
  const session = State.session(state, clientId)
  if (session === undefined) return state
  supersede(state, session, out)
  const { link } = session
  if (link._tag === "Attached" && link.kind === "socket") out.push({ _tag: "Leave", connection: link.connection })
  return detach(state, session)
}

/** Whether it has an open stream. */
export const isStreaming = ({ link }: Session.Session): boolean => link._tag === "Attached" && link.kind === "stream"

const isAttachedTo = (session: Session.Session, connection: Connection): boolean =>
  session.link._tag === "Attached" && session.link.connection === connection.id

// ---------------------------------------------------------------------------------------------------------------------
// connect

/** How long the connect may be held: as the client wishes, but no longer than the server allows. */
const holdTime = (state: State.State, input: ConnectReceived): number =>
  input.alone ? Math.min(input.message.timeout ?? Infinity, state.settings.timeout) : 0

const seen = (state: State.State, input: ConnectReceived): Session.Session => {
  const { acknowledged, clientId } = input.message
  const session = State.session(state, clientId)
  if (session === undefined) throw new Error("A connect came through whose session does not exist")
  const sent = state.isShared ? Number.MAX_SAFE_INTEGER : session.sent
  const retries = Retries.connected(session.retries, input.message, input.connection.id)
  const connected = { ...Session.seen(session, input.now, state.settings.sessionTimeout), retries }
  return Session.acknowledge(connected, acknowledged, sent)
}

/** Whether the connect is held: the client can wait, and nothing waits for it. */
const isHeld = (state: State.State, session: Session.Session, input: ConnectReceived): boolean =>
  !session.local && session.queue.length === 0 && holdTime(state, input) > 0

const request = ({ message, slot }: ConnectReceived) => ({ request: message, slot })

const hold = (state: State.State, input: ConnectReceived): Session.HeldConnect => ({
  ...request(input),
  until: input.now + holdTime(state, input)
})

/**
 * A connect of a session that exists. A connect of the same session that is held elsewhere is answered at once; one
 * that came with other messages is not held, so that it delays none of their answers.
 */
export const connect = (before: State.State, input: ConnectReceived, out: Out): State.State => {
  const state = Returns.settle(before, input, out)
  if (input.connection.kind === "socket") return connectSocket(askedAgain(state, input, out), input, out)
  const session = State.session(state, input.message.clientId)
  if (session !== undefined && isRepeated(session, input)) return answerAgain(state, session, input, out)
  if (session !== undefined && isStreaming(session)) return connectBesideStream(state, input, out)
  return input.message.connectionType === "eventsource"
    ? connectWithoutStream(state, input, out)
    : connectExchange(state, input, out)
}

/** Whether a connect over an exchange comes again: its client has given up one of the two. */
const isRepeated = (session: Session.Session, { connection, message }: ConnectReceived): boolean => {
  const { acknowledges, link, retries } = session
  if (acknowledges) return false
  const held = link._tag === "Polling" ? link.held.request : undefined
  return Retries.isLate(retries, message) || Retries.isUnread(retries, message, connection.id) ||
    (held !== undefined && Retries.isSame(retries, held, message))
}

/**
 * An id has one answer. Whichever of the two connects its client reads, nothing is lost: they get the same, which is what
 * the first one has had, or nothing if that is held still; what waits goes with the answer to the next id. One that was
 * sent before others and comes late is read by nobody.
 */
const answerAgain = (before: State.State, session: Session.Session, input: ConnectReceived, out: Out): State.State => {
  const { connection, message, slot } = input
  const succeeded = supersededReply(before, session.clientId, message)
  if (Retries.isLate(session.retries, message)) {
    out.push(reply(session, connection.id, slot, [succeeded]))
    return before
  }
  const state = session.link._tag === "Polling" ? leave(before, session.clientId, out) : before
  const again = seen(state, input)
  const isAnswered = Retries.isUnread(session.retries, message, connection.id)
  const messages = isAnswered ? session.retries.answered?.messages ?? [] : []
  out.push(reply(session, connection.id, slot, [succeeded, ...messages]))
  return arm(state, { ...again, retries: Retries.answered(again.retries, message, connection.id, messages) })
}

/** What the last answer has delivered, and a socket asks for again. */
const askedAgain = (state: State.State, { connection, message }: ConnectReceived, out: Out): State.State => {
  const session = State.session(state, message.clientId)
  if (session === undefined || session.acknowledges) return state
  const { clientId, retries } = session
  if (!Retries.isUnread(retries, message, connection.id)) return state
  const given = State.setSession(state, { ...session, retries: Retries.given(retries) })
  return Returns.takeBack(given, clientId, retries.answered?.messages ?? [], out)
}

const connectExchange = (before: State.State, input: ConnectReceived, out: Out): State.State => {
  const state = leave(before, input.message.clientId, out)
  const session = seen(state, input)
  if (isHeld(state, session, input)) {
    const link = { _tag: "Polling", connection: input.connection.id, held: hold(state, input) } as const
    const bindings = HashMap.set(state.bindings, input.connection.id, session.clientId)
    return arm({ ...state, bindings }, { ...session, link })
  }
  return arm(state, answer(state, session, input.connection.id, request(input), out))
}

/**
 * The messages go by the stream, which is opened separately: this connect only tells that the client is there. Faye's
 * client may still connect by long-polling when its stream is open already; that does not take the stream from it.
 */
const connectBesideStream = (state: State.State, input: ConnectReceived, out: Out): State.State => {
  const session = seen(state, input)
  const { connection, message, slot } = input
  const answer = connectReply(state, session.clientId, message)
  const isOwn = message.connectionType === "eventsource"
  out.push(reply(session, connection.id, slot, [isOwn ? answer : { ...answer, advice: Advice.later(state.settings) }]))
  return arm(state, session)
}

/**
 * The client takes its stream for open, and it is not: this connect carries what waits. The stream may be on its way, so
 * the client is to look again; if it has none by then, the browser has closed it for good, which Faye's client does not
 * notice, and which nothing mends but a handshake. If it was this very connect that has taken the session from the stream,
 * the stream comes, and the next connect need not take it away again so soon.
 */
const connectWithoutStream = (before: State.State, input: ConnectReceived, out: Out): State.State => {
  const state = leave(before, input.message.clientId, out)
  const session = seen(state, input)
  if (session.isStreamComing) {
    return arm(state, { ...answer(state, session, input.connection.id, request(input), out), isStreamComing: false })
  }
  const streamlessSince = session.streamlessSince ?? input.now
  const isClosed = input.now - streamlessSince >= Advice.streamGrace
  const advice = isClosed && isLast(state, session) ? Advice.newStream : Advice.awaitStream
  const answered = answer(state, session, input.connection.id, request(input), out, advice)
  return arm(state, { ...answered, streamlessSince })
}

const connectSocket = (before: State.State, input: ConnectReceived, out: Out): State.State => {
  const { clientId, connectionType } = input.message
  const state = attach(before, clientId, input.connection, connectionType, out)
  const session = seen(state, input)
  const link = { _tag: "Attached", connection: input.connection.id, kind: "socket", connectionType } as const
  if (isHeld(state, session, input)) return arm(state, { ...session, link: { ...link, held: hold(state, input) } })
  const answered = answer(state, session, input.connection.id, request(input), out)
  return arm(state, { ...answered, link: { ...link, held: undefined } })
}

/**
 * Binds a socket or stream to a session and writes what waited for it, unless that is to be acknowledged. The session's
 * former connection and the connection's former session are left, each with its held connect answered.
 */
const attach = (
  before: State.State,
  clientId: string,
  connection: Connection,
  connectionType: string,
  out: Out
): State.State => {
  const current = State.session(before, clientId)
  if (current !== undefined && isAttachedTo(current, connection)) {
    supersede(before, current, out)
    return before
  }
  const former = State.sessionOf(before, connection.id)
  const left = leave(former === undefined ? before : leave(before, former.clientId, out), clientId, out)
  const session = State.session(left, clientId)
  if (session === undefined) return left
  out.push({ _tag: "Bind", connection: connection.id, clientId: session.clientId })
  const bindings = HashMap.set(left.bindings, connection.id, session.clientId)
  const kind = connection.kind === "stream" ? "stream" : "socket"
  const link = { _tag: "Attached", connection: connection.id, kind, connectionType, held: undefined } as const
  const opened = kind === "stream" ? { streamlessSince: undefined, isStreamComing: false } : undefined
  if (session.acknowledges) return State.setSession({ ...left, bindings }, { ...session, link })
  for (const message of MessageQueue.toArray(session.queue)) {
    out.push({ _tag: "Deliver", connections: [connection.id], message })
  }
  const routes = Routes.attach(left.routes, session.clientId, connection.id)
  return State.setSession({ ...left, bindings, routes }, {
    ...session,
    link,
    ...opened,
    queue: MessageQueue.empty
  })
}

/**
 * A stream was opened (Faye's `GET {mount}/{clientId}`) for a session that is here: it is bound to it, or closed if the
 * session acknowledges, for which a stream has no means.
 */
export const openStream = (state: State.State, input: StreamOpened, out: Out): State.State => {
  const session = State.session(state, input.clientId)
  const connectionType = input.connection.local ? "in-process" : "eventsource"
  if (session?.acknowledges !== true) return attach(state, input.clientId, input.connection, connectionType, out)
  out.push({ _tag: "CloseConnection", connection: input.connection.id, reason: "StreamRefused" })
  return state
}

/**
 * A connection is about to be closed: a connect that is held there is answered with what waits, and the session left. A
 * stream tells what is to be done.
 */
export const end = (state: State.State, { connection, goesOn, now }: ConnectionEnding, out: Out): State.State => {
  const session = State.sessionOf(state, connection)
  if (session === undefined) return state
  if (isStreaming(session)) sayGoodbye(session, connection, goesOn, out)
  return close(answerHeld(state, session, out), connection, now)
}

/**
 * The last event of a stream whose process stops. Where others go on with the session, the browser opens the stream there
 * by itself. Where nobody is there, it would be refused and close the stream for good; then a handshake is tried until
 * somebody is there again.
 */
const sayGoodbye = (session: Session.Session, connection: ConnectionId, goesOn: boolean, out: Out): void => {
  const advice = goesOn ? Advice.inAMoment : Advice.handshake
  const { clientId } = session
  out.push({ _tag: "Advise", connection, message: Message.succeeded(Message.unasked(clientId), { clientId, advice }) })
}

/**
 * A connection is gone: its session, if it is still this one's, goes on without; a held connect needs no answer. After a
 * socket it has all of its time to come back: its client may not know yet that the socket is dead.
 */
export const close = (before: State.State, connection: ConnectionId, now: number): State.State => {
  const state = heard(before, connection, now)
  const session = State.sessionOf(state, connection)
  return session === undefined ? state : detach(state, session)
}

/**
 * A socket is alive. So is the session that has connected over it and is still there: what has been said of a socket says
 * nothing of sessions elsewhere. A session that polls, or has a stream, connects.
 */
export const heard = (state: State.State, connection: ConnectionId, now: number): State.State => {
  const session = State.sessionOf(state, connection)
  if (session?.link._tag !== "Attached" || session.link.kind !== "socket" || session.local) return state
  return arm(state, Session.heard(session, now, state.settings.sessionTimeout))
}

// ---------------------------------------------------------------------------------------------------------------------
// messages

/**
 * Queues a message for each of the sessions, to none of which it can be written now. Sessions that have outgrown their bound are left
 * out and given back; what is not acknowledged yet counts. What is acknowledged already is not queued.
 */
export const enqueue = (
  state: State.State,
  clientIds: ReadonlyArray<ClientId>,
  message: Message.Delivery
): readonly [State.State, overflowing: ReadonlyArray<ClientId>] => {
  if (clientIds.length === 0) return [state, []]
  const toAnswer: Array<ClientId> = []
  const overflowing: Array<ClientId> = []
  const sessions = HashMap.mutate(state.sessions, (sessions) => {
    for (const clientId of clientIds) {
      const found = HashMap.get(sessions, clientId)
      if (Option.isNone(found)) continue
      const session = found.value
      if (message.position <= session.acknowledged) continue
      if (session.queue.length >= state.settings.maxQueueLength) {
        overflowing.push(clientId)
        continue
      }
      if (session.queue.length === 0 && Session.carrier(session) !== undefined) toAnswer.push(clientId)
      HashMap.set(sessions, clientId, { ...session, queue: MessageQueue.append(session.queue, message) })
    }
  })
  return [
    { ...state, sessions, toAnswer: toAnswer.length === 0 ? state.toAnswer : [...state.toAnswer, ...toAnswer] },
    overflowing
  ]
}

/** Answers the held connects for which messages have come in this turn, each with everything that waits. */
export const answerWaiting = (before: State.State, out: Out): State.State => {
  if (before.toAnswer.length === 0) return before
  let state: State.State = { ...before, toAnswer: [] }
  for (const clientId of before.toAnswer) {
    const session = State.session(state, clientId)
    if (session !== undefined && session.queue.length > 0) state = answerHeld(state, session, out)
  }
  return state
}

/** Answers the connect that is held, if any. A poll is over with its answer, a socket stays. */
const answerHeld = (state: State.State, session: Session.Session, out: Out): State.State => {
  const { link } = session
  if (link._tag === "Detached" || link.held === undefined) return state
  const answered = answer(state, session, link.connection, link.held, out)
  return link._tag === "Polling"
    ? detach(state, answered)
    : State.setSession(state, { ...answered, link: { ...link, held: undefined } })
}

/**
 * The held connect has waited long enough. An answer that comes late (the process was halted) leaves the client as much
 * time to come back as one in time.
 */
export const answerOverdue = (state: State.State, session: Session.Session, now: number, out: Out): State.State => {
  const late = now - (Session.held(session)?.until ?? now)
  return answerHeld(state, { ...session, expiresAt: session.expiresAt + late }, out)
}
