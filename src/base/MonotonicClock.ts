/** A clock that never goes back, in milliseconds since the epoch: changes of the system's time have no effect on it. */
import type * as Clock from "effect/Clock"

/** Returns a function that returns the time. It agrees with the system's clock at its construction. */
export const make = (clock: Clock.Clock): () => number => {
  const monotonic = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const epoch = clock.currentTimeMillisUnsafe() - monotonic()
  return () => Math.floor(epoch + monotonic())
}
