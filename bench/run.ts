/**
 * The benchmark: each scenario with each of its servers, in rounds that are interleaved over the servers, then the
 * tables. It ends with exit code 1 if a run failed: a message was lost, doubled or reordered, or a server broke.
 */
import { endWithThisProgram } from "./harness/Child.ts"
import { comparison } from "./harness/Comparison.ts"
import * as JsonFile from "./harness/JsonFile.ts"
import { help, type Options, OptionsInvalid, parse } from "./harness/Options.ts"
import { here } from "./harness/Origin.ts"
import * as Report from "./harness/Report.ts"
import * as Results from "./harness/Results.ts"
import { run } from "./harness/Run.ts"
import type { Scenario } from "./scenarios/Scenario.ts"

const measure = async (
  scenario: Scenario,
  contender: Results.Contender,
  round: number,
  options: Options
): Promise<Results.Result> => {
  const what = { scenario: scenario.name, ...contender, round }
  try {
    return { ...what, figures: await run(scenario, contender, options) }
  } catch (error) {
    return { ...what, failure: error instanceof Error ? error.message : String(error) }
  }
}

/** Each round begins with another one, so that none is always the first. */
const rotated = <A>(items: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const start = items.length === 0 ? 0 : by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}

const runAll = async (options: Options): Promise<ReadonlyArray<Results.Result>> => {
  const results: Array<Results.Result> = []
  for (let round = 1; round <= options.rounds; round++) {
    for (const scenario of options.scenarios) {
      const servers = scenario.servers.filter((server) => options.servers.includes(server))
      for (
        const contender of rotated(Results.contenders({ servers }, options.monitors, options.isRecorded), round - 1)
      ) {
        const result = await measure(scenario, contender, round, options)
        console.error(Report.line(scenario, result))
        results.push(result)
      }
    }
  }
  return results
}

const main = async (): Promise<void> => {
  const options = parse(process.argv.slice(2))
  if (options === undefined) return console.log(help)
  const before = options.compare === undefined ? undefined : Results.read(options.compare)
  endWithThisProgram()
  const { isMetered, isStuck, seconds } = options
  const about = { format: Results.format, ...here(), seconds, isStuck, isMetered } as const
  const results: Results.Results = { ...about, results: await runAll(options) }
  if (options.json !== undefined) JsonFile.write(options.json, results)
  console.log(`\n${Report.report(results)}`)
  if (before !== undefined) console.log(`\n${comparison(before, results)}`)
  const failures = results.results.filter(({ failure }) => failure !== undefined)
  for (const { failure, round, scenario, ...contender } of failures) {
    console.error(`\nFAILED: round ${round}, ${scenario}, ${Results.nameOf(contender)}: ${failure}`)
  }
  process.exitCode = failures.length > 0 ? 1 : 0
}

main().catch((error: unknown) => {
  console.error(error instanceof OptionsInvalid ? error.message : error)
  process.exitCode = error instanceof OptionsInvalid ? 2 : 1
})
