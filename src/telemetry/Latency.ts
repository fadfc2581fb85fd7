/** Histogram of the latency of deliveries. Recording one costs a reading of the clock and a few comparisons. */
import type * as Metric from "effect/Metric"

/** Upper bounds of the buckets, in seconds. */
export const boundaries: ReadonlyArray<number> = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  90
]

/**
 * The latency of a message is the time from its arrival to the current turn by the service's clock, plus the time since
 * the beginning of this turn by `performance.now`. It is exact to the microsecond within the turn of its arrival, else to
 * the millisecond.
 */
export class Latency {
  readonly #counts = new Array<number>(boundaries.length + 1).fill(0)
  #sum = 0
  #min = Infinity
  #max = 0
  #turn = 0
  #turnBegan = 0

  /** Begins a turn at this time of the service's clock, in milliseconds. */
  turnBegan(now: number): void {
    this.#turn = now
    this.#turnBegan = performance.now()
  }

  /** Records the delivery of messages that arrived at this time; `NaN` if it is not known, then they are left out. */
  delivered(arrivedAt: number, messages: number): void {
    const seconds = Math.max(0, this.#turn - arrivedAt + performance.now() - this.#turnBegan) / 1_000
    if (Number.isNaN(seconds)) return
    let bucket = 0
    while (seconds > (boundaries[bucket] ?? Infinity)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + messages
    this.#sum += seconds * messages
    if (seconds < this.#min) this.#min = seconds
    if (seconds > this.#max) this.#max = seconds
  }

  /** The histogram for Effect's metrics, with cumulative counts. */
  get state(): Metric.HistogramState {
    let count = 0
    const buckets = boundaries.map((
      boundary,
      bucket
    ): [number, number] => [boundary, count += this.#counts[bucket] ?? 0])
    count += this.#counts.at(-1) ?? 0
    return { buckets, count, min: count === 0 ? 0 : this.#min, max: this.#max, sum: this.#sum }
  }
}
