/**
 * How much there is of everything at one moment, read from the state of the service and never counted along: one walk
 * over the sessions, however many numbers of the same state are asked for.
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Session from "../core/Session.ts"
import type { State } from "../core/State.ts"

/** What there is. */
export interface Gauges {
  readonly sessions: number
  /** Subscriptions of sessions: a session that has subscribed to two patterns has two. */
  readonly subscriptions: number
  readonly connectsHeld: number
  /** Messages that wait for sessions, or to be acknowledged. */
  readonly queuedMessages: number
}

const taken = new WeakMap<State, Gauges>()

/** What there is in a state. */
export const of = (state: State): Gauges => {
  const known = taken.get(state)
  if (known !== undefined) return known
  const gauges = take(state)
  taken.set(state, gauges)
  return gauges
}

const take = (state: State): Gauges => {
  let subscriptions = 0
  let connectsHeld = 0
  let queuedMessages = 0
  for (const session of HashMap.values(state.sessions)) {
    subscriptions += HashSet.size(session.subscriptions)
    queuedMessages += session.queue.length
    if (Session.held(session) !== undefined) connectsHeld++
  }
  return { sessions: HashMap.size(state.sessions), subscriptions, connectsHeld, queuedMessages }
}
