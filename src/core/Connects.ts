/**
 * Connects of sessions: a `/meta/connect` is held until there is something to deliver or its hold time is over, or
 * answered at once. The kind of its connection, the state of the session and the id of the request decide.
 */
import * as HashMap from "effect/HashMap"
import * as Advice from "./Advice.ts"
import * as Answers from "./Answers.ts"
import type { ConnectReceived } from "./Input.ts"
import * as Links from "./Links.ts"
import { type Output, reply } from "./Output.ts"
import * as Retries from "./Retries.ts"
import * as ReturnedMessages from "./ReturnedMessages.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>

/**
 * Handles a connect of a session that exists. A connect of the same session that is held elsewhere is answered at once.
 */
export const connect = (
  before: State.State,
  known: Session.Session,
  input: ConnectReceived,
  out: Out
): State.State => {
  const [state, session] = ReturnedMessages.settle(before, known, input, out)
  if (input.connection.kind === "socket") return overSocket(state, session, input, out)
  if (isRepeated(session, input)) return answerAgain(state, session, input, out)
  if (Session.isStreaming(session)) return besideStream(state, session, input, out)
  return input.message.connectionType === "eventsource"
    ? withoutStream(state, session, input, out)
    : overExchange(state, session, input, out)
}

/** Hold time of the connect in milliseconds: as the client wishes, but no longer than the server allows. */
const holdTime = (state: State.State, input: ConnectReceived): number =>
  input.mayBeHeld ? Math.min(input.message.timeout ?? Infinity, state.settings.timeout) : 0

/** Whether the connect is held: the client can wait, and its queue is empty. */
const isHeld = (state: State.State, session: Session.Session, input: ConnectReceived): boolean =>
  !session.local && session.queue.length === 0 && holdTime(state, input) > 0

const place = ({ message, slot }: ConnectReceived) => ({ request: message, slot })

const hold = (state: State.State, input: ConnectReceived): Session.HeldConnect => ({
  ...place(input),
  until: input.now + holdTime(state, input)
})

/** Notes in the session that it has connected, what it has acknowledged, and what the id of the connect shows. */
const connected = (state: State.State, session: Session.Session, input: ConnectReceived): Session.Session => {
  const { connection, message, now } = input
  const retries = Retries.connected(session.retries, message, connection.id)
  const seen = { ...Session.seen(session, now, state.settings.sessionTimeout), retries }
  return Session.acknowledge(seen, message.acknowledged, state.isShared ? Number.MAX_SAFE_INTEGER : session.sent)
}

/** Whether a connect over an exchange is sent again: its client has given up one of the two. */
const isRepeated = (session: Session.Session, { connection, message }: ConnectReceived): boolean => {
  const { acknowledges, link, retries } = session
  if (acknowledges) return false
  const held = link._tag === "Polling" ? link.held.request : undefined
  return Retries.isLate(retries, message) || Retries.isUnread(retries, message, connection.id) ||
    (held !== undefined && Retries.isSame(retries, held, message))
}

/**
 * Gives a repeated id the same answer again. Whichever of the two connects the client reads, nothing is lost: both get
 * the answer that the first one had, or nothing if the first one is still held; what waits goes with the answer to the
 * next id. Nobody reads the answer to a connect that was sent before others and comes late.
 */
const answerAgain = (before: State.State, known: Session.Session, input: ConnectReceived, out: Out): State.State => {
  const { connection, message, slot } = input
  const { clientId } = known
  const success = Answers.superseded(before, clientId, message)
  if (Retries.isLate(known.retries, message)) {
    out.push(reply(connection.id, slot, [success], clientId))
    return State.setSession(before, known)
  }
  const [state, session] = known.link._tag === "Polling" ? Links.leave(before, known, out) : [before, known]
  const isAnswered = Retries.isUnread(session.retries, message, connection.id)
  const messages = isAnswered ? session.retries.answered?.messages ?? [] : []
  out.push(reply(connection.id, slot, [success, ...messages], clientId))
  const again = connected(state, session, input)
  return State.arm(state, { ...again, retries: Retries.answered(again.retries, message, connection.id, messages) })
}

const overExchange = (before: State.State, known: Session.Session, input: ConnectReceived, out: Out): State.State => {
  const [state, left] = Links.leave(before, known, out)
  const session = connected(state, left, input)
  const { connection: { id: connection } } = input
  if (!isHeld(state, session, input)) {
    return State.arm(state, Answers.answer(state, session, connection, place(input), out))
  }
  const link = { _tag: "Polling", connection, held: hold(state, input) } as const
  const bindings = HashMap.set(state.bindings, connection, session.clientId)
  return State.arm({ ...state, bindings }, { ...session, link })
}

/**
 * Answers a connect beside an open stream at once and without messages: those go by the stream, and the connect only
 * shows that the client is there. Faye's client may still connect by long-polling when its stream is open already; that
 * does not take the stream from it.
 */
const besideStream = (state: State.State, known: Session.Session, input: ConnectReceived, out: Out): State.State => {
  const session = connected(state, known, input)
  const { connection, message, slot } = input
  const create = message.connectionType === "eventsource" ? Answers.succeeded : Answers.superseded
  out.push(reply(connection.id, slot, [create(state, session.clientId, message)], session.clientId))
  return State.arm(state, session)
}

/**
 * Answers the connect of a client that takes its stream for open while it is not: the answer carries the queue. The
 * stream may be on its way, so the client is to look again; if it has none by then, the browser has closed it for good.
 * Faye's client does not notice that, and only a handshake mends it. If this very connect has taken the session from its
 * stream in another process, the stream comes, and the next connect need not take it away again so soon.
 */
const withoutStream = (before: State.State, known: Session.Session, input: ConnectReceived, out: Out): State.State => {
  const [state, left] = Links.leave(before, known, out)
  const session = connected(state, left, input)
  const { connection: { id: connection }, now } = input
  if (session.isStreamComing) {
    const answered = Answers.answer(state, session, connection, place(input), out)
    return State.arm(state, { ...answered, isStreamComing: false })
  }
  const streamlessSince = session.streamlessSince ?? now
  const isClosed = now - streamlessSince >= Advice.streamGrace
  const advice = isClosed && Answers.holdsAll(state, session) ? Advice.newStream : Advice.awaitStream
  const answered = Answers.answer(state, session, connection, place(input), out, advice)
  return State.arm(state, { ...answered, streamlessSince })
}

const overSocket = (before: State.State, known: Session.Session, input: ConnectReceived, out: Out): State.State => {
  const { connection, message: { connectionType } } = input
  const [state, attached] = Links.attach(...unread(before, known, input, out), connection, connectionType, out)
  const session = connected(state, attached, input)
  const link = { _tag: "Attached", connection: connection.id, kind: "socket", connectionType } as const
  if (isHeld(state, session, input)) {
    return State.arm(state, { ...session, link: { ...link, held: hold(state, input) } })
  }
  const answered = Answers.answer(state, session, connection.id, place(input), out)
  return State.arm(state, { ...answered, link: { ...link, held: undefined } })
}

/** Returns the messages of the last answer if the id of a connect over a socket shows that it was not read. */
const unread = (
  state: State.State,
  session: Session.Session,
  { connection, message }: ConnectReceived,
  out: Out
): State.WithSession => {
  const { acknowledges, retries } = session
  if (acknowledges || !Retries.isUnread(retries, message, connection.id)) return [state, session]
  const messages = retries.answered?.messages ?? []
  return ReturnedMessages.takeBack(state, { ...session, retries: Retries.forgetMessages(retries) }, messages, out)
}
