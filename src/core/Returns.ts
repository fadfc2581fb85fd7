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
  const { clientId, messages, reset } = input
  const session = State.session(state, clientId)
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
  { messages }: Returned,
  reset: Reset,
  out: Out
): State.State => {
  const { connection, peer } = reset
  const { acknowledges, resets, retries } = session
  if (acknowledges || !resets.areBelieved || state.disbelieved.includes(peer)) return state
  if (reset.pushed === true) {
    const fresh = Resets.notYetAgain(resets, messages)
    return takeBack(setResets(state, session, Resets.again(resets, fresh)), session.clientId, fresh, out)
  }
  if (messages.length === 0) {
    return hasConnected(session) ? disbelieve(state, session, peer) : setResets(state, session, unsettled(resets, peer))
  }
  if (retries.answered !== undefined && retries.answered.connection !== connection) return state
  if (retries.ids === "Unique") return setResets(state, session, unsettled(resets, peer))
  const fresh = Resets.notYetAgain(resets, messages)
  if (fresh.length < messages.length) return disbelieve(state, session, peer)
  return takeBack(setResets(state, session, Resets.again(resets, fresh)), session.clientId, fresh, out)
}

const unsettled = (resets: Resets.Resets, peer: Resets.Address): Resets.Resets => ({ ...resets, unsettled: peer })

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

/** What a connect says of the answer before it: that it has to come again, or that it was read. */
export const settle = (before: State.State, { connection, message }: ConnectReceived, out: Out): State.State => {
  const session = State.session(before, message.clientId)
  if (session === undefined || session.acknowledges) return before
  const { clientId, retries } = session
  const state = settleReset(before, session, message)
  if (!Retries.isUnread(retries, message, connection.id)) return state
  return takeBack(state, clientId, retries.answered?.messages ?? [], out)
}

const settleReset = (state: State.State, session: Session.Session, request: Message.Connect): State.State => {
  const { resets, retries } = session
  if (resets.unsettled === undefined) return state
  return retries.answered === undefined || Retries.isRead(retries, request)
    ? disbelieve(state, session, resets.unsettled)
    : setResets(state, session, { ...resets, unsettled: undefined })
}
