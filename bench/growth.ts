/**
 * `npm run bench -- growth`: what a step of the machine costs as the work grows, without sockets. Each size is measured
 * in fresh processes, in rounds that are interleaved over all sizes. Nothing fails because of what is found: it is told.
 */
import { once } from "node:events"
import { parseArgs } from "node:util"
import type { Costs } from "./growth/Costs.ts"
import { format, type Growth, type Point } from "./growth/Growth.ts"
import { works } from "./growth/index.ts"
import { report } from "./growth/Report.ts"
import type { Work } from "./growth/Work.ts"
import * as Child from "./harness/Child.ts"
import * as JsonFile from "./harness/JsonFile.ts"
import { number, OptionsInvalid, pick, tryParse, whole } from "./harness/Options.ts"
import * as Origin from "./harness/Origin.ts"
import * as Text from "./harness/Text.ts"

const help = `npm run bench -- growth [options]

  --work name   only what grows with this; may be repeated
                ${works.map(({ name }) => name).join(", ")}
  --rounds N    how often each size is measured, with a fresh process each time (default: 3)
  --seconds S   how long each is measured (default: 0.3)
  --quick       one short round: to see that all works
  --json file   write every round to a file
  --help        this text
`

const parse = () => {
  const text = { type: "string" } as const
  const flag = { type: "boolean", default: false } as const
  const { values } = tryParse(() =>
    parseArgs({
      args: process.argv.slice(3),
      options: {
        work: { ...text, multiple: true },
        rounds: text,
        seconds: text,
        json: text,
        quick: flag,
        help: flag
      }
    })
  )
  return {
    works: pick("work", values.work, works, ({ name }) => name),
    rounds: whole("rounds", values.rounds, values.quick ? 1 : 3, 1),
    seconds: number("seconds", values.seconds, values.quick ? 0.1 : 0.3, 0.01),
    json: values.json,
    help: values.help
  }
}

const measure = async (work: Work, size: number, seconds: number): Promise<Costs> => {
  const millis = String(seconds * 1_000)
  const child = Child.start("growth/point.ts", {
    args: [work.name, String(size), millis, millis],
    node: ["--expose-gc"]
  })
  const ended = new AbortController()
  child.process.once("exit", () => ended.abort())
  try {
    const [costs] = await once(child.process, "message", { signal: ended.signal }) as [Costs]
    return costs
  } catch {
    throw new Error(`The process for ${size} ${work.title} ended: ${child.complaints()}`)
  } finally {
    await Child.end(child)
  }
}

const main = async (): Promise<void> => {
  const options = parse()
  if (options.help) return console.log(help)
  Child.endWithThisProgram()
  const points: Array<Point> = []
  for (let round = 1; round <= options.rounds; round++) {
    for (const work of options.works) {
      for (const size of work.sizes) {
        points.push({ work: work.name, size, round, costs: await measure(work, size, options.seconds) })
        console.error(`${round}  ${Text.number(size)} ${work.title}`)
      }
    }
  }
  const growth: Growth = { format, ...Origin.here(), points }
  if (options.json !== undefined) JsonFile.write(options.json, growth)
  console.log(`\n${report(growth)}`)
}

main().catch((error: unknown) => {
  console.error(error instanceof OptionsInvalid ? error.message : error)
  process.exitCode = error instanceof OptionsInvalid ? 2 : 1
})
