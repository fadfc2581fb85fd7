/**
 * How a cost grows with the size n of the work. The exponent e says that it grows like n^e, by the three largest sizes:
 * there what does not depend on the size counts least. A logarithm has 0.1 to 0.2 there and a square root 0.5. A look-up
 * in a `Map`, which takes the same steps at any size, has up to 0.4, because more of the `Map` is outside the caches.
 */
import type { Curve } from "./Growth.ts"

export interface Verdict {
  /** The cost at the largest size as a multiple of that at the smallest. */
  readonly factor: number
  readonly exponent: number
  readonly growth: "flat" | "logarithmic" | "worse"
}

const flatBelow = 0.1
const logarithmicBelow = 0.4

/** The slope of the line that fits best. */
const slope = (points: ReadonlyArray<readonly [x: number, y: number]>): number => {
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const x = mean(([x]) => x)
  const y = mean(([, y]) => y)
  return mean((point) => (point[0] - x) * (point[1] - y)) / mean((point) => (point[0] - x) ** 2)
}

/** The verdict on a curve; there is none on a single size. */
export const verdict = ({ values }: Pick<Curve, "values">): Verdict | undefined => {
  const [first] = values
  const last = values.at(-1)
  if (first === undefined || last === undefined || first === last) return undefined
  const exponent = slope(values.slice(-3).map(({ cost, size }) => [Math.log(size), Math.log(cost)]))
  const growth = exponent < flatBelow ? "flat" : exponent < logarithmicBelow ? "logarithmic" : "worse"
  return { factor: last.cost / first.cost, exponent, growth }
}
