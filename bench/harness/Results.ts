/** What was measured, every round of it: what `--json` writes and `--compare` reads. */
import { scenarios } from "../scenarios/index.ts"
import type { Figures, Scenario } from "../scenarios/Scenario.ts"
import type * as Server from "../servers/Server.ts"
import * as JsonFile from "./JsonFile.ts"
import { median } from "./Median.ts"
import type { Origin } from "./Origin.ts"

/** Who is measured: a server, and how many consumers its events have. Only those of effect-bayeux can have any. */
export interface Contender {
  readonly server: Server.Name
  readonly monitors: number
}

/** A run, with its figures or the reason why it has none. */
export interface Result extends Contender {
  readonly scenario: string
  readonly round: number
  readonly figures?: Figures
  readonly failure?: string
}

export const format = "servers-1"

export interface Results extends Origin {
  readonly format: typeof format
  readonly seconds: number
  /** The consumers of events take one event and never another. */
  readonly isStuck?: boolean
  /** effect-bayeux counted what goes on. */
  readonly isMetered?: boolean
  readonly results: ReadonlyArray<Result>
}

/** The contenders in a scenario. */
export const contenders = (
  { servers }: Pick<Scenario, "servers">,
  monitors: ReadonlyArray<number>
): ReadonlyArray<Contender> =>
  servers.flatMap((server) => (server === "effect-bayeux" ? monitors : [0]).map((monitors) => ({ server, monitors })))

/** As it is called in tables. */
export const nameOf = ({ monitors, server }: Contender): string =>
  monitors === 0 ? server : `${server}, ${monitors === 1 ? "1 monitor" : `${monitors} monitors`}`

/** Of one contender in one scenario, over all rounds. */
export interface Summary extends Contender {
  readonly median: Figures
  readonly least: number
  readonly most: number
  /** How many runs failed. */
  readonly failures: number
}

const medianOf = (
  all: ReadonlyArray<Figures>,
  figure: (figures: Figures) => number | undefined
): number | undefined => {
  const known = all.map(figure).filter((value) => value !== undefined)
  return known.length === 0 ? undefined : median(known)
}

const medians = (all: ReadonlyArray<Figures>): Figures => {
  const usage = all.at(-1)?.usage
  return {
    value: median(all.map(({ value }) => value)),
    p50: medianOf(all, ({ p50 }) => p50),
    p99: medianOf(all, ({ p99 }) => p99),
    serverCpu: median(all.map(({ serverCpu }) => serverCpu)),
    generatorCpu: median(all.map(({ generatorCpu }) => generatorCpu)),
    othersCpu: median(all.map(({ othersCpu }) => othersCpu)),
    ...(usage && { usage })
  }
}

/** The medians of a scenario, by contender; those whose runs all failed are left out. */
export const summaries = ({ results }: Pick<Results, "results">, scenario: Scenario): ReadonlyArray<Summary> => {
  const own = results.filter((result) => result.scenario === scenario.name)
  const monitors = [...new Set(own.map(({ monitors }) => monitors))].toSorted((a, b) => a - b)
  return contenders(scenario, monitors).flatMap((contender) => {
    const { monitors, server } = contender
    const runs = own.filter((result) => result.server === server && result.monitors === monitors)
    const figures = runs.flatMap((run) => run.figures ?? [])
    if (figures.length === 0) return []
    const values = figures.map(({ value }) => value)
    return [{
      ...contender,
      median: medians(figures),
      least: Math.min(...values),
      most: Math.max(...values),
      failures: runs.length - figures.length
    }]
  })
}

/** The CPU time, in seconds, of the server for each unit of what is counted: what a busy machine changes least. */
export const cpuOfEach = ({ better }: Scenario, { serverCpu, value }: Figures): number =>
  better === "more" ? serverCpu / value : serverCpu

/** The scenarios of which there are figures. */
export const measured = (results: Pick<Results, "results">): ReadonlyArray<Scenario> =>
  scenarios.filter((scenario) => summaries(results, scenario).length > 0)

/** Reads what `--json` has written. */
export const read = (file: string): Results => JsonFile.read<Results>(file, format, "npm run bench -- --json")
