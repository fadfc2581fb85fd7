/**
 * What keeps coming, in the log: the first time at once, and from then on once a while with how often it came. When it
 * has not come for that long, the next time is the first one.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { RunFork } from "./TaskQueue.ts"

/** Lines of a log that do not come one after the other. */
export interface LogThrottle {
  /** Says a line, or counts it. The last one that was counted says how many there were, and within what time. */
  readonly say: (
    what: string,
    line: Effect.Effect<void>,
    again: (times: number, within: string) => Effect.Effect<void>
  ) => Effect.Effect<void>
}

/** Lines that come once in a period; what is counted is said by fibers of the service. */
export const make = (runFork: RunFork, period: Duration.Input = "1 minute"): LogThrottle => {
  const counted = new Map<string, { times: number; again: Parameters<LogThrottle["say"]>[2] }>()
  const within = Duration.format(Duration.fromInputUnsafe(period))
  const summing = Effect.fnUntraced(function*(what: string) {
    for (;;) {
      yield* Effect.sleep(period)
      const count = counted.get(what)
      if (count === undefined || count.times === 0) break
      const { times } = count
      count.times = 0
      yield* count.again(times, within)
    }
    counted.delete(what)
  })
  return {
    say: (what, line, again) =>
      Effect.suspend(() => {
        const count = counted.get(what)
        if (count === undefined) {
          counted.set(what, { times: 0, again })
          runFork(summing(what))
          return line
        }
        count.times++
        count.again = again
        return Effect.void
      })
  }
}
