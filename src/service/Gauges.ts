/**
 * Gauges, read from the state of the service and never counted along. They cost one walk over the sessions for each
 * state, however many of them are read.
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Session from "../core/Session.ts"
import type { State } from "../core/State.ts"

/** Numbers of sessions and of their parts in one state. */
export interface Gauges {
  readonly sessions: number
  /** Number of pairs of a session and a pattern to which it has subscribed. */
  readonly subscriptions: number
  readonly connectsHeld: number
  /** Number of messages that wait for their sessions, or to be acknowledged. */
  readonly queuedMessages: number
}

const cache = new WeakMap<State, Gauges>()

/** Returns the gauges of a state. They are cached: a state is an immutable value. */
export const of = (state: State): Gauges => {
  const known = cache.get(state)
  if (known !== undefined) return known
  const gauges = count(state)
  cache.set(state, gauges)
  return gauges
}

const count = (state: State): Gauges => {
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
