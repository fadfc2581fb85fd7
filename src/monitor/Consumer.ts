/**
 * A consumer of the monitoring stream: its bounded buffer, and the report of events that it lost.
 *
 * `Monitor` offers the events of each turn after its end, whether the consumer's stream is run or not. The consumer
 * decides at once which of them to keep, so its buffer is bounded and nobody waits for it.
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
 * Events that are lost when the buffer of a consumer is full.
 *
 * - `sliding`: the oldest ones.
 * - `dropping`: the newest ones.
 * - `sampling`: every other event, then three of four, and so on. The rest is spread evenly over the time that the
 *   consumer is behind. A consumer that has caught up gets every event again.
 * - `unbounded`: none. The buffer may use up the memory.
 */
export type Strategy = "sliding" | "dropping" | "sampling" | "unbounded"

/** The buffer of a consumer. */
export interface SubscribeOptions {
  /** Name in `Monitor.consumers`. Default: `consumer` and a number. */
  readonly name?: string
  /** Number of events that the buffer holds. Default: 16,384. */
  readonly capacity?: number
  /**
   * Number of bytes that the buffer holds, by an estimate of the memory of events. A larger event is lost. The consumer may
   * have as much again in its hands. Default: 16 MiB.
   */
  readonly maxBytes?: number
  /** Default: `sliding`. */
  readonly strategy?: Strategy
}

/** Progress of a consumer. */
export interface Lag {
  readonly name: string
  readonly strategy: Strategy
  /** Number of events that the buffer holds; `Infinity` for `unbounded`. */
  readonly capacity: number
  /** Number of bytes that the buffer holds; `Infinity` for `unbounded`. */
  readonly maxBytes: number
  /** Number of bytes in the buffer. */
  readonly bytes: number
  /** Number of events since the last one that it has processed. */
  readonly behind: number
  /** Number of events that it has lost. */
  readonly missed: number
}

/** The monitor, as a consumer needs it. `S` is `Snapshot` for consumers that want snapshots, else `never`. */
export interface ConsumerSource<S extends Snapshot> {
  /** Returns the number of the last event. */
  readonly newest: () => number
  /** Offers pending events to all consumers. */
  readonly flush: () => void
  /** Takes a snapshot: the first item of the stream, and the replacement for lost events. */
  readonly snapshot: (() => S) | undefined
}

type Item<S extends Snapshot> = MonitorEvent | Lagged | S

const defaultCapacity = 16_384
const defaultMaxBytes = 1 << 24

/** A consumer of the events that follow its construction. */
export class Consumer<S extends Snapshot = never> {
  readonly #name: string
  readonly #strategy: Strategy
  readonly #capacity: number
  readonly #maxBytes: number
  readonly #source: ConsumerSource<S>
  readonly #buffer = MutableList.make<MonitorEvent>()
  /** The bytes of what waits. */
  #bytes = 0
  readonly #hasNews = Latch.makeUnsafe(false)
  /** The snapshot with which the stream begins, until it is read. */
  #initial: S | undefined
  /** Number of the last event that was read, reported as lost or included in the snapshot. */
  #read: number
  /** `#read` as of the last pull. The consumer is done with everything up to here. */
  #processed: number
  /** Number of the last event that was offered. */
  #offered: number
  /** Number of events that were reported as lost. */
  #missed = 0
  #isOver = false

  constructor(name: string, options: SubscribeOptions, source: ConsumerSource<S>) {
    const { capacity = defaultCapacity, maxBytes = defaultMaxBytes, strategy = "sliding" } = options
    this.#name = name
    this.#strategy = strategy
    this.#capacity = strategy === "unbounded" ? Infinity : capacity
    this.#maxBytes = strategy === "unbounded" ? Infinity : maxBytes
    this.#source = source
    this.#initial = source.snapshot?.()
    this.#read = this.#processed = this.#offered = source.newest()
  }

  /** Its progress. */
  get lag(): Lag {
    return {
      name: this.#name,
      strategy: this.#strategy,
      capacity: this.#capacity,
      maxBytes: this.#maxBytes,
      bytes: this.#bytes,
      behind: this.#source.newest() - this.#processed,
      missed: this.#missed + Math.max(0, this.#offered - this.#read) - this.#buffer.length
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // in

  /** Offers events. Those that the snapshot includes are skipped. */
  offer(events: Arr.NonEmptyReadonlyArray<MonitorEvent>): void {
    const newest = Arr.lastNonEmpty(events).sequence
    if (newest <= this.#read) return
    this.#offered = newest
    this.#add(Arr.headNonEmpty(events).sequence > this.#read ? events : events.filter((event) => this.#isNew(event)))
    this.#wake()
  }

  #isNew({ sequence }: MonitorEvent): boolean {
    return sequence > this.#read
  }

  /** Ends the stream behind the events in the buffer. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  #add(events: ReadonlyArray<MonitorEvent>): void {
    for (const event of events) {
      const size = EventSize.of(event)
      if (size > this.#maxBytes || event.sequence % this.#stride !== 0) continue
      if (this.#strategy === "dropping" && !this.#hasRoom(1, size)) continue
      MutableList.append(this.#buffer, event)
      this.#bytes += size
      while (!this.#hasRoom(0, 0)) this.#lose()
    }
  }

  #hasRoom(events: number, bytes: number): boolean {
    return this.#buffer.length + events <= this.#capacity && this.#bytes + bytes <= this.#maxBytes
  }

  /** Divisor of the numbers of those events that a sample keeps. */
  #stride = 1

  #lose(): void {
    if (this.#strategy === "sampling") return this.#thinOut()
    const oldest = MutableList.take(this.#buffer)
    if (oldest !== MutableList.Empty) this.#bytes -= EventSize.of(oldest)
  }

  #thinOut(): void {
    this.#stride *= 2
    this.#bytes = 0
    MutableList.filter(this.#buffer, (event) => {
      if (event.sequence % this.#stride !== 0) return false
      this.#bytes += EventSize.of(event)
      return true
    })
  }

  #isWaking = false

  /** Wakes the consumer in a microtask: none of its code runs within a step of the service. */
  #wake(): void {
    if (this.#isWaking) return
    this.#isWaking = true
    queueMicrotask(() => {
      this.#isWaking = false
      this.#hasNews.openUnsafe()
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // out

  /** The events, reports of losses and snapshots, until the service has ended and the buffer is empty. */
  get stream(): Stream.Stream<Item<S>> {
    return Stream.fromPull(Effect.succeed(this.#next))
  }

  readonly #next: Pull.Pull<Arr.NonEmptyReadonlyArray<Item<S>>> = Effect.suspend(() => {
    this.#processed = this.#read
    const items = this.#take()
    if (Arr.isReadonlyArrayNonEmpty(items)) return Effect.succeed(items)
    if (this.#isOver) return Cause.done()
    this.#hasNews.closeUnsafe()
    return Effect.andThen(this.#hasNews.await, this.#next)
  })

  #take(): ReadonlyArray<Item<S>> {
    if (this.#initial !== undefined) return this.#begin(this.#initial)
    const events = MutableList.takeAll(this.#buffer)
    this.#bytes = 0
    this.#stride = 1
    const last = events.at(-1)?.sequence
    if (last === undefined) return this.#offered > this.#read ? this.#reportLoss(this.#offered) : []
    if (last !== this.#read + events.length) return this.#withGaps(events)
    this.#read = last
    return events
  }

  #begin(first: S): ReadonlyArray<Item<S>> {
    this.#initial = undefined
    return [first]
  }

  #withGaps(events: ReadonlyArray<MonitorEvent>): ReadonlyArray<Item<S>> {
    const items: Array<Item<S>> = []
    for (const event of events) {
      if (event.sequence > this.#read + 1) items.push(...this.#reportLoss(event.sequence - 1))
      if (event.sequence <= this.#read) break
      items.push(event)
      this.#read = event.sequence
    }
    return items
  }

  /** Reports the loss of events up to this one. A snapshot replaces them and all other events up to now. */
  #reportLoss(to: number): ReadonlyArray<Item<S>> {
    const from = this.#read + 1
    const snapshot = this.#newSnapshot()
    this.#read = snapshot?.sequence ?? to
    this.#missed += this.#read - from + 1
    const lagged: Lagged = { _tag: "Lagged", from, to: this.#read }
    return snapshot === undefined ? [lagged] : [lagged, snapshot]
  }

  #newSnapshot(): S | undefined {
    const { flush, snapshot } = this.#source
    if (snapshot === undefined) return undefined
    flush()
    MutableList.clear(this.#buffer)
    this.#bytes = 0
    return snapshot()
  }
}
