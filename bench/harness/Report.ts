/** The tables that the benchmark prints. */
import type { Figures, Scenario } from "../scenarios/Scenario.ts"
import * as Server from "../servers/Server.ts"
import { cpuOfEach, measured, nameOf, type Result, type Results, summaries, type Summary } from "./Results.ts"
import { inColumn, monitored, recorded, verdicts } from "./Target.ts"
import * as Text from "./Text.ts"

/** More than this share of a core, and it was the generator that was measured. */
const generatorLimit = 0.9
/** More than this share of a core for other programs, and the figures are not to be trusted. */
const othersLimit = 0.25

const isAtLimit = ({ generatorCpu }: Figures): boolean => generatorCpu > generatorLimit
const isDisturbed = ({ othersCpu }: Figures): boolean => othersCpu > othersLimit
const dagger = (figures: Figures): string => isAtLimit(figures) ? "†" : ""
const millis = (value: number | undefined): string => value === undefined ? "" : Text.number(value)
const ratio = (own: Summary | undefined, other: Summary | undefined): string =>
  own === undefined || other === undefined || own === other ? "" : Text.number(own.median.value / other.median.value)

/** A line while it goes on. */
export const line = (scenario: Scenario, { failure, figures, round, ...contender }: Result): string => {
  const what = `${round}  ${scenario.name.padEnd(20)} ${nameOf(contender).padEnd(14)}`
  if (figures === undefined) return `${what} FAILED: ${failure}`
  const { generatorCpu, othersCpu, p50, p99, serverCpu, value } = figures
  const latency = p50 === undefined ? "" : `, p50 ${millis(p50)} ms, p99 ${millis(p99)} ms`
  const others = isDisturbed(figures) ? `, OTHER PROGRAMS ${Text.share(othersCpu)}` : ""
  return `${what} ${Text.number(value)} ${scenario.unit}${latency}, server ${Text.share(serverCpu)}, ` +
    `generator ${Text.share(generatorCpu)}${isAtLimit(figures) ? " (at its limit)" : ""}${others}`
}

/** In microseconds. */
const cpuEach = (scenario: Scenario, figures: Figures): string =>
  scenario.better === "more" ? Text.number(cpuOfEach(scenario, figures) * 1e6) : ""

/** Of each session: the heap that it holds, and the resident memory before the collector gave back its reserve. */
const memoryOfEach = ({ usage, value }: Figures): ReadonlyArray<string> => {
  if (usage === undefined) return ["", ""]
  const { after, before, rush } = usage
  const sessions = (after.rss - before.rss) / (value * 1_024)
  const kibibytes = (bytes: number): string => Text.number(bytes / sessions / 1_024)
  return [
    kibibytes(after.heap + after.external - before.heap - before.external),
    kibibytes(rush.rss - before.rss)
  ]
}

const details = (results: Results, scenario: Scenario): string => {
  const all = summaries(results, scenario)
  const own = inColumn(all, "effect-bayeux")
  const isMemory = all.some(({ median }) => median.usage !== undefined)
  const head = [
    "",
    scenario.unit,
    "least",
    "most",
    "p50 ms",
    "p99 ms",
    "CPU",
    "CPU µs each",
    "generator",
    "others",
    "ours / this"
  ]
  const rows = all.map((summary) => {
    const { least, median, most } = summary
    return [
      nameOf(summary),
      Text.number(median.value) + dagger(median),
      Text.number(least),
      Text.number(most),
      millis(median.p50),
      millis(median.p99),
      Text.share(median.serverCpu),
      cpuEach(scenario, median),
      Text.share(median.generatorCpu),
      Text.share(median.othersCpu),
      ratio(own, summary),
      ...isMemory ? memoryOfEach(median) : []
    ]
  })
  return `${scenario.title}\n${
    Text.print({ head: isMemory ? [...head, "of it heap KiB", "after the rush KiB"] : head, rows })
  }`
}

/** A question mark where other programs may have decided. */
const verdictOf = (scenario: Scenario, all: ReadonlyArray<Summary>): ReadonlyArray<string> => {
  const found = verdicts(scenario, all)
  if (found.length === 0) return ["", ""]
  const doubt = all.some(({ median }) => isDisturbed(median)) ? "?" : ""
  return [
    found.map(({ reached }) => reached).join(", "),
    (found.every(({ isMet }) => isMet) ? "met" : "NOT MET") + doubt
  ]
}

/** A row for each scenario, with what is to be reached. */
export const overview = (results: Results): Text.Table => {
  const rows = measured(results).map((scenario) => {
    const all = summaries(results, scenario)
    const cells = Server.columns.map((column) => {
      const summary = inColumn(all, column)
      return summary === undefined ? "–" : Text.number(summary.median.value) + dagger(summary.median)
    })
    const [reached = "", verdict = ""] = verdictOf(scenario, all)
    return [scenario.title, scenario.unit, ...cells, scenario.target.text, reached, verdict]
  })
  return { head: ["", "", ...Server.columns, "target", "reached", ""], rows }
}

/** What monitors cost, where there are figures with and without. */
export const monitors = (results: Results): Text.Table => ({
  head: ["", "", "without a monitor", "with", "monitors", "left of it", ""],
  rows: measured(results).flatMap((scenario) =>
    monitored(scenario, summaries(results, scenario)).map(({ isMet, ratio, with: summary, without }) => [
      scenario.title,
      scenario.unit,
      Text.number(without.median.value),
      Text.number(summary.median.value),
      String(summary.monitors),
      Text.share(ratio),
      isMet ? "met" : "NOT MET"
    ])
  )
})

/** What a recorder costs, where there are figures with and without. */
export const recorder = (results: Results): Text.Table => ({
  head: ["", "", "without a recorder", "with", "left of it", ""],
  rows: measured(results).flatMap((scenario) =>
    recorded(scenario, summaries(results, scenario)).map(({ isMet, ratio, with: summary, without }) => [
      scenario.title,
      scenario.unit,
      Text.number(without.median.value),
      Text.number(summary.median.value),
      Text.share(ratio),
      isMet ? "met" : "NOT MET"
    ])
  )
})

/** What has to be said about the figures. */
export const notes = (results: Results): ReadonlyArray<string> => {
  const all = measured(results).map((scenario) => summaries(results, scenario))
  const medians = all.flat().map(({ median }) => median)
  const isMonitored = all.some((summaries) => (inColumn(summaries, "effect-bayeux")?.monitors ?? 0) > 0)
  const monitored = "effect-bayeux was measured with monitors only: the targets are for a server without."
  const limit = "† The generator was at its limit (more than 90 % of a core): the server can do more."
  const others =
    "Other programs used more than a quarter of a core in some runs: compare the CPU µs of each, and run " +
    "again when the machine is quiet."
  return [
    ...isMonitored ? [monitored] : [],
    ...results.isStuck === true ? ["The monitors were stuck: each took one event and never another."] : [],
    ...results.isMetered === true ? ["effect-bayeux was measured with its metrics."] : [],
    ...medians.some(isAtLimit) ? [limit] : [],
    ...medians.some(isDisturbed) ? [others] : []
  ]
}

/** How much of what was measured where. */
export const origin = ({ machine, node, results, seconds }: Results): string => {
  const rounds = Math.max(0, ...results.map(({ round }) => round))
  return `Medians of ${rounds === 1 ? "1 round" : `${rounds} rounds`} of ${seconds} s, Node ${node}, ${machine}`
}

/** Everything: a table for each scenario, then one of all with the targets, and what monitors and a recorder cost. */
export const report = (results: Results): string => {
  return [
    origin(results),
    ...measured(results).map((scenario) => details(results, scenario)),
    Text.print(overview(results)),
    ...[monitors(results), recorder(results)].filter(({ rows }) => rows.length > 0).map(Text.print),
    ...notes(results)
  ].join("\n\n")
}
