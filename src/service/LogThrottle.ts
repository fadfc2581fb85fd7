/**
 * Throttle for log lines that come again and again: the first one is logged at once, and from then on their number once
 * a while. A line that has not come for that long is a first one again.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { RunFork } from "./TaskQueue.ts"

/** Throttle of a log. */
export interface LogThrottle {
  /**
   * Logs a line, or counts it under its name. Later `again` logs the number of counted lines, and within what time they
   * came.
   */
  readonly say: (
    what: string,
    line: Effect.Effect<void>,
    again: (times: number, within: string) => Effect.Effect<void>
  ) => Effect.Effect<void>
}

/** Creates a throttle with a period; counted lines are logged by fibers of the service. */
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
