/** The time, in milliseconds since the epoch, by a clock that never goes back: setting the system's time changes nothing. */
import type * as Clock from "effect/Clock"

/** Gives a function that tells the time; it agrees with the system's clock when it is made. */
export const make = (clock: Clock.Clock): () => number => {
  const monotonic = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const epoch = clock.currentTimeMillisUnsafe() - monotonic()
  return () => Math.floor(epoch + monotonic())
}
