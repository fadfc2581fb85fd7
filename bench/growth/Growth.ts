/** What was measured, every round of it: what `--json` writes, and the curves that come of it. */
import * as JsonFile from "../harness/JsonFile.ts"
import { median } from "../harness/Median.ts"
import type { Origin } from "../harness/Origin.ts"
import type { Costs } from "./Costs.ts"
import type { Operation, Work } from "./Work.ts"

export const format = "growth-1"

/** Work of a size, in one process. */
export interface Point {
  readonly work: string
  readonly size: number
  readonly round: number
  readonly costs: Costs
}

export interface Growth extends Origin {
  readonly format: typeof format
  readonly points: ReadonlyArray<Point>
}

/** The cost of an operation by the size of the work, the smallest first: medians of all rounds. */
export interface Curve {
  readonly operation: Operation
  readonly values: ReadonlyArray<{ readonly size: number; readonly cost: number }>
}

/** The curves of a work, without those of which nothing was measured. */
export const curves = ({ points }: Pick<Growth, "points">, work: Work): ReadonlyArray<Curve> =>
  work.operations.flatMap((operation) => {
    const values = work.sizes.flatMap((size) => {
      const costs = points
        .filter((point) => point.work === work.name && point.size === size)
        .flatMap((point) => point.costs[operation.name] ?? [])
      return costs.length === 0 ? [] : [{ size, cost: median(costs) }]
    })
    return values.length === 0 ? [] : [{ operation, values }]
  })

/** Reads what `--json` has written. */
export const read = (file: string): Growth => JsonFile.read<Growth>(file, format, "npm run bench -- growth --json")
