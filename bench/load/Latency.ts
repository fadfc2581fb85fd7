/** Latencies in buckets of 1.5 %: recording one is a few instructions and no allocation. */

const precision = 6
const perOctave = 1 << precision

/** Microseconds below 128 have a bucket each; above, each octave has 64. */
const bucketOf = (micros: number): number => {
  const shift = Math.max(0, 31 - Math.clz32(micros) - precision)
  return shift * perOctave + (micros >> shift)
}

const microsOf = (bucket: number): number => {
  const shift = Math.max(0, (bucket >> precision) - 1)
  return (bucket - shift * perOctave) * 2 ** shift
}

export class Latency {
  readonly #buckets = new Uint32Array(32 * perOctave)
  #count = 0

  record(millis: number): void {
    const bucket = bucketOf(millis * 1_000 | 0)
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#count++
  }

  reset(): void {
    this.#buckets.fill(0)
    this.#count = 0
  }

  /** Milliseconds within which this share of all came, or undefined if there was none. */
  percentile(share: number): number | undefined {
    let left = Math.ceil(this.#count * share)
    if (left === 0) return undefined
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count
      if (left <= 0) return microsOf(bucket) / 1_000
    }
    return undefined
  }
}
