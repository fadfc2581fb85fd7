/**
 * Answers to connects, and the queues whose messages they carry.
 *
 * An exchange gets messages with the answer to its connect and in no other answer. The specification would have them
 * sent with whatever response leaves first; two responses on two connections may overtake each other, and the order of
 * a channel's messages is worth more than the moment gained.
 *
 * A session that acknowledges (CometD's `ext.ack`) gets its messages in the same way over a socket, too: they are never
 * pushed. The messages of an answer stay in the queue until a connect acknowledges them; a connect that leaves something
 * unacknowledged is answered at once, with all of it. The number of an answer is the position of its last message. An
 * answer without messages has no number, so it does not matter when or whether a client reads it.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Advice from "./Advice.ts"
import type { ClientId } from "./ClientId.ts"
import type { ConnectionId } from "./Connection.ts"
import * as Message from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import { type Output, reply } from "./Output.ts"
import * as Retries from "./Retries.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>

/** Creates the answer to a connect that was successful. */
export const succeeded = (state: State.State, clientId: ClientId, request: Message.Connect): Message.Reply =>
  Message.succeeded(request, {
    clientId,
    advice: Advice.retry(state.settings, request.connectionType)
  })

/**
 * Creates the answer to a connect that was replaced by a newer one; it delivers nothing. Mostly nobody reads it. Two
 * clients that share a session do, and would replace each other's connects as fast as they can: so its advice is to
 * come back later.
 */
export const superseded = (state: State.State, clientId: ClientId, request: Message.Connect): Message.Reply => ({
  ...succeeded(state, clientId, request),
  advice: Advice.later(state.settings)
})

/** Number of answers in a row that may get lost; a client that acknowledges none of more is slowed down. */
const mostUnacknowledged = 3

/** Answers a connect with the messages of the queue, as many as an answer may hold. */
export const answer = (
  state: State.State,
  session: Session.Session,
  connection: ConnectionId,
  { request, slot }: Pick<Session.HeldConnect, "request" | "slot">,
  out: Out,
  byDefault = Advice.retry(state.settings, request.connectionType)
): Session.Session => {
  const { acknowledges, clientId } = session
  const [messages, queue] = MessageQueue.take(session.queue, state.settings.maxAnswerBytes)
  const last = acknowledges ? messages.at(-1)?.position : undefined
  const ext = last === undefined ? undefined : { ext: { ack: last } }
  const unheard = last === undefined ? session.unheard : session.unheard + 1
  const advice = unheard > mostUnacknowledged ? Advice.later(state.settings) : byDefault
  const success = Message.succeeded(request, { clientId, advice, ...ext })
  out.push(reply(connection, slot, [success, ...messages], clientId))
  if (acknowledges) return { ...session, sent: last ?? session.sent, unheard }
  return { ...session, queue, retries: Retries.answered(session.retries, request, connection, messages) }
}

/** Whether one answer holds the whole queue. */
export const holdsAll = ({ settings }: State.State, { queue }: Session.Session): boolean =>
  MessageQueue.take(queue, settings.maxAnswerBytes)[1].length === 0

/** Answers the held connect, if there is one, because another one replaces it. */
export const supersede = (state: State.State, { clientId, link }: Session.Session, out: Out): void => {
  if (link._tag === "Detached" || link.held === undefined) return
  const { request, slot } = link.held
  out.push(reply(link.connection, slot, [superseded(state, clientId, request)], clientId))
}

/** Answers the held connect, if there is one, with the queue. A poll ends with its answer, a socket stays. */
export const answerHeld = (state: State.State, session: Session.Session, out: Out): State.WithSession => {
  const { link } = session
  if (link._tag === "Detached" || link.held === undefined) return [state, session]
  const answered = answer(state, session, link.connection, link.held, out)
  return link._tag === "Polling"
    ? State.detach(state, answered)
    : [state, { ...answered, link: { ...link, held: undefined } }]
}

/**
 * Answers a held connect whose hold time is over. An answer that comes late (the process was halted) leaves the client
 * as much time to come back as one in time.
 */
export const answerOverdue = (
  state: State.State,
  session: Session.Session,
  now: number,
  out: Out
): State.WithSession => {
  const late = now - (Session.held(session)?.until ?? now)
  return answerHeld(state, { ...session, expiresAt: session.expiresAt + late }, out)
}

/** Answers the held connects for which messages have come in this turn, each with its queue. */
export const answerWaiting = (before: State.State, out: Out): State.State => {
  if (before.toAnswer.length === 0) return before
  let state: State.State = { ...before, toAnswer: [] }
  for (const clientId of before.toAnswer) {
    const session = State.session(state, clientId)
    if (session === undefined || session.queue.length === 0) continue
    state = State.update(session, answerHeld(state, session, out))
  }
  return state
}

/**
 * Makes room for a message in a queue, by dropping its oldest messages where that is the setting; nothing if there is
 * no room.
 */
const roomFor = (
  { settings: { maxQueueBytes, maxQueueLength, overflow } }: State.State,
  queue: MessageQueue.MessageQueue,
  { bytes }: Message.Delivery
): MessageQueue.MessageQueue | undefined => {
  const excess = { messages: queue.length + 1 - maxQueueLength, bytes: queue.bytes + bytes - maxQueueBytes }
  if (excess.messages <= 0 && (excess.bytes <= 0 || queue.length === 0)) return queue
  return overflow === "dropOldest" ? MessageQueue.dropOldest(queue, excess.messages, excess.bytes) : undefined
}

/** Outcome of queueing a message: sessions that have to end for want of room, and number of messages that were dropped. */
export interface Enqueued {
  readonly state: State.State
  readonly overflowing: ReadonlyArray<Session.Session>
  readonly dropped: number
}

/**
 * Queues a message for each of the sessions. Messages that are acknowledged already are left out. Where a session has no
 * room (messages that are not acknowledged yet count) the setting `overflow` decides.
 */
export const enqueue = (
  state: State.State,
  clientIds: ReadonlyArray<ClientId>,
  message: Message.Delivery
): Enqueued => {
  if (clientIds.length === 0) return { state, overflowing: [], dropped: 0 }
  const toAnswer: Array<ClientId> = []
  const overflowing: Array<Session.Session> = []
  let { queuedBytes } = state
  let dropped = 0
  const sessions = HashMap.mutate(state.sessions, (sessions) => {
    for (const clientId of clientIds) {
      const found = HashMap.get(sessions, clientId)
      if (Option.isNone(found)) continue
      const session = found.value
      if (message.position <= session.acknowledged) continue
      const room = roomFor(state, session.queue, message)
      if (room === undefined) {
        dropped++
        if (state.settings.overflow === "end") overflowing.push(session)
        continue
      }
      if (session.queue.length === 0 && Session.carrier(session) !== undefined) toAnswer.push(clientId)
      const queue = MessageQueue.append(room, message)
      dropped += session.queue.length - room.length
      queuedBytes += queue.bytes - session.queue.bytes
      HashMap.set(sessions, clientId, { ...session, queue })
    }
  })
  const waiting = toAnswer.length === 0 ? state.toAnswer : [...state.toAnswer, ...toAnswer]
  return { state: { ...state, sessions, queuedBytes, toAnswer: waiting }, overflowing, dropped }
}
