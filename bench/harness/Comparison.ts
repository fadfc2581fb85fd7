/** What has changed between two sets of results. */
import type { Scenario } from "../scenarios/Scenario.ts"
import { cpuOfEach, measured, nameOf, type Results, summaries, type Summary } from "./Results.ts"
import * as Text from "./Text.ts"

const change = (before: number | undefined, now: number | undefined): string => {
  if (before === undefined || now === undefined || before === 0) return ""
  return `${now < before ? "−" : "+"}${Text.number(Math.abs(now / before - 1) * 100)} %`
}

const row = (
  scenario: Scenario,
  { median: before }: Summary,
  { median: now, ...contender }: Summary
): ReadonlyArray<string> => [
  scenario.name,
  nameOf(contender),
  scenario.unit,
  Text.number(before.value),
  Text.number(now.value),
  change(before.value, now.value),
  change(before.p50, now.p50),
  change(before.p99, now.p99),
  change(cpuOfEach(scenario, before), cpuOfEach(scenario, now))
]

/** What has changed, for each figure that both have. */
export const comparison = (before: Results, now: Results): string => {
  const rows = measured(now).flatMap((scenario) => {
    const old = summaries(before, scenario)
    return summaries(now, scenario).flatMap((summary) => {
      const other = old.find(({ monitors, server }) => server === summary.server && monitors === summary.monitors)
      return other === undefined ? [] : [row(scenario, other, summary)]
    })
  })
  if (rows.length === 0) return `The figures of ${before.at} have nothing in common with these`
  const head = ["", "", "", "before", "now", "change", "p50", "p99", "CPU each"]
  return `Against the figures of ${before.at}\n${Text.print({ head, rows })}`
}
