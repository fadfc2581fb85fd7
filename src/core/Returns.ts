/**
 * How messages that have left come back: to their session's connection, or to their places in its queue. What was not
 * written comes back for certain; what a reset (`Resets`) or the next connect (`Retries`) says is weighed here.
 *
 * What a session acknowledges is in its queue still, or was acknowledged: nothing of it comes back by these ways.
 */
import type { GiveBack } from "./Change.ts"
import type { ClientId } from "./ClientId.ts"
import type { ConnectionId } from "./Connection.ts"
import type { ConnectReceived, Returned } from "./Input.ts"
import type * as Message from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import type { Output } from "./Output.ts"
import * as Resets from "./Resets.ts"
import * as Retries from "./Retries.ts"
import type * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>

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
  const isAnswered = session.link._tag === "Polling" && session.queue.length === 0
  return State.setSession(
    isAnswered ? { ...state, toAnswer: [...state.toAnswer, clientId] } : state,
    { ...session, queue: MessageQueue.restore(session.queue, messages) }
  )
}

/** Messages of a session that is here could not be written. Of an answer its client may have spoken already. */
export const givenBack = (
  state: State.State,
  { clientId, isAnswer, messages }: Pick<GiveBack, "clientId" | "isAnswer" | "messages">,
  out: Out,
  exchange?: ConnectionId
): State.State => {
  const session = State.session(state, clientId)
  if (session === undefined || !isAnswer) return takeBack(state, clientId, messages, out)
  const [retries, again] = Retries.unwritten(session.retries, messages, exchange)
  const next = retries === session.retries ? state : State.setSession(state, { ...session, retries })
  return takeBack(next, clientId, again, out)
}

/**
 * A connection is gone with what it had for a session. One that is not here has come to another process: it gets what was
 * not written or was pushed, and has read the answer that was reset, since its client was back before the reset.
 */
export const returned = (state: State.State, input: Returned, out: Out): State.State => {
  const { clientId, exchange, messages, resetBy } = input
  const isAnswer = exchange !== undefined
  const session = State.session(state, clientId)
  if (session !== undefined) {
    return resetBy === undefined
      ? givenBack(state, { clientId, isAnswer, messages }, out, exchange)
      : wasReset(state, session, input, resetBy, out)
  }
  if (messages.length > 0 && (resetBy === undefined || !isAnswer)) {
    out.push({ _tag: "Commit", change: { _tag: "GiveBack", clientId, messages, isAnswer, origin: undefined } })
  }
  return state
}

const wasReset = (
  state: State.State,
  session: Session.Session,
  { exchange, hadEnded, messages, now }: Returned,
  peer: Resets.Address,
  out: Out
): State.State => {
  const { acknowledges, resets, retries } = session
  if (exchange !== undefined && hadEnded === true) return hadGone(state, session, messages, exchange, out)
  if (acknowledges || !resets.areBelieved || state.disbelieved.includes(peer)) return state
  if (exchange === undefined) return bringAgain(state, session, messages, out)
  const unsettled = setResets(state, session, { ...resets, unsettled: { peer, at: now } })
  if (messages.length === 0) return hasConnected(session) ? disbelieve(state, session, peer) : unsettled
  if (retries.answered !== undefined && retries.answered.connection !== exchange) return state
  if (Retries.isTelling(retries)) return unsettled
  const isFresh = Resets.notYetAgain(resets, messages).length === messages.length
  return isFresh
    ? bringAgain(state, session, messages, out)
    : setResets(state, session, { ...resets, areBelieved: false })
}

/** No peer that has read an answer is found to have closed its socket before. Whose ids say what it has read is asked. */
const hadGone = (
  state: State.State,
  session: Session.Session,
  messages: ReadonlyArray<Message.Delivery>,
  exchange: ConnectionId,
  out: Out
): State.State => {
  const [retries, again] = Retries.unwritten(session.retries, messages, exchange)
  if (session.acknowledges || again.length === 0) return state
  return bringAgain(state, { ...session, retries }, again, out)
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

/** What a connect says of the answer before it: that it was read, or that its messages have to come again. */
export const settle = (state: State.State, input: ConnectReceived, out: Out): State.State => {
  const session = State.session(state, input.message.clientId)
  if (session === undefined || session.acknowledges) return state
  const { resets: { unsettled }, retries } = session
  if (unsettled === undefined) return state
  if (wasRead(state, session, input, unsettled)) return disbelieve(state, session, unsettled.peer)
  return Retries.isUnread(retries, input.message, input.connection.id)
    ? setResets(state, session, { ...session.resets, unsettled: undefined })
    : bringAgain(state, session, retries.answered?.messages ?? [], out)
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
