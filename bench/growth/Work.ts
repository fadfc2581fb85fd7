/** Something that may grow, and what the machine does meanwhile. */
import type { Costs, Duration } from "./Costs.ts"

/** What is measured at each size. */
export interface Operation {
  readonly name: string
  readonly title: string
  readonly unit: "µs" | "bytes"
  /** It is none of ours: there is nothing to be said about how it grows. */
  readonly isYardstick?: true
}

export interface Work {
  readonly name: string
  /** What there is 1, 10, 100 of. */
  readonly title: string
  readonly sizes: ReadonlyArray<number>
  readonly operations: ReadonlyArray<Operation>
  /** Makes a state of that size and measures the operations on it. */
  readonly measure: (size: number, duration: Duration) => Costs
}

/** Operations that take time: their names with their titles. */
export const timed = (titles: { readonly [name: string]: string }): ReadonlyArray<Operation> =>
  Object.entries(titles).map(([name, title]) => ({ name, title, unit: "µs" }))
