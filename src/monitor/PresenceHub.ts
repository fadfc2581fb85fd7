/**
 * Those who watch who is there: each is told first who is, then who comes and goes, each change once and in order.
 *
 * What waits for a watcher is bounded, and nobody waits for it. One that has fallen behind too far is told the difference
 * between what it knows and what is, when it gets round to it; so what it knows is right again.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as PresenceState from "../core/folds/PresenceState.ts"

/** Who is there: what a watch begins with. */
export interface Present {
  readonly _tag: "Present"
  readonly members: ReadonlyMap<string, PresenceState.Member>
}

/** What a watcher is told. */
export type PresenceEvent = Present | PresenceState.Join | PresenceState.Leave

/** A watcher of a place. */
class Watcher {
  readonly #place: PresenceState.Place
  readonly #capacity: number
  /** What is known to whoever has taken all that has waited; nothing to one that has not begun. */
  #known: PresenceState.PresenceState | undefined
  /** What is, and since when. */
  #now: PresenceState.PresenceState
  #at = 0
  #waiting: Array<PresenceEvent> = []
  #hasMissed = false
  #isOver = false
  readonly #isSomething = Latch.makeUnsafe(false)

  constructor(now: PresenceState.PresenceState, place: PresenceState.Place, capacity: number) {
    this.#now = now
    this.#place = place
    this.#capacity = capacity
  }

  offer(step: PresenceState.Step): void {
    const change = PresenceState.change(this.#now, step, this.#place)
    this.#now = step.state
    this.#at = step.at
    if (change === undefined) return
    this.#hasMissed ||= this.#waiting.length === this.#capacity
    if (!this.#hasMissed) this.#waiting.push(change)
    this.#isSomething.openUnsafe()
  }

  end(): void {
    this.#isOver = true
    this.#isSomething.openUnsafe()
  }

  #take(): ReadonlyArray<PresenceEvent> {
    const [known, waiting, hasMissed] = [this.#known, this.#waiting, this.#hasMissed]
    this.#known = this.#now
    this.#waiting = []
    this.#hasMissed = false
    if (known === undefined) return [{ _tag: "Present", members: PresenceState.members(this.#now, this.#place) }]
    return hasMissed ? PresenceState.difference(known, this.#now, this.#place, this.#at) : waiting
  }

  readonly next: Pull.Pull<Arr.NonEmptyReadonlyArray<PresenceEvent>> = Effect.suspend(() => {
    const told = this.#take()
    if (Arr.isReadonlyArrayNonEmpty(told)) return Effect.succeed(told)
    if (this.#isOver) return Cause.done()
    this.#isSomething.closeUnsafe()
    return Effect.andThen(this.#isSomething.await, this.next)
  })
}

/** Who is there now, and all who watch that. */
export class PresenceHub {
  #state: PresenceState.PresenceState
  readonly #capacity: number
  readonly #watchers = new Set<Watcher>()
  readonly #hasBegun = Latch.makeUnsafe(false)

  /** At most `capacity` changes wait for a watcher. */
  constructor(gracePeriod: number, capacity = 16_384) {
    this.#state = PresenceState.make(gracePeriod)
    this.#capacity = capacity
  }

  /** Who is there now. */
  get state(): PresenceState.PresenceState {
    return this.#state
  }

  /** Something happens; before the first reading it is not known who is there. */
  tell(told: PresenceState.PresenceInput): void {
    for (const step of PresenceState.steps(this.#state, told)) {
      this.#state = step.state
      for (const watcher of this.#watchers) watcher.offer(step)
    }
    if (told._tag === "Reading") this.#hasBegun.openUnsafe()
  }

  /** Nothing happens any more. */
  end(): void {
    this.#hasBegun.openUnsafe()
    for (const watcher of this.#watchers) watcher.end()
  }

  /** The members, when it is known who is there. */
  members(place: PresenceState.Place): Effect.Effect<ReadonlyMap<string, PresenceState.Member>> {
    return Effect.map(this.#hasBegun.await, () => PresenceState.members(this.#state, place))
  }

  /** Who is there when the stream is run, and every change from then on. */
  watch(place: PresenceState.Place): Stream.Stream<PresenceEvent> {
    const enter = Effect.sync(() => {
      const watcher = new Watcher(this.#state, place, this.#capacity)
      this.#watchers.add(watcher)
      return watcher
    })
    const leave = (watcher: Watcher) => Effect.sync(() => this.#watchers.delete(watcher))
    const entered = Effect.acquireRelease(enter, leave)
    return Stream.unwrap(
      Effect.map(Effect.andThen(this.#hasBegun.await, entered), ({ next }) => Stream.fromPull(Effect.succeed(next)))
    )
  }
}
