/**
 * Two server processes on one Redis: effect-bayeux against faye-redis. `npm run bench -- redis --help` says how it is
 * called, `README.md` what is measured.
 */
import { parseArgs } from "node:util"
import { findRedis, RedisServer } from "../test/support/redis.ts"
import { releaseAll } from "../test/transport/support.ts"
import { endWithThisProgram } from "./harness/Child.ts"
import { report } from "./redis/report.ts"
import { type Result, rows, run, servers } from "./redis/run.ts"
import { sizes } from "./redis/sizes.ts"
import { takeover } from "./redis/takeover.ts"

const help = `npm run bench -- redis [options], redis sizes, redis takeover

  --rounds N    how often each row is measured with each server (default: 3)
  --seconds N   how long is measured (default: 4)
  --row NAME    only this row; may be repeated: ${rows.map(({ name }) => name).join(", ")}
  --server NAME only this server; may be repeated: ${servers.join(", ")}
  --profile DIR write the CPU profile of each server process there
  --quick       one round of one second, to see that all works`

const { positionals, values } = parseArgs({
  args: process.argv.slice(3),
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    seconds: { type: "string" },
    row: { type: "string", multiple: true },
    server: { type: "string", multiple: true },
    profile: { type: "string" },
    quick: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

/** One measurement on a Redis of its own, after which everything that was started has ended. */
const measure = async (
  row: (typeof rows)[number],
  server: (typeof servers)[number],
  path: string,
  seconds: number
): Promise<Result> => {
  try {
    return await run(row, server, await RedisServer.start(path), { seconds, profile: values.profile })
  } finally {
    await releaseAll()
  }
}

const main = async (): Promise<void> => {
  if (values.help) return console.log(help)
  const path = findRedis()
  if (path === undefined) {
    throw new Error("There is no Redis server: install one, or say in REDIS_SERVER_PATH where it is")
  }
  endWithThisProgram()
  if (positionals[0] === "sizes" || positionals[0] === "takeover") {
    console.log(positionals[0] === "sizes" ? await sizes(path) : await takeover(await RedisServer.start(path)))
    return releaseAll()
  }
  const seconds = Number(values.seconds ?? (values.quick ? 1 : 4))
  const chosen = rows.filter(({ name }) => values.row?.includes(name) ?? true)
  const contenders = servers.filter((server) => values.server?.includes(server) ?? true)
  const results: Array<Result> = []
  for (let round = 0; round < Number(values.rounds ?? (values.quick ? 1 : 3)); round++) {
    for (const row of chosen) {
      for (const server of round % 2 === 0 ? contenders : contenders.toReversed()) {
        results.push(await measure(row, server, path, seconds))
      }
    }
  }
  console.log(report(rows, results))
  if (results.some(({ failure }) => failure !== undefined)) process.exitCode = 1
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
