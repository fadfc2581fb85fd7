/**
 * How messages that have left come back: to their session's connection, or to their places in its queue. What was not
 * written comes back for certain; what a reset (`Resets`) or the next connect (`Retries`) says is weighed here.
 *
 * What a session acknowledges is in its queue still, or was acknowledged: nothing of it comes back by these ways.
 */
import type { ClientId } from "./ClientId.ts"
import type { ConnectReceived, Returned } from "./Input.ts"
import type * as Message from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import type { Output } from "./Output.ts"
import * as Resets from "./Resets.ts"
import * as Retries from "./Retries.ts"
import type * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>
type Reset = NonNullable<Returned["reset"]>

/** They go out again by the session's open connection, or to their places in its queue. */
export const takeBack = (
  state: State.State,
  clientId: ClientId,
  messages: ReadonlyArray<Message.Delivery>,
  out: Out
): State.State => {
  const session = State.session(state, clientId)
  if (session === undefined || session.acknowledges || messages.length === 0) return state
  if (session.link._tag === "Attached") {
    const connections = [session.link.connection]
    for (const message of messages) out.push({ _tag: "Deliver", connections, message })
    return state
  }
  const isWoken = session.link._tag === "Polling" && session.queue.length === 0
  return State.setSession(
    isWoken ? { ...state, woken: [...state.woken, clientId] } : state,
    { ...session, queue: MessageQueue.restore(session.queue, messages) }
  )
}

/**
 * A connection is gone with what it had for a session. One that is not here has come to another process: it gets what was
 * not written or was pushed, and has read the answer that was reset, since its client was back before the reset.
 */
export const returned = (state: State.State, input: Returned, out: Out): State.State => {
  const { answered, clientId, messages, reset } = input
  const session = State.session(state, clientId)
  // Its client asks for the answer again, and may have done so by now.
  if (answered === true && session !== undefined && Retries.isSure(session.retries)) return state
  if (session !== undefined) {
    return reset === undefined ? takeBack(state, clientId, messages, out) : wasReset(state, session, input, reset, out)
  }
  if (messages.length > 0 && (reset === undefined || reset.pushed === true)) {
    out.push({ _tag: "Commit", order: { _tag: "GiveBack", clientId, messages, origin: undefined } })
  }
  return state
}

const wasReset = (
  state: State.State,
  session: Session.Session,
  { messages, now }: Returned,
  reset: Reset,
  out: Out
): State.State => {
  const { connection, peer } = reset
  const { acknowledges, resets, retries } = session
  if (acknowledges || !resets.areBelieved || state.disbelieved.includes(peer)) return state
  if (reset.pushed === true) return bringAgain(state, session, messages, out)
  const unsettled = setResets(state, session, { ...resets, unsettled: { peer, at: now } })
  if (messages.length === 0) return hasConnected(session) ? disbelieve(state, session, peer) : unsettled
  if (retries.answered !== undefined && retries.answered.connection !== connection) return state
  if (Retries.isTelling(retries)) return unsettled
  const isFresh = Resets.notYetAgain(resets, messages).length === messages.length
  return isFresh ? bringAgain(state, session, messages, out) : disbelieve(state, session, peer)
}

const hasConnected = ({ link, retries }: Session.Session): boolean =>
  link._tag !== "Detached" || retries.answered !== undefined

const setResets = (state: State.State, session: Session.Session, resets: Resets.Resets): State.State =>
  State.setSession(state, { ...session, resets })

const disbelieve = (state: State.State, session: Session.Session, peer: Resets.Address): State.State =>
  setResets(
    { ...state, disbelieved: Resets.disbelieve(state.disbelieved, peer) },
    session,
    { ...session.resets, unsettled: undefined, areBelieved: false }
  )

/**
 * What a connect over an exchange asks for that came before with its id: the answer of the connect that is held, the last
 * answer, or one that was given up long ago.
 */
export const repeats = (
  { acknowledges, link, local, retries }: Session.Session,
  { connection, message }: ConnectReceived
): "Held" | "Answered" | "Late" | undefined => {
  if (acknowledges || local || link._tag === "Attached") return undefined
  if (connection.kind !== "exchange" || message.connectionType === "eventsource") return undefined
  const held = link._tag === "Polling" ? link.held.request : undefined
  if (Retries.isLate(retries, held, message)) return "Late"
  if (held !== undefined) return Retries.isOf(retries, held, message) ? "Held" : undefined
  return Retries.isUnread(retries, message, connection.id) ? "Answered" : undefined
}

/** What a connect says of the answer before it: that it has to come again, or that it was read. */
export const settle = (state: State.State, input: ConnectReceived, out: Out): State.State => {
  const { connection, message } = input
  const session = State.session(state, message.clientId)
  if (session === undefined || session.acknowledges) return state
  const { clientId, resets, retries } = session
  const messages = retries.answered?.messages ?? []
  if (Retries.isUnread(retries, message, connection.id)) {
    return takeBack(settled(state, session), clientId, messages, out)
  }
  if (resets.unsettled === undefined) return state
  return wasRead(state, session, input, resets.unsettled)
    ? disbelieve(state, session, resets.unsettled.peer)
    : bringAgain(state, session, messages, out)
}

/** The answer was that of the handshake, or the connect comes from a client that has read the one before. */
const wasRead = (
  { settings }: State.State,
  { retries }: Session.Session,
  { message, now }: ConnectReceived,
  unsettled: Resets.Unsettled
): boolean => {
  if (retries.answered === undefined) return true
  if (!Retries.isNew(retries, message)) return false
  return retries.ids === "Unique" || Resets.isSoon(unsettled, now, settings.interval)
}

/** What was reset has not been read, or it does not matter any more. */
export const settled = (state: State.State, session: Session.Session): State.State =>
  session.resets.unsettled === undefined
    ? state
    : setResets(state, session, { ...session.resets, unsettled: undefined })

const bringAgain = (
  state: State.State,
  session: Session.Session,
  messages: ReadonlyArray<Message.Delivery>,
  out: Out
): State.State => {
  const fresh = Resets.notYetAgain(session.resets, messages)
  const resets = { ...Resets.again(session.resets, fresh), unsettled: undefined }
  return takeBack(setResets(state, session, resets), session.clientId, fresh, out)
}
