/** What has changed between two sets of results. */
import type { Scenario } from "../scenarios/Scenario.ts"
import { cpuOfEach, isSame, measured, nameOf, type Results, summaries, type Summary } from "./Results.ts"
import * as Text from "./Text.ts"

const change = (before: number | undefined, now: number | undefined): string => {
  if (before === undefined || now === undefined || before === 0) return ""
  return `${now < before ? "−" : "+"}${Text.number(Math.abs(now / before - 1) * 100)} %`
}

/** Whether rounds of one of them were as good as rounds of the other: then chance may have made the change. */
const mayBeChance = (before: Summary, now: Summary): boolean => before.least <= now.most && now.least <= before.most

const row = (
  scenario: Scenario,
  before: Summary,
  now: Summary
): ReadonlyArray<string> => {
  const [then, later] = [before.median, now.median]
  return [
    scenario.name,
    nameOf(now),
    scenario.unit,
    Text.number(then.value),
    Text.number(later.value),
    change(then.value, later.value) + (mayBeChance(before, now) ? "?" : ""),
    change(then.p50, later.p50),
    change(then.p99, later.p99),
    change(cpuOfEach(scenario, then), cpuOfEach(scenario, later))
  ]
}

/** What has changed, for each figure that both have. */
export const comparison = (before: Results, now: Results): string => {
  const rows = measured(now).flatMap((scenario) => {
    const old = summaries(before, scenario)
    return summaries(now, scenario).flatMap((summary) => {
      const other = old.find((other) => isSame(other, summary))
      return other === undefined ? [] : [row(scenario, other, summary)]
    })
  })
  if (rows.length === 0) return `The figures of ${before.at} have nothing in common with these`
  const head = ["", "", "", "before", "now", "change", "p50", "p99", "CPU each"]
  const note = "? The rounds then and now overlap: the change may be chance. Compare the ratios to others, too."
  return `Against the figures of ${before.at}\n${Text.print({ head, rows })}\n\n${note}`
}
