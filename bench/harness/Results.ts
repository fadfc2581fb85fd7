/** What was measured, every round of it: what `--json` writes and `--compare` reads. */
import { scenarios } from "../scenarios/index.ts"
import type { Figures, Scenario } from "../scenarios/Scenario.ts"
import type * as Server from "../servers/Server.ts"
import * as JsonFile from "./JsonFile.ts"
import { median } from "./Median.ts"
import type { Origin } from "./Origin.ts"

/** Who is measured: a server, how many consumers its events have, and whether it is recorded: effect-bayeux only. */
export interface Contender {
  readonly server: Server.Name
  readonly monitors: number
  readonly isRecorded?: boolean
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

/** The contenders in a scenario. `isRecorded` says that each is also measured with a recorder. */
export const contenders = (
  { servers }: Pick<Scenario, "servers">,
  monitors: ReadonlyArray<number>,
  isRecorded = false
): ReadonlyArray<Contender> =>
  servers.flatMap((server): ReadonlyArray<Contender> => {
    if (server !== "effect-bayeux") return [{ server, monitors: 0 }]
    const own = monitors.map((monitors) => ({ server, monitors }))
    return isRecorded ? [...own, ...own.map((contender) => ({ ...contender, isRecorded }))] : own
  })

/** As it is called in tables. */
export const nameOf = ({ isRecorded = false, monitors, server }: Contender): string =>
  [
    server,
    ...monitors === 0 ? [] : [monitors === 1 ? "1 monitor" : `${monitors} monitors`],
    ...isRecorded ? ["recorded"] : []
  ].join(", ")

/** Whether both are the same. */
export const isSame = (a: Contender, b: Contender): boolean => nameOf(a) === nameOf(b)

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
  const isRecorded = own.some(({ isRecorded = false }) => isRecorded)
  return contenders(scenario, monitors, isRecorded).flatMap((contender) => {
    const runs = own.filter((result) => isSame(result, contender))
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
