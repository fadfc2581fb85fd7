/**
 * What the monitor page costs a server: without it, with it and nobody looking, and with a page that is open. Once with
 * 5,000 publishes a second, whose cost in CPU is measured, and once with as many as the server does.
 */
import { get } from "node:http"
import { parseArgs } from "node:util"
import type { EventBatch } from "../src/page/PageProtocol.ts"
import { endWithThisProgram } from "./harness/Child.ts"
import { median } from "./harness/Median.ts"
import { run } from "./harness/Run.ts"
import * as Text from "./harness/Text.ts"
import { pairsAt5000, pairsOf200 } from "./scenarios/Pairs.ts"
import type { Figures, Scenario } from "./scenarios/Scenario.ts"

const help = `npm run bench -- page [options]

  --rounds N    how often all is measured (default: 3)
  --seconds S   how long each time (default: 5)
`

const variants = ["without", "served", "open"] as const

type Variant = typeof variants[number]

/** What an open page was told of, and what of it it was to show. */
const seen = { matched: 0, shown: 0 }

/** A page that is open; gives what closes it. */
const open = (port: number): () => void => {
  let rest = ""
  const request = get(`http://127.0.0.1:${port}/monitor/feed`, (response) => {
    response.setEncoding("utf8").on("data", (text: string) => {
      const blocks = (rest + text).split("\n\n")
      rest = blocks.pop() ?? ""
      for (const block of blocks) {
        const data = /^event: events\ndata: (.*)$/m.exec(block)?.[1]
        if (data === undefined) continue
        const { matched, rows } = JSON.parse(data) as EventBatch
        seen.matched += matched
        seen.shown += rows.length
      }
    }).on("error", () => {})
  }).on("error", () => {})
  return () => request.destroy()
}

const measure = (scenario: Scenario, variant: Variant, seconds: number): Promise<Figures> =>
  run(scenario, { server: "effect-bayeux", monitors: 0 }, {
    seconds,
    warmUp: 2,
    sessions: 0,
    hasPage: variant !== "without",
    ...variant === "open" && { beside: open }
  })

interface Measured {
  readonly variant: Variant
  readonly steady: Array<Figures>
  readonly busy: Array<Figures>
}

const row = ({ busy, steady, variant }: Measured): ReadonlyArray<string> => [
  variant,
  `${Text.number(median(steady.map(({ value }) => value)))} %`,
  `${Text.number(median(steady.map(({ p99 = 0 }) => p99)))} ms`,
  Text.number(median(busy.map(({ value }) => value))),
  Text.share(median(busy.map(({ othersCpu }) => othersCpu)))
]

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "5" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) return console.log(help)
  endWithThisProgram()
  const seconds = Number(values.seconds)
  const all = variants.map((variant): Measured => ({ variant, steady: [], busy: [] }))
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { busy, steady, variant } of round % 2 === 0 ? all : all.toReversed()) {
      console.error(`Round ${round + 1}: ${variant}`)
      steady.push(await measure(pairsAt5000, variant, seconds))
      busy.push(await measure(pairsOf200, variant, seconds))
    }
  }
  console.log(Text.print({
    head: ["monitor page", "CPU at 5,000/s", "p99", "publishes/s at most", "others"],
    rows: all.map(row)
  }))
  console.log(`\nOf ${Text.number(seen.matched)} events the open page was to show ${Text.number(seen.shown)}.`)
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
