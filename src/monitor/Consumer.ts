/**
 * A consumer of the monitoring stream: what waits for it, and what it is told of what it has missed.
 *
 * The events of a turn are offered to it when the turn has ended, whether its stream is run or not, and it decides at once
 * what it keeps: what it has not read is bounded, and nobody waits for it.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as MutableList from "effect/MutableList"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Snapshot } from "../core/folds/Snapshot.ts"
import type { Lagged, MonitorEvent } from "../core/MonitorEvent.ts"
import * as EventSize from "./EventSize.ts"

/**
 * What a consumer loses that has fallen behind by its capacity.
 *
 * - `sliding`: the oldest events.
 * - `dropping`: the newest.
 * - `sampling`: every other event, then all but every fourth, and so on: what is left is spread evenly over all that has
 *   happened, for as long as it takes. When it has caught up it gets every event again.
 * - `unbounded`: none; it may use up the memory.
 */
export type Strategy = "sliding" | "dropping" | "sampling" | "unbounded"

/** How much a consumer may fall behind, and what it loses then. */
export interface SubscribeOptions {
  /** What it is called in `Monitor.consumers`. Default: `consumer` and a number. */
  readonly name?: string
  /** The number of events its buffer holds. Default: 16,384. */
  readonly capacity?: number
  /**
   * The number of bytes its buffer holds, by an estimate of what events take in memory. An event that is larger is lost. As
   * much again may be in the hands of the consumer. Default: 16 MiB.
   */
  readonly maxBytes?: number
  /** Default: `sliding`. */
  readonly strategy?: Strategy
}

/** How a consumer keeps up. */
export interface Lag {
  readonly name: string
  readonly strategy: Strategy
  /** `Infinity` where the strategy is `unbounded`. */
  readonly capacity: number
  /** `Infinity` where the strategy is `unbounded`. */
  readonly maxBytes: number
  /** The number of bytes that wait in its buffer. */
  readonly bytes: number
  /** How many events have happened since the last of those that it is known to be done with. */
  readonly behind: number
  /** How many events it has lost for good. */
  readonly missed: number
}

/** What a consumer has to know of the monitor. `S` is `Snapshot` where it wants snapshots, else `never`. */
export interface Source<S extends Snapshot> {
  /** The number of the last event. */
  readonly newest: () => number
  /** Hands out the events that have not been handed out yet. */
  readonly flush: () => void
  /** What it begins with, and gets in the place of what it has missed. */
  readonly snapshot: (() => S) | undefined
}

type Watched<S extends Snapshot> = MonitorEvent | Lagged | S

const defaultCapacity = 16_384
const defaultMaxBytes = 1 << 24

/** A consumer, from the events on that happen after it was made. */
export class Consumer<S extends Snapshot = never> {
  readonly #name: string
  readonly #strategy: Strategy
  readonly #capacity: number
  readonly #maxBytes: number
  readonly #source: Source<S>
  readonly #waiting = MutableList.make<MonitorEvent>()
  /** The bytes of what waits. */
  #bytes = 0
  readonly #isSomething = Latch.makeUnsafe(false)
  /** The snapshot with which it begins, until it is told. */
  #first: S | undefined
  /** The number of the last event that it has been told, or told to have missed, or that its snapshot knows of. */
  #last: number
  /** The same when it asked for more the last time: up to here it is done. */
  #done: number
  /** The number of the last event that it was offered. */
  #newest: number
  /** How many events it has been told to have missed. */
  #missed = 0
  #isOver = false

  constructor(name: string, options: SubscribeOptions, source: Source<S>) {
    const { capacity = defaultCapacity, maxBytes = defaultMaxBytes, strategy = "sliding" } = options
    this.#name = name
    this.#strategy = strategy
    this.#capacity = strategy === "unbounded" ? Infinity : capacity
    this.#maxBytes = strategy === "unbounded" ? Infinity : maxBytes
    this.#source = source
    this.#first = source.snapshot?.()
    this.#last = this.#done = this.#newest = source.newest()
  }

  /** How it keeps up. */
  get lag(): Lag {
    return {
      name: this.#name,
      strategy: this.#strategy,
      capacity: this.#capacity,
      maxBytes: this.#maxBytes,
      bytes: this.#bytes,
      behind: this.#source.newest() - this.#done,
      missed: this.#missed + Math.max(0, this.#newest - this.#last) - this.#waiting.length
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // in

  /** Events have happened. What its snapshot knows of already is not told again. */
  offer(events: Arr.NonEmptyReadonlyArray<MonitorEvent>): void {
    const newest = Arr.lastNonEmpty(events).sequence
    if (newest <= this.#last) return
    this.#newest = newest
    this.#keep(Arr.headNonEmpty(events).sequence > this.#last ? events : events.filter((event) => this.#isNew(event)))
    this.#wake()
  }

  #isNew({ sequence }: MonitorEvent): boolean {
    return sequence > this.#last
  }

  /** Nothing more happens. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  #keep(events: ReadonlyArray<MonitorEvent>): void {
    for (const event of events) {
      const size = EventSize.of(event)
      if (size > this.#maxBytes || event.sequence % this.#stride !== 0) continue
      if (this.#strategy === "dropping" && !this.#hasRoom(1, size)) continue
      MutableList.append(this.#waiting, event)
      this.#bytes += size
      while (!this.#hasRoom(0, 0)) this.#lose()
    }
  }

  #hasRoom(events: number, bytes: number): boolean {
    return this.#waiting.length + events <= this.#capacity && this.#bytes + bytes <= this.#maxBytes
  }

  /** Only events whose number it divides are kept by a sample. */
  #stride = 1

  #lose(): void {
    if (this.#strategy === "sampling") return this.#thinOut()
    const oldest = MutableList.take(this.#waiting)
    if (oldest !== MutableList.Empty) this.#bytes -= EventSize.of(oldest)
  }

  #thinOut(): void {
    this.#stride *= 2
    this.#bytes = 0
    MutableList.filter(this.#waiting, (event) => {
      if (event.sequence % this.#stride !== 0) return false
      this.#bytes += EventSize.of(event)
      return true
    })
  }

  #isWaking = false

  /** It goes on by itself, not within the call of whom it watches. */
  #wake(): void {
    if (this.#isWaking) return
    this.#isWaking = true
    queueMicrotask(() => {
      this.#isWaking = false
      this.#isSomething.openUnsafe()
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // out

  /** All that it is told, until it has ended and everything is told. */
  get stream(): Stream.Stream<Watched<S>> {
    return Stream.fromPull(Effect.succeed(this.#next))
  }

  readonly #next: Pull.Pull<Arr.NonEmptyReadonlyArray<Watched<S>>> = Effect.suspend(() => {
    this.#done = this.#last
    const told = this.#take()
    if (Arr.isReadonlyArrayNonEmpty(told)) return Effect.succeed(told)
    if (this.#isOver) return Cause.done()
    this.#isSomething.closeUnsafe()
    return Effect.andThen(this.#isSomething.await, this.#next)
  })

  #take(): ReadonlyArray<Watched<S>> {
    if (this.#first !== undefined) return this.#begin(this.#first)
    const events = MutableList.takeAll(this.#waiting)
    this.#bytes = 0
    this.#stride = 1
    const last = events.at(-1)?.sequence
    if (last === undefined) return this.#newest > this.#last ? this.#miss(this.#newest) : []
    if (last !== this.#last + events.length) return this.#withHoles(events)
    this.#last = last
    return events
  }

  #begin(first: S): ReadonlyArray<Watched<S>> {
    this.#first = undefined
    return [first]
  }

  #withHoles(events: ReadonlyArray<MonitorEvent>): ReadonlyArray<Watched<S>> {
    const told: Array<Watched<S>> = []
    for (const event of events) {
      if (event.sequence > this.#last + 1) told.push(...this.#miss(event.sequence - 1))
      if (event.sequence <= this.#last) break
      told.push(event)
      this.#last = event.sequence
    }
    return told
  }

  /** Events up to this one were lost. A snapshot makes up for them, and for all that has happened by now. */
  #miss(to: number): ReadonlyArray<Watched<S>> {
    const from = this.#last + 1
    const snapshot = this.#resume()
    this.#last = snapshot?.sequence ?? to
    this.#missed += this.#last - from + 1
    const lagged: Lagged = { _tag: "Lagged", from, to: this.#last }
    return snapshot === undefined ? [lagged] : [lagged, snapshot]
  }

  #resume(): S | undefined {
    const { flush, snapshot } = this.#source
    if (snapshot === undefined) return undefined
    flush()
    MutableList.clear(this.#waiting)
    this.#bytes = 0
    return snapshot()
  }
}
