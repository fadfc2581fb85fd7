/** What was measured, every round of it: what `--json` writes and `--compare` reads. */
import { readFileSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { scenarios } from "../scenarios/index.ts"
import type { Figures, Scenario } from "../scenarios/Scenario.ts"
import type * as Server from "../servers/Server.ts"
import { OptionsInvalid } from "./Options.ts"

/** A run, with its figures or the reason why it has none. */
export interface Result {
  readonly scenario: string
  readonly server: Server.Name
  readonly round: number
  readonly figures?: Figures
  readonly failure?: string
}

export interface Results {
  readonly format: 1
  readonly at: string
  readonly node: string
  readonly machine: string
  readonly seconds: number
  readonly monitors: number
  readonly results: ReadonlyArray<Result>
}

/** The results of this machine, now. */
export const make = (
  results: ReadonlyArray<Result>,
  { monitors, seconds }: Pick<Results, "monitors" | "seconds">
): Results => ({
  format: 1,
  at: new Date().toISOString(),
  node: process.version,
  machine: `${cpus().length} × ${cpus()[0]?.model ?? "an unknown processor"}`,
  seconds,
  monitors,
  results
})

/** Of one server in one scenario, over all rounds. */
export interface Summary {
  readonly server: Server.Name
  readonly median: Figures
  readonly least: number
  readonly most: number
  /** How many runs failed. */
  readonly failures: number
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2
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

/** The medians of a scenario, by server; servers whose runs all failed are left out. */
export const summaries = ({ results }: Results, scenario: Scenario): ReadonlyArray<Summary> =>
  scenario.servers.flatMap((server) => {
    const runs = results.filter((result) => result.scenario === scenario.name && result.server === server)
    const figures = runs.flatMap((run) => run.figures ?? [])
    if (figures.length === 0) return []
    const values = figures.map(({ value }) => value)
    return [{
      server,
      median: medians(figures),
      least: Math.min(...values),
      most: Math.max(...values),
      failures: runs.length - figures.length
    }]
  })

/** The CPU time, in seconds, of the server for each unit of what is counted: what a busy machine changes least. */
export const cpuOfEach = ({ better }: Scenario, { serverCpu, value }: Figures): number =>
  better === "more" ? serverCpu / value : serverCpu

/** The scenarios of which there are figures. */
export const measured = (results: Results): ReadonlyArray<Scenario> =>
  scenarios.filter((scenario) => summaries(results, scenario).length > 0)

/** Writes a file. */
export const write = (file: string, results: Results): void =>
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)

const isResults = (value: Results | { readonly format?: unknown }): value is Results => value.format === 1

/** Reads a file that was written before. */
export const read = (file: string): Results => {
  try {
    const results = JSON.parse(readFileSync(file, "utf8")) as Results | { readonly format?: unknown }
    if (isResults(results)) return results
  } catch (error) {
    throw new OptionsInvalid(`The file ${file} cannot be read (${String(error)}): give one that --json has written`)
  }
  throw new OptionsInvalid(`The file ${file} is not in the format of this benchmark: give one that --json has written`)
}
