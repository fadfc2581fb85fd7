/**
 * The Bayeux state machine: `reduce` takes a state and something that happened and gives the next state and what is to
 * be done about it. It is a total, pure function: time and randomness come in with the input, the old state stays
 * valid, and the same input to the same state gives the same step.
 *
 * ```
 * Input ─▶ Machine.reduce ─▶ Output
 *            Received, HandshakeReceived ─▶ Protocol (who may do what) ─▶ Reply or Commit
 *            Happened ────────────────────▶ Outcomes (what was done) ─────▶ Reply, Deliver, Emit
 *            everything else ─────────────▶ Links, Answers, Returns ─────▶ Reply, Deliver, Bind
 * ```
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Answers from "./Answers.ts"
import * as Deadlines from "./Deadlines.ts"
import type { EndRequested, Input } from "./Input.ts"
import * as Links from "./Links.ts"
import * as Outcomes from "./Outcomes.ts"
import type { Output } from "./Output.ts"
import * as Protocol from "./Protocol.ts"
import * as Returns from "./Returns.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

/** Next state, and outputs in the order in which they are carried out. */
export interface Step {
  readonly state: State.State
  readonly outputs: ReadonlyArray<Output>
}

/** Takes one step. */
export const reduce = (state: State.State, input: Input): Step => {
  const outputs: Array<Output> = []
  return { state: transition(state, input, outputs), outputs }
}

/**
 * Time of the next `DeadlinePassed`, in milliseconds since the epoch; `Infinity` if none is needed. Nothing is due before
 * that time; at that time it may turn out that nothing is due yet.
 */
export const nextDeadline = (state: State.State): number => Deadlines.next(state.deadlines)

/** Whether there is something to do at the end of this turn, by the input `TurnEnded`. */
export const isTurnOpen = (state: State.State): boolean =>
  state.toAnswer.length > 0 || state.queuedBytes > state.settings.maxQueuedBytes

const transition = (state: State.State, input: Input, out: Array<Output>): State.State => {
  switch (input._tag) {
    case "Received":
      return Protocol.receive(state, input, out)
    case "HandshakeReceived":
      return Protocol.handshake(state, input, out)
    case "Happened":
      return Outcomes.apply(state, input.outcome, input.now, out)
    case "StreamOpened":
      return Protocol.openStream(state, input, out)
    case "Heard":
      return Links.heard(state, input.connection, input.now)
    case "Halted":
      return State.postpone(state, input.milliseconds)
    case "ConnectionEnding":
      return Links.end(state, input, out)
    case "ConnectionClosed":
      return Links.close(State.forget(state, input.connection), input.connection, input.now)
    case "Returned":
      return Returns.returned(state, input, out)
    case "DeadlinePassed":
      return deadlinePassed(state, input.now, out)
    case "TurnEnded":
      return relieve(Answers.answerWaiting(state, out), out)
    case "EndRequested":
      return endRequested(state, input, out)
    case "TransportsChanged":
      return { ...state, connectionTypes: input.connectionTypes }
  }
}

/** Ends a session that is here, once; about any other one the engine is asked. */
const endRequested = (state: State.State, { cause, clientId }: EndRequested, out: Array<Output>): State.State => {
  const session = State.session(state, clientId)
  if (session !== undefined) return Outcomes.requestEnd(state, session, cause, out)
  out.push({ _tag: "Commit", change: { _tag: "EndSession", clientId, cause, origin: undefined } })
  return state
}

/**
 * Maximum number of subscriptions of the sessions that are handled in one step; it ends after the session that exceeds
 * it.
 */
const mostDue = 1_000

/**
 * Handles what is due. Where very much is, as when many sessions time out together, a part of it is left for the next
 * step: {@link nextDeadline} has passed then already.
 */
const deadlinePassed = (before: State.State, now: number, out: Array<Output>): State.State => {
  let state = before
  for (let done = 0; done < mostDue;) {
    const clientId = Deadlines.due(state.deadlines, now)
    const session = clientId === undefined ? undefined : State.session(state, clientId)
    if (session === undefined) return state
    done += 1 + HashSet.size(session.subscriptions)
    state = sessionDue(state, session, now, out)
  }
  return state
}

/** Ends the sessions with the longest queues, if more waits for all sessions together than may. */
const relieve = (before: State.State, out: Array<Output>): State.State => {
  let excess = before.queuedBytes - before.settings.maxQueuedBytes
  if (excess <= 0) return before
  const queued = Array.from(HashMap.values(before.sessions)).filter(({ ending, queue }) => !ending && queue.bytes > 0)
  let state = before
  for (const session of queued.sort((a, b) => b.queue.bytes - a.queue.bytes)) {
    if (excess <= 0) break
    excess -= session.queue.bytes
    state = Outcomes.requestEnd(state, session, { _tag: "QueueOverflow" }, out)
  }
  return state
}

const sessionDue = (
  before: State.State,
  session: Session.Session,
  now: number,
  out: Array<Output>
): State.State => {
  const held = Session.held(session)
  if (held === undefined && !session.ending && session.expiresAt <= now) {
    return Outcomes.requestEnd(before, session, { _tag: "Timeout", lastSeen: session.lastSeen }, out)
  }
  const isOverdue = held !== undefined && held.until <= now
  return State.rearm(...(isOverdue ? Answers.answerOverdue(before, session, now, out) : [before, session] as const))
}
