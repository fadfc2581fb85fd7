/**
 * Delay of the event loop, measured by Node: the time that timers fire late, in which nothing in the process is served.
 *
 * Two histograms run. The older one is read; once the younger one is half a minute old, the older one is reset and they
 * change places. So a reading covers the last half to full minute, and readers do not disturb each other.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { monitorEventLoopDelay } from "node:perf_hooks"

/** Interval of Node's measurement in milliseconds. Its result includes it, even without any delay. */
const resolution = 20

/** Age in milliseconds at which the younger histogram replaces the older one. */
const halfWindow = 30_000

/** Returns a quantile (`share` from 0 to 1) of the delay, in seconds. */
export type EventLoopDelay = (share: number) => number

/** Measures while the scope is open. */
export const make: Effect.Effect<EventLoopDelay, never, Scope.Scope> = Effect.gen(function*() {
  let older = yield* measurement
  let younger = yield* measurement
  let began = performance.now()
  return (share) => {
    if (performance.now() - began > halfWindow) {
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
