/**
 * The chart of the servers: for each scenario how many times better effect-bayeux does than each of the others. Factors
 * have a logarithmic scale, where twice as good is as far from equal as half as good.
 */
import { measured, type Results, summaries, type Summary } from "../harness/Results.ts"
import { inColumn, verdicts } from "../harness/Target.ts"
import * as Text from "../harness/Text.ts"
import type { Scenario } from "../scenarios/Scenario.ts"
import * as Server from "../servers/Server.ts"
import * as Svg from "./Svg.ts"

/** How effect-bayeux does beside one of the others; `target` is how it should do. */
export interface Bar {
  readonly server: Server.Name
  readonly factor: number
  readonly target: number | undefined
}

const targetOf = ({ better, target }: Scenario, { median, server }: Summary): number | undefined => {
  if (target.atMost !== undefined) return median.value / target.atMost
  if (target.ratio?.of !== Server.columnOf(server)) return undefined
  return better === "more" ? target.ratio.by : 1 / target.ratio.by
}

/** The bars of a scenario: above 1 effect-bayeux does better, whether more or less of the figure is better. */
export const bars = (scenario: Scenario, all: ReadonlyArray<Summary>): ReadonlyArray<Bar> => {
  const own = inColumn(all, "effect-bayeux")
  if (own === undefined) return []
  return all.filter(({ server }) => server !== "effect-bayeux").map((other) => {
    const ratio = own.median.value / other.median.value
    return {
      server: other.server,
      factor: scenario.better === "more" ? ratio : 1 / ratio,
      target: targetOf(scenario, other)
    }
  })
}

const width = 760
const margin = 16
const left = 130
const right = width - 70
const top = 78
const barHeight = 10
const barStep = 14
const groupHead = 22
const groupGap = 14

const steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]

/** From the step below the least to that above the greatest, with 1 in between. */
const axis = (values: ReadonlyArray<number>): ReadonlyArray<number> => {
  const least = Math.min(0.9, ...values)
  const most = Math.max(1.1, ...values)
  const from = steps.findLastIndex((step) => step <= least)
  const to = steps.findIndex((step) => step >= most)
  return steps.slice(Math.max(0, from), to === -1 ? undefined : to + 1)
}

const label = (server: Server.Name): string => Server.columnOf(server) === "limit" ? `${server} (limit)` : server

const drawBar = (bar: Bar, y: number, at: (factor: number) => number): ReadonlyArray<string> => {
  const look = bar.server === "faye" || bar.server === "socket.io" ? "peer" : "yardstick"
  const [from, to] = [at(Math.min(1, bar.factor)), at(Math.max(1, bar.factor))]
  const end = Math.max(to, bar.target === undefined ? 0 : at(bar.target))
  return [
    Svg.text("muted", left - 8, y + barHeight - 1, label(bar.server), "end"),
    Svg.rectangle(look, from, y, Math.max(1, to - from), barHeight),
    ...bar.target === undefined ? [] : [Svg.line("target", at(bar.target), y - 2, at(bar.target), y + barHeight + 2)],
    Svg.text("text", end + 5, y + barHeight - 1, `${Text.number(bar.factor)} ×`)
  ]
}

const drawHead = ({ all, scenario }: Group, y: number): ReadonlyArray<string> => {
  const own = inColumn(all, "effect-bayeux")
  const found = verdicts(scenario, all)
  const isMet = found.every((verdict) => verdict.isMet)
  const isKnown = found.length > 0
  return [
    Svg.heading(margin, y + 12, scenario.title, own ? `${Text.number(own.median.value)} ${scenario.unit}` : ""),
    Svg.text(
      isKnown ? isMet ? "good" : "bad" : "muted",
      width - margin,
      y + 12,
      `target ${scenario.target.text}${isKnown ? isMet ? ": met" : ": not met" : ""}`,
      "end"
    )
  ]
}

interface Group {
  readonly scenario: Scenario
  readonly all: ReadonlyArray<Summary>
  readonly bars: ReadonlyArray<Bar>
}

const groupHeight = ({ bars }: Group): number => groupHead + bars.length * barStep + groupGap

const drawGroup = (
  group: Group,
  y: number,
  ticks: ReadonlyArray<number>,
  at: (factor: number) => number
): ReadonlyArray<string> => {
  const from = y + groupHead - 3
  const to = y + groupHeight(group) - groupGap
  return [
    ...drawHead(group, y),
    ...ticks.map((tick) => Svg.line(tick === 1 ? "axis" : "grid", at(tick), from, at(tick), to)),
    ...group.bars.flatMap((bar, index) => drawBar(bar, y + groupHead + index * barStep, at))
  ]
}

const groupsOf = (results: Results): ReadonlyArray<Group> =>
  measured(results)
    .map((scenario) => {
      const all = summaries(results, scenario)
      return { scenario, all, bars: bars(scenario, all) }
    })
    .filter(({ bars }) => bars.length > 0)

/** The chart as SVG. */
export const chart = (results: Results): string => {
  const groups = groupsOf(results)
  const ticks = axis(groups.flatMap(({ bars }) => bars.flatMap(({ factor, target }) => [factor, target ?? factor])))
  const at = Svg.logarithmic(ticks[0] ?? 1, ticks.at(-1) ?? 1, left, right)
  const labels = (y: number) => ticks.map((tick) => Svg.text("muted", at(tick), y, `${tick} ×`, "middle"))
  const tops = groups.map((_, index) => groups.slice(0, index).reduce((y, group) => y + groupHeight(group), top))
  const bottom = groups.reduce((y, group) => y + groupHeight(group), top)
  const title = "effect-bayeux beside others"
  const legend = "Right of 1 ×: it does so many times better (faster, less CPU, less memory). " +
    "Blue: servers. Grey: yardsticks that do no protocol work."
  return Svg.picture(width, bottom + 14, title, [
    Svg.text("title", margin, 26, title),
    Svg.line("target", width - 76, 15, width - 76, 29),
    Svg.text("muted", width - margin, 26, "the target", "end"),
    Svg.text("muted", margin, 45, legend),
    ...labels(top - 10),
    ...groups.flatMap((group, index) => drawGroup(group, tops[index] ?? top, ticks, at)),
    ...labels(bottom)
  ])
}
