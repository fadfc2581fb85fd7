/**
 * The return of messages that have left: to their session's socket or stream, or to their places in its queue. Messages
 * that were not written return for certain; the evidence of a reset (`Resets`) and of the next connect (`Retries`) is
 * weighed here.
 *
 * Messages of a session that acknowledges are still in its queue, or were acknowledged: none of them returns by these
 * ways.
 */
import type { GiveBack } from "./Change.ts"
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

/** Delivers messages again by the session's socket or stream, or returns them to their places in its queue. */
export const takeBack = (
  state: State.State,
  session: Session.Session,
  messages: ReadonlyArray<Message.Delivery>,
  out: Out
): State.WithSession => {
  if (session.acknowledges || messages.length === 0) return [state, session]
  if (session.link._tag === "Attached") {
    const connections = [session.link.connection]
    for (const message of messages) out.push({ _tag: "Deliver", connections, message })
    return [state, session]
  }
  const isAnswered = session.link._tag === "Polling" && session.queue.length === 0
  return [
    isAnswered ? { ...state, toAnswer: [...state.toAnswer, session.clientId] } : state,
    { ...session, queue: MessageQueue.restore(session.queue, messages) }
  ]
}

/** Takes back messages that could not be written. The client's ids may have told about those of an answer already. */
export const givenBack = (
  state: State.State,
  session: Session.Session,
  { isAnswer, messages }: Pick<GiveBack, "isAnswer" | "messages">,
  out: Out,
  exchange?: ConnectionId
): State.WithSession => {
  if (!isAnswer) return takeBack(state, session, messages, out)
  const [retries, again] = Retries.unwritten(session.retries, messages, exchange)
  return takeBack(state, retries === session.retries ? session : { ...session, retries }, again, out)
}

/**
 * Handles the messages of a connection that is gone. A session that is not here has come to another process: it gets the
 * messages that were not written or were pushed, and has read the answer that was reset, since its client was back
 * before the reset.
 */
export const returned = (state: State.State, input: Returned, out: Out): State.State => {
  const { clientId, exchange, messages, resetBy } = input
  const isAnswer = exchange !== undefined
  const session = State.session(state, clientId)
  if (session !== undefined) {
    const next = resetBy === undefined
      ? givenBack(state, session, { isAnswer, messages }, out, exchange)
      : reset(state, session, input, resetBy, out)
    return State.update(session, next)
  }
  if (messages.length > 0 && (resetBy === undefined || !isAnswer)) {
    out.push({ _tag: "Commit", change: { _tag: "GiveBack", clientId, messages, isAnswer, origin: undefined } })
  }
  return state
}

/** Weighs a reset behind messages that were written to their end. */
const reset = (
  state: State.State,
  session: Session.Session,
  { exchange, hadEnded, messages, now }: Returned,
  peer: Resets.Address,
  out: Out
): State.WithSession => {
  const { acknowledges, resets, retries } = session
  if (exchange !== undefined && hadEnded === true) return notRead(state, session, messages, exchange, out)
  if (acknowledges || !resets.areBelieved || state.disbelieved.includes(peer)) return [state, session]
  if (exchange === undefined) return bringAgain(state, session, messages, out)
  const unsettled = { ...session, resets: { ...resets, unsettled: { peer, at: now } } }
  if (messages.length === 0) return hasConnected(session) ? disbelieve(state, session, peer) : [state, unsettled]
  if (retries.answered !== undefined && retries.answered.connection !== exchange) return [state, session]
  if (Retries.proofs[retries.ids].reset === "AfterNextConnect") return [state, unsettled]
  const isFirst = Resets.notYetAgain(resets, messages).length === messages.length
  return isFirst
    ? bringAgain(state, session, messages, out)
    : [state, { ...session, resets: { ...resets, areBelieved: false } }]
}

/** Takes back an answer whose peer had closed its socket before: no peer that has read an answer is found to have. */
const notRead = (
  state: State.State,
  session: Session.Session,
  messages: ReadonlyArray<Message.Delivery>,
  exchange: ConnectionId,
  out: Out
): State.WithSession => {
  const [retries, again] = Retries.unwritten(session.retries, messages, exchange)
  if (session.acknowledges || again.length === 0) return [state, session]
  return bringAgain(state, { ...session, retries }, again, out)
}

const hasConnected = ({ link, retries }: Session.Session): boolean =>
  link._tag !== "Detached" || retries.answered !== undefined

const disbelieve = (state: State.State, session: Session.Session, peer: Resets.Address): State.WithSession => [
  { ...state, disbelieved: Resets.disbelieve(state.disbelieved, peer) },
  { ...session, resets: { ...session.resets, unsettled: undefined, areBelieved: false } }
]

/** Settles a reset by the next connect: the answer before it was read, or its messages are delivered again. */
export const settle = (
  state: State.State,
  session: Session.Session,
  input: ConnectReceived,
  out: Out
): State.WithSession => {
  const { acknowledges, resets, retries } = session
  const { unsettled } = resets
  if (acknowledges || unsettled === undefined) return [state, session]
  if (wasRead(state, session, input, unsettled)) return disbelieve(state, session, unsettled.peer)
  return Retries.isUnread(retries, input.message, input.connection.id)
    ? [state, { ...session, resets: { ...resets, unsettled: undefined } }]
    : bringAgain(state, session, retries.answered?.messages ?? [], out)
}

/** Whether the answer was that of the handshake, or the connect comes from a client that has read the one before. */
const wasRead = (
  { settings }: State.State,
  { retries }: Session.Session,
  { message, now }: ConnectReceived,
  unsettled: Resets.Unsettled
): boolean => {
  if (retries.answered === undefined) return true
  const proof = Retries.byNewId(retries, message)
  return proof === "Read" || (proof === "ReadIfSoon" && Resets.isSoon(unsettled, now, settings.interval))
}

/** Takes messages back that may have been read, each once. */
const bringAgain = (
  state: State.State,
  session: Session.Session,
  messages: ReadonlyArray<Message.Delivery>,
  out: Out
): State.WithSession => {
  const fresh = Resets.notYetAgain(session.resets, messages)
  const resets = { ...Resets.again(session.resets, fresh), unsettled: undefined }
  return takeBack(state, { ...session, resets }, fresh, out)
}
