/**
 * The time-out rule: a session ends when it has neither connected nor shown a sign of life by its socket for the session
 * time-out; a held connect is answered when its hold time is over. When each is due is in `Session.dueAt`, the order of
 * all in `DeadlineTree`.
 */
import * as HashSet from "effect/HashSet"
import * as Answers from "./Answers.ts"
import * as DeadlineTree from "./DeadlineTree.ts"
import * as Outcomes from "./Outcomes.ts"
import type { Output } from "./Output.ts"
import * as Session from "./Session.ts"
import * as State from "./State.ts"

type Out = Array<Output>

/**
 * Maximum number of subscriptions of the sessions that are handled in one step; it ends after the session that exceeds
 * it.
 */
const mostDue = 1_000

/**
 * Handles what is due. Where very much is, as when many sessions time out together, a part of it is left for the next
 * step: `Machine.nextDeadline` has passed then already.
 */
export const handleDue = (before: State.State, now: number, out: Out): State.State => {
  let state = before
  for (let done = 0; done < mostDue;) {
    const clientId = DeadlineTree.due(state.deadlines, now)
    const session = clientId === undefined ? undefined : State.session(state, clientId)
    if (session === undefined) return state
    done += 1 + HashSet.size(session.subscriptions)
    state = sessionDue(state, session, now, out)
  }
  return state
}

const sessionDue = (
  before: State.State,
  session: Session.Session,
  now: number,
  out: Out
): State.State => {
  const held = Session.held(session)
  if (held === undefined && !session.ending && session.expiresAt <= now) {
    return Outcomes.requestEnd(before, session, { _tag: "Timeout", lastSeen: session.lastSeen }, out)
  }
  const isOverdue = held !== undefined && held.until <= now
  return State.rearm(...(isOverdue ? Answers.answerOverdue(before, session, now, out) : [before, session] as const))
}
