/** Keeps the first `size` of many values by a comparison, in bounded memory. */
export class Top<A> {
  readonly #size: number
  readonly #compare: (a: A, b: A) => number
  #kept: Array<A> = []

  /** `compare` is a comparison as for `Array.sort`. */
  constructor(size: number, compare: (a: A, b: A) => number) {
    this.#size = size
    this.#compare = compare
  }

  add(a: A): void {
    this.#kept.push(a)
    if (this.#kept.length >= 8 * this.#size) this.#cut()
  }

  /** The first values, in order. */
  get all(): ReadonlyArray<A> {
    this.#cut()
    return this.#kept
  }

  #cut(): void {
    this.#kept.sort(this.#compare)
    this.#kept = this.#kept.slice(0, this.#size)
  }
}
