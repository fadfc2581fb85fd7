/** Counts and rates of the last 15 minutes, by seconds: a page has its charts as soon as it is opened. */
import type { Point } from "./PageProtocol.ts"

/** Number of seconds that are kept. */
const length = 15 * 60

/** A bounded list of seconds. */
export class RateHistory {
  #points: Array<Point> = []

  add(point: Point): void {
    this.#points.push(point)
    if (this.#points.length >= 2 * length) this.#points = this.#points.slice(-length)
  }

  /** The seconds, the oldest first. */
  get points(): ReadonlyArray<Point> {
    return this.#points.slice(-length)
  }
}
