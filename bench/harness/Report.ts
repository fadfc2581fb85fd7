/** The tables that the benchmark prints. */
import type { Figures, Scenario } from "../scenarios/Scenario.ts"
import * as Server from "../servers/Server.ts"
import { cpuOfEach, measured, type Result, type Results, summaries, type Summary } from "./Results.ts"
import { inColumn, verdicts } from "./Target.ts"
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
export const line = (scenario: Scenario, { failure, figures, round, server }: Result): string => {
  const what = `${round}  ${scenario.name.padEnd(20)} ${server.padEnd(14)}`
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

const heapEach = ({ usage, value }: Figures): string => {
  if (usage === undefined) return ""
  const { after, before } = usage
  const sessions = (after.rss - before.rss) / (value * 1_024)
  return Text.number((after.heap + after.external - before.heap - before.external) / sessions / 1_024)
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
    const { least, median, most, server } = summary
    return [
      server,
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
      ...isMemory ? [heapEach(median)] : []
    ]
  })
  return `${scenario.title}\n${Text.table(isMemory ? [...head, "of it heap KiB"] : head, rows)}`
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

const overview = (results: Results): string => {
  const rows = measured(results).map((scenario) => {
    const all = summaries(results, scenario)
    const cells = Server.columns.map((column) => {
      const summary = inColumn(all, column)
      return summary === undefined ? "–" : Text.number(summary.median.value) + dagger(summary.median)
    })
    const [reached = "", verdict = ""] = verdictOf(scenario, all)
    return [scenario.name, scenario.unit, ...cells, scenario.target.text, reached, verdict]
  })
  return Text.table(["", "", ...Server.columns, "target", "reached", ""], rows)
}

const notes = (results: Results): ReadonlyArray<string> => {
  const medians = measured(results).flatMap((scenario) => summaries(results, scenario)).map(({ median }) => median)
  const limit = "† The generator was at its limit (more than 90 % of a core): the server can do more."
  const others =
    "Other programs used more than a quarter of a core in some runs: compare the CPU µs of each, and run " +
    "again when the machine is quiet."
  return [...medians.some(isAtLimit) ? [limit] : [], ...medians.some(isDisturbed) ? [others] : []]
}

/** Everything: a table for each scenario, then one of all with the targets. */
export const report = (results: Results): string => {
  const { machine, monitors, node, seconds } = results
  const rounds = Math.max(0, ...results.results.map(({ round }) => round))
  const withMonitors = monitors === 0 ? "" : `, ${monitors} consumers of the events of effect-bayeux`
  const times = rounds === 1 ? "1 round" : `${rounds} rounds`
  const head = `Medians of ${times} of ${seconds} s, Node ${node}, ${machine}${withMonitors}`
  return [
    head,
    ...measured(results).map((scenario) => details(results, scenario)),
    overview(results),
    ...notes(results)
  ].join("\n\n")
}
