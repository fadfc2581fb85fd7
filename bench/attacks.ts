/**
 * `npm run bench -- attacks`: the command in a small heap, an attacker, and a client that notices. Nothing fails because
 * of what is found: it is told.
 */
import { parseArgs } from "node:util"
import { attacks } from "./attacks/index.ts"
import { measure, type Measured } from "./attacks/measure.ts"
import * as Child from "./harness/Child.ts"
import * as JsonFile from "./harness/JsonFile.ts"
import { OptionsInvalid, pick, tryParse, whole } from "./harness/Options.ts"
import * as Origin from "./harness/Origin.ts"
import * as Text from "./harness/Text.ts"

const help = `npm run bench -- attacks [name …] [options]

  name          only these: ${attacks.map(({ name }) => name).join(", ")}
  --heap N      the heap of the server, in mebibytes (default: 512)
  --json file   write everything to a file
  --help        this text
`

const parse = () => {
  const { positionals, values } = tryParse(() =>
    parseArgs({
      args: process.argv.slice(3),
      allowPositionals: true,
      options: {
        heap: { type: "string" },
        json: { type: "string" },
        help: { type: "boolean", default: false }
      }
    })
  )
  return {
    attacks: pick("attack", positionals.length === 0 ? undefined : positionals, attacks, ({ name }) => name),
    heap: whole("heap", values.heap, 512, 64),
    json: values.json,
    help: values.help
  }
}

const format = "attacks-1"

const megabytes = (bytes: number): string => `${Text.number(bytes / 1e6)} MB`

const row = (measured: Measured): ReadonlyArray<string> => {
  const { after, before, canary } = measured
  return [
    measured.name,
    measured.lives ? "lives" : `dead after ${Text.number(measured.took)} s`,
    before === undefined || after === undefined
      ? "-"
      : `${Text.number(before.heap + before.buffers)} → ${Text.number(after.heap + after.buffers)}`,
    Text.number(measured.peak),
    `${Text.number(measured.longestTurn)} ms`,
    `${Text.number(canary.p50)} ms`,
    `${Text.number(canary.p99)} ms`,
    megabytes(measured.sent),
    megabytes(measured.received),
    Text.number(measured.load)
  ]
}

const head = [
  "attack",
  "server",
  "heap, MiB",
  "peak, MiB",
  "longest turn",
  "canary p50",
  "p99",
  "sent",
  "received",
  "load"
]

const main = async (): Promise<void> => {
  const options = parse()
  if (options.help) return console.log(help)
  Child.endWithThisProgram()
  const all: Array<Measured> = []
  for (const attack of options.attacks) {
    const measured = await measure(attack, options.heap)
    all.push(measured)
    console.error(`${measured.name}: ${measured.note}`)
  }
  const results = { format, ...Origin.here(), heap: options.heap, attacks: all }
  if (options.json !== undefined) JsonFile.write(options.json, results)
  console.log(`\n${Text.print({ head, rows: all.map(row) })}\n`)
  for (const { name, note, title } of all) console.log(`${name}: ${title}\n  ${note}`)
}

main().then(
  // Connections that are on their way to a server that has gone keep nothing here.
  () => process.exit(),
  (error: unknown) => {
    console.error(error instanceof OptionsInvalid ? error.message : error)
    process.exit(error instanceof OptionsInvalid ? 2 : 1)
  }
)
