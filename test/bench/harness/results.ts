/** Results that nobody has measured. */
import * as Results from "../../../bench/harness/Results.ts"
import { scenarios } from "../../../bench/scenarios/index.ts"
import type { Scenario } from "../../../bench/scenarios/Scenario.ts"
import type { Name } from "../../../bench/servers/Server.ts"

export const scenario = (name: string): Scenario => {
  const found = scenarios.find((known) => known.name === name)
  if (found === undefined) throw new Error(`There is no scenario ${name}`)
  return found
}

/** Rounds of a server, each with its figure. */
export const rounds = (
  scenario: string,
  server: Name,
  values: ReadonlyArray<number>,
  monitors = 0
): ReadonlyArray<Results.Result> =>
  values.map((value, index) => ({
    scenario,
    server,
    monitors,
    round: index + 1,
    figures: { value, serverCpu: 0.5, generatorCpu: 0.5, othersCpu: 0 }
  }))

export const results = (...all: ReadonlyArray<ReadonlyArray<Results.Result>>): Results.Results => ({
  format: Results.format,
  at: "2026-01-01T00:00:00.000Z",
  node: "v24.0.0",
  machine: "a machine",
  seconds: 1,
  results: all.flat()
})

export const summaries = (name: string, ...all: ReadonlyArray<ReadonlyArray<Results.Result>>) =>
  Results.summaries(results(...all), scenario(name))
