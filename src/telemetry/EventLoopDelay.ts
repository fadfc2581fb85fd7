/**
 * How late the event loop is with what is due, measured by Node: nothing else in the process is served meanwhile.
 *
 * Two measurements run, of which the older is asked and, once the younger is long enough, begun anew. So what is read
 * covers the last half to full minute if it is read often, and readers do not disturb each other.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { monitorEventLoopDelay } from "node:perf_hooks"

/** How often Node looks, in milliseconds; that long it is late by its own measure when it is not late at all. */
const resolution = 20

const longEnough = 30_000

/** The delay that a share of all looks did not exceed, in seconds. */
export type EventLoopDelay = (share: number) => number

/** Measures for as long as the scope is open. */
export const make: Effect.Effect<EventLoopDelay, never, Scope.Scope> = Effect.gen(function*() {
  let older = yield* measurement
  let younger = yield* measurement
  let began = performance.now()
  return (share) => {
    if (performance.now() - began > longEnough) {
      older.reset()
      ;[older, younger] = [younger, older]
      began = performance.now()
    }
    return older.count === 0 ? 0 : Math.max(0, older.percentile(100 * share) / 1e9 - resolution / 1e3)
  }
})

const measurement = Effect.acquireRelease(
  Effect.sync(() => {
    const histogram = monitorEventLoopDelay({ resolution })
    histogram.enable()
    return histogram
  }),
  (histogram) => Effect.sync(() => histogram.disable())
)
