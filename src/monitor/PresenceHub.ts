/**
 * The presence state and its watchers. A watcher gets the members first, then each join and leave, once and in order.
 *
 * The queue of a watcher is bounded, and nobody waits for it. A watcher that has fallen behind too far gets the
 * difference between the state that it knows and the current one with its next read, and is right again.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as PresenceState from "../core/folds/PresenceState.ts"

/** The members at the beginning of a watch. */
export interface Present {
  readonly _tag: "Present"
  readonly members: ReadonlyMap<string, PresenceState.Member>
}

/** An item of a watch. */
export type PresenceEvent = Present | PresenceState.Join | PresenceState.Leave

/** A watcher of a place. */
class Watcher {
  readonly #place: PresenceState.Place
  readonly #capacity: number
  /** The state as of the last read; undefined before the first one. */
  #known: PresenceState.PresenceState | undefined
  /** The current state, and the time of its last change in milliseconds. */
  #current: PresenceState.PresenceState
  #at = 0
  #waiting: Array<PresenceEvent> = []
  #hasOverflowed = false
  #isOver = false
  readonly #hasNews = Latch.makeUnsafe(false)

  constructor(now: PresenceState.PresenceState, place: PresenceState.Place, capacity: number) {
    this.#current = now
    this.#place = place
    this.#capacity = capacity
  }

  offer(step: PresenceState.Step): void {
    const change = PresenceState.change(this.#current, step, this.#place)
    this.#current = step.state
    this.#at = step.at
    if (change === undefined) return
    this.#hasOverflowed ||= this.#waiting.length === this.#capacity
    if (!this.#hasOverflowed) this.#waiting.push(change)
    this.#hasNews.openUnsafe()
  }

  end(): void {
    this.#isOver = true
    this.#hasNews.openUnsafe()
  }

  #take(): ReadonlyArray<PresenceEvent> {
    const [known, waiting, hasOverflowed] = [this.#known, this.#waiting, this.#hasOverflowed]
    this.#known = this.#current
    this.#waiting = []
    this.#hasOverflowed = false
    if (known === undefined) return [{ _tag: "Present", members: PresenceState.members(this.#current, this.#place) }]
    return hasOverflowed ? PresenceState.difference(known, this.#current, this.#place, this.#at) : waiting
  }

  readonly next: Pull.Pull<Arr.NonEmptyReadonlyArray<PresenceEvent>> = Effect.suspend(() => {
    const items = this.#take()
    if (Arr.isReadonlyArrayNonEmpty(items)) return Effect.succeed(items)
    if (this.#isOver) return Cause.done()
    this.#hasNews.closeUnsafe()
    return Effect.andThen(this.#hasNews.await, this.next)
  })
}

/** The current presence state and all its watchers. */
export class PresenceHub {
  #state: PresenceState.PresenceState
  readonly #capacity: number
  readonly #watchers = new Set<Watcher>()
  readonly #isReady = Latch.makeUnsafe(false)

  /** `gracePeriod` is in milliseconds, `capacity` the number of changes in the queue of a watcher. */
  constructor(gracePeriod: number, capacity = 16_384) {
    this.#state = PresenceState.make(gracePeriod)
    this.#capacity = capacity
  }

  /** The current state. */
  get state(): PresenceState.PresenceState {
    return this.#state
  }

  /** Applies an input. Members are known from the first snapshot on. */
  apply(input: PresenceState.PresenceInput): void {
    for (const step of PresenceState.steps(this.#state, input)) {
      this.#state = step.state
      for (const watcher of this.#watchers) watcher.offer(step)
    }
    if (input._tag === "PresenceSnapshot") this.#isReady.openUnsafe()
  }

  /** Ends all watches. */
  end(): void {
    this.#isReady.openUnsafe()
    for (const watcher of this.#watchers) watcher.end()
  }

  /** The members. Waits for the first snapshot. */
  members(place: PresenceState.Place): Effect.Effect<ReadonlyMap<string, PresenceState.Member>> {
    return Effect.map(this.#isReady.await, () => PresenceState.members(this.#state, place))
  }

  /** The members when the stream is run, then every change. Waits for the first snapshot. */
  watch(place: PresenceState.Place): Stream.Stream<PresenceEvent> {
    const acquire = Effect.sync(() => {
      const watcher = new Watcher(this.#state, place, this.#capacity)
      this.#watchers.add(watcher)
      return watcher
    })
    const release = (watcher: Watcher) => Effect.sync(() => this.#watchers.delete(watcher))
    const watcher = Effect.acquireRelease(acquire, release)
    return Stream.unwrap(
      Effect.map(Effect.andThen(this.#isReady.await, watcher), ({ next }) => Stream.fromPull(Effect.succeed(next)))
    )
  }
}
