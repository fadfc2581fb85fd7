/**
 * Links between sessions and connections: binding a socket or stream to a session, leaving it, closing it.
 *
 * Functions take the session they are about. Those that give a state and a session leave it to the caller to put the
 * session into the state ({@link State.setSession}, {@link State.arm}); outputs are pushed to `out`.
 */
import * as HashMap from "effect/HashMap"
import * as Advice from "./Advice.ts"
import * as Answers from "./Answers.ts"
import type { Connection, ConnectionId } from "./Connection.ts"
import type { ConnectionEnding, StreamOpened } from "./Input.ts"
import * as Message from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import type { Output } from "./Output.ts"
import * as Routes from "./Routes.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>

/** Takes the session off its connection; a connect that is held there is answered. */
export const leave = (state: State.State, session: Session.Session, out: Out): State.WithSession => {
  Answers.supersede(state, session, out)
  const { link } = session
  if (link._tag === "Attached" && link.kind === "socket") out.push({ _tag: "Leave", connection: link.connection })
  return State.detach(state, session)
}

const isAttachedTo = (session: Session.Session, connection: Connection): boolean =>
  session.link._tag === "Attached" && session.link.connection === connection.id

/** Takes a session off this connection, if it has one. */
const leaveFormer = (state: State.State, connection: ConnectionId, out: Out): State.State => {
  const former = State.sessionOf(state, connection)
  return former === undefined ? state : State.setSession(...leave(state, former, out))
}

/**
 * Binds a socket or stream to a session and delivers its queue, unless the session acknowledges. The session's former
 * connection and the connection's former session are left, each with its held connect answered.
 */
export const attach = (
  before: State.State,
  known: Session.Session,
  connection: Connection,
  connectionType: string,
  out: Out
): State.WithSession => {
  if (isAttachedTo(known, connection)) {
    Answers.supersede(before, known, out)
    return [before, known]
  }
  const [state, session] = leave(leaveFormer(before, connection.id, out), known, out)
  const { acknowledges, clientId } = session
  out.push({ _tag: "Bind", connection: connection.id, clientId })
  const bindings = HashMap.set(state.bindings, connection.id, clientId)
  const kind = connection.kind === "stream" ? "stream" : "socket"
  const link = { _tag: "Attached", connection: connection.id, kind, connectionType, held: undefined } as const
  if (acknowledges) return [{ ...state, bindings }, { ...session, link }]
  for (const message of MessageQueue.toArray(session.queue)) {
    out.push({ _tag: "Deliver", connections: [connection.id], message })
  }
  const routes = Routes.attach(state.routes, clientId, connection.id)
  const opened = kind === "stream" ? { streamlessSince: undefined, isStreamComing: false } : undefined
  return [{ ...state, bindings, routes }, { ...session, link, ...opened, queue: MessageQueue.empty }]
}

/**
 * Binds a stream (Faye's `GET {mount}/{clientId}`) to its session. A stream of a session that acknowledges is closed: it
 * has no means to acknowledge.
 */
export const openStream = (
  state: State.State,
  session: Session.Session,
  { connection }: StreamOpened,
  out: Out
): State.State => {
  if (!session.acknowledges) {
    const connectionType = connection.local ? "in-process" : "eventsource"
    return State.update(session, attach(state, session, connection, connectionType, out))
  }
  out.push({ _tag: "CloseConnection", connection: connection.id, reason: "StreamRefused" })
  return state
}

/** Prepares the end of a connection: its held connect is answered with the queue, a stream gets a last advice. */
export const end = (state: State.State, { connection, goesOn, now }: ConnectionEnding, out: Out): State.State => {
  const session = State.sessionOf(state, connection)
  if (session === undefined) return state
  if (Session.isStreaming(session)) sayGoodbye(session, connection, goesOn, out)
  const answered = State.update(session, Answers.answerHeld(state, session, out))
  return close(answered, connection, now)
}

/**
 * Sends the last event of a stream whose process stops. Where others go on with the session, the browser opens the
 * stream there by itself. Where nobody is there, it would be refused and close the stream for good; then a handshake is
 * tried until a server is there again.
 */
const sayGoodbye = (session: Session.Session, connection: ConnectionId, goesOn: boolean, out: Out): void => {
  const advice = goesOn ? Advice.inAMoment : Advice.handshake
  const { clientId } = session
  out.push({ _tag: "Advise", connection, message: Message.succeeded(Message.unasked(clientId), { clientId, advice }) })
}

/**
 * Takes the session off a connection that is gone; a held connect needs no answer. After a socket the session has a
 * whole session time-out: its client may not know yet that the socket is dead.
 */
export const close = (state: State.State, connection: ConnectionId, now: number): State.State => {
  const session = State.sessionOf(state, connection)
  if (session === undefined) return state
  return State.setSession(...State.detach(state, prolong(state, session, now)))
}

/** Prolongs the session whose socket has shown a sign of life. */
export const heard = (state: State.State, connection: ConnectionId, now: number): State.State => {
  const session = State.sessionOf(state, connection)
  if (session === undefined) return state
  const prolonged = prolong(state, session, now)
  return prolonged === session ? state : State.setSession(state, prolonged)
}

/**
 * Lets a session that is attached to a socket live for another session time-out. Its connection proves nothing about
 * sessions that poll or have a stream: those connect.
 */
const prolong = (state: State.State, session: Session.Session, now: number): Session.Session =>
  session.link._tag === "Attached" && session.link.kind === "socket" && !session.local
    ? Session.heard(session, now, state.settings.sessionTimeout)
    : session
