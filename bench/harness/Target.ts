/** Whether effect-bayeux reaches what it is to reach: in ratios to others in the same rounds. */
import type { Figures, Scenario } from "../scenarios/Scenario.ts"
import * as Server from "../servers/Server.ts"
import { isSame, type Summary } from "./Results.ts"
import * as Text from "./Text.ts"

/** The summary that stands in a column: of several with monitors, that with the fewest. */
export const inColumn = (all: ReadonlyArray<Summary>, column: Server.Column): Summary | undefined =>
  all.find(({ server }) => Server.columnOf(server) === column)

/** What stays of a figure with something more: the summary without, the one with, and how much better or worse that is. */
export interface Left {
  readonly without: Summary
  readonly with: Summary
  /** Below 1 it is worse, whether more or less of it is better. */
  readonly ratio: number
  readonly isMet: boolean
}

const leastLeft = 0.9

const left = ({ better }: Scenario, without: Summary, summary: Summary): Left => {
  const ratio = summary.median.value / without.median.value
  const left = better === "more" ? ratio : 1 / ratio
  return { without, with: summary, ratio: left, isMet: left >= leastLeft }
}

/** What monitors cost effect-bayeux in a scenario, for each number of them that was measured beside none. */
export const monitored = (scenario: Scenario, all: ReadonlyArray<Summary>): ReadonlyArray<Left> => {
  const [without, ...others] = all.filter(({ isRecorded = false, server }) => server === "effect-bayeux" && !isRecorded)
  return without?.monitors === 0 ? others.map((summary) => left(scenario, without, summary)) : []
}

/** What a recorder costs effect-bayeux in a scenario, for each number of monitors that was measured with and without. */
export const recorded = (scenario: Scenario, all: ReadonlyArray<Summary>): ReadonlyArray<Left> =>
  all.filter(({ isRecorded = false }) => isRecorded).flatMap((summary) => {
    const without = all.find((other) => isSame({ ...other, isRecorded: true }, summary) && other !== summary)
    return without === undefined ? [] : [left(scenario, without, summary)]
  })

/** One demand: what was reached, what is wanted, and whether that is met. */
export interface Verdict {
  readonly reached: string
  readonly isMet: boolean
}

const ratioOf = (own: number | undefined, other: number | undefined) =>
  own === undefined || other === undefined || other === 0 ? undefined : own / other

/** The verdicts on a scenario; none where what is to be compared was not measured. */
export const verdicts = ({ better, target }: Scenario, all: ReadonlyArray<Summary>): ReadonlyArray<Verdict> => {
  const own = inColumn(all, "effect-bayeux")?.median
  if (own === undefined) return []
  const found: Array<Verdict> = []
  const compare = (
    demand: { readonly of: Server.Column; readonly by: number } | undefined,
    figure: (figures: Figures) => number | undefined,
    isMore: boolean,
    label: string
  ) => {
    const other = demand && inColumn(all, demand.of)?.median
    const ratio = other && ratioOf(figure(own), figure(other))
    if (demand === undefined || ratio === undefined) return
    found.push({
      reached: `${label}${Text.number(ratio)} × ${demand.of}`,
      isMet: isMore ? ratio >= demand.by : ratio <= demand.by
    })
  }
  compare(target.ratio, ({ value }) => value, better === "more", "")
  compare(target.p50, ({ p50 }) => p50, false, "p50 ")
  if (target.atMost !== undefined) found.push({ reached: Text.number(own.value), isMet: own.value <= target.atMost })
  return found
}
