/** The first of many by an order, without keeping the many. */
export class Top<A> {
  readonly #size: number
  readonly #change: (a: A, b: A) => number
  #kept: Array<A> = []

  /** Keeps `size` of all that is added. */
  constructor(size: number, change: (a: A, b: A) => number) {
    this.#size = size
    this.#change = change
  }

  add(a: A): void {
    this.#kept.push(a)
    if (this.#kept.length >= 8 * this.#size) this.#cut()
  }

  /** The first of what was added, in order. */
  get all(): ReadonlyArray<A> {
    this.#cut()
    return this.#kept
  }

  #cut(): void {
    this.#kept.sort(this.#change)
    this.#kept = this.#kept.slice(0, this.#size)
  }
}
