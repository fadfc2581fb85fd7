/**
 * `npm run fuzz`: random and damaged Bayeux over every transport against the command, beside a client that notices.
 * Fails if the server ends, answers with 500, does not answer, logs an error or keeps what it should have let go.
 */
import { parseArgs } from "node:util"
import { fuzz } from "./fuzz/run.ts"
import * as Child from "./harness/Child.ts"
import { number, OptionsInvalid, tryParse, whole } from "./harness/Options.ts"
import * as Text from "./harness/Text.ts"

const help = `npm run fuzz -- [options]

  --minutes N   how long (default: 1)
  --seed N      the seed of the first case (default: a new one, which is printed)
  --cases N     no more than so many cases: with --seed and --abreast 1 one case again
  --abreast N   how many cases run at a time (default: 4)
  --heap N      the heap of the server, in mebibytes (default: 512)
  --help        this text
`

const parse = () => {
  const text = { type: "string" } as const
  const { values } = tryParse(() =>
    parseArgs({
      args: process.argv.slice(2),
      options: {
        minutes: text,
        seed: text,
        cases: text,
        abreast: text,
        heap: text,
        help: { type: "boolean", default: false }
      }
    })
  )
  return {
    milliseconds: number("minutes", values.minutes, 1, 0.01) * 60_000,
    seed: whole("seed", values.seed, 1 + Math.floor(Math.random() * 1_000_000_000), 1),
    cases: whole("cases", values.cases, Number.MAX_SAFE_INTEGER, 1),
    abreast: whole("abreast", values.abreast, 4, 1),
    heap: whole("heap", values.heap, 512, 64),
    help: values.help
  }
}

const main = async (): Promise<void> => {
  const options = parse()
  if (options.help) return console.log(help)
  Child.endWithThisProgram()
  console.log(`Seed ${options.seed}`)
  const result = await fuzz({ ...options, tell: (line) => console.log(line) })
  console.log(
    `${result.cases} cases with ${result.requests} requests; heap ${Text.number(result.heapBefore)} → ` +
      `${Text.number(result.heapAfter)} MiB; longest turn ${Text.number(result.longestTurn)} ms; canary p50 ` +
      `${Text.number(result.p50)} ms, p99 ${Text.number(result.p99)} ms`
  )
  for (const flaw of result.flaws) console.error(flaw)
  if (result.flaws.length > 0) process.exitCode = 1
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error instanceof OptionsInvalid ? error.message : error)
    process.exit(error instanceof OptionsInvalid ? 2 : 1)
  }
)
