/** The tables of growth: a row for each operation, a column for each size. */
import * as Text from "../harness/Text.ts"
import { type Curve, curves, type Growth } from "./Growth.ts"
import { works } from "./index.ts"
import { verdict } from "./Verdict.ts"
import type { Work } from "./Work.ts"

const row = ({ sizes }: Work, curve: Curve): ReadonlyArray<string> => {
  const { isYardstick = false, title, unit } = curve.operation
  const found = verdict(curve)
  const costs = sizes.map((size) => curve.values.find((value) => value.size === size)?.cost)
  return [
    title,
    unit,
    ...costs.map((cost) => cost === undefined ? "" : Text.number(cost)),
    ...found === undefined
      ? ["", "", ""]
      : [`× ${Text.number(found.factor)}`, found.exponent.toFixed(2), isYardstick ? "" : found.growth]
  ]
}

/** The table of a work; its first column has its name. */
export const table = (growth: Growth, work: Work): Text.Table => ({
  head: [work.title, "", ...work.sizes.map(Text.number), "growth", "exponent", ""],
  rows: curves(growth, work).map((curve) => row(work, curve))
})

/** The works of which there are figures. */
export const measured = (growth: Growth): ReadonlyArray<Work> => works.filter((work) => curves(growth, work).length > 0)

/** What was measured where. */
export const origin = ({ machine, node, points }: Growth): string => {
  const rounds = Math.max(0, ...points.map(({ round }) => round))
  return `Medians of ${rounds === 1 ? "1 round" : `${rounds} rounds`}, Node ${node}, ${machine}`
}

/** Everything that was measured. */
export const report = (growth: Growth): string =>
  [origin(growth), ...measured(growth).map((work) => Text.print(table(growth, work)))].join("\n\n")
