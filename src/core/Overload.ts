/**
 * What is done when more waits for all sessions together than may. That is looked at when the turn ends: what is delivered
 * within it does not count.
 */
import * as HashMap from "effect/HashMap"
import * as Outcomes from "./Outcomes.ts"
import type { Output } from "./Output.ts"
import type * as State from "./State.ts"

/** Whether more bytes wait than may. */
export const isOverloaded = ({ queuedBytes, settings }: State.State): boolean => queuedBytes > settings.maxQueuedBytes

/** Ends the sessions with the longest queues, if more waits for all sessions together than may. */
export const relieve = (before: State.State, out: Array<Output>): State.State => {
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
