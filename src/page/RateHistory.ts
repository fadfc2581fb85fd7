/** The last minutes, second by second, so that a page that is opened has a chart at once. */
import type { Point } from "./PageProtocol.ts"

/** Seconds that are kept. */
const length = 15 * 60

/** The seconds that are over. */
export class History {
  #points: Array<Point> = []

  add(point: Point): void {
    this.#points.push(point)
    if (this.#points.length >= 2 * length) this.#points = this.#points.slice(-length)
  }

  /** The oldest first. */
  get points(): ReadonlyArray<Point> {
    return this.#points.slice(-length)
  }
}
