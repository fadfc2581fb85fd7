/** The tables: medians of the rounds, and what effect-bayeux is to reach. */
import { median } from "../harness/Median.ts"
import * as Text from "../harness/Text.ts"
import { type Figures, type Result, type Row, type Server, servers } from "./run.ts"

/** Publishes a second at 1,000 subscribers, as a multiple of those of faye-redis; and script calls of each. */
const target = { row: "in-process-1000", times: 500, scripts: 1 }

const head = [
  "",
  "server",
  "publishes/s",
  "deliveries/s",
  "p50 ms",
  "p99 ms",
  "Redis µs/publish",
  "scripts/publish",
  "commands/publish",
  "Redis CPU",
  "servers' CPU"
]

type Median = (figure: (figures: Figures) => number) => number

/** The medians of a server in a row, if it was measured. */
const medians = (results: ReadonlyArray<Result>, row: Row, server: Server): Median | undefined => {
  const all = results.flatMap((result) =>
    result.row === row && result.server === server && result.figures !== undefined ? [result.figures] : []
  )
  return all.length === 0 ? undefined : (figure) => median(all.map(figure))
}

const cells = (of: Median): ReadonlyArray<string> => [
  Text.number(of(({ publishes }) => publishes)),
  Text.number(of(({ deliveries }) => deliveries)),
  Text.number(of(({ p50 }) => p50)),
  Text.number(of(({ p99 }) => p99)),
  Text.number(of(({ redisMicros }) => redisMicros)),
  Text.number(of(({ scripts }) => scripts)),
  Text.number(of(({ commands }) => commands)),
  Text.share(of(({ redisCpu }) => redisCpu)),
  Text.share(of(({ serverCpu }) => serverCpu))
]

const lines = (results: ReadonlyArray<Result>, row: Row): ReadonlyArray<ReadonlyArray<string>> =>
  servers.flatMap((server) => {
    const of = medians(results, row, server)
    return of === undefined ? [] : [[row.name, server, ...cells(of)]]
  })

const verdict = (rows: ReadonlyArray<Row>, results: ReadonlyArray<Result>): ReadonlyArray<string> =>
  rows.flatMap((row) => {
    const [own, other] = servers.map((server) => medians(results, row, server))
    if (own === undefined || other === undefined) return []
    const times = own(({ publishes }) => publishes) / other(({ publishes }) => publishes)
    const line = `${row.name}: ${Text.number(times)} times the publishes of faye-redis`
    if (row.name !== target.row) return [line]
    const isMet = times >= target.times && own(({ scripts }) => scripts) <= target.scripts
    return [`${line}; wanted: ${target.times} with a script call for each at the most: ${isMet ? "met" : "NOT MET"}`]
  })

export const report = (rows: ReadonlyArray<Row>, results: ReadonlyArray<Result>): string => {
  const failures = results.flatMap(({ failure, row, server }) =>
    failure === undefined ? [] : [`FAILED: ${row.name}, ${server}: ${failure}`]
  )
  const table = Text.print({ head, rows: rows.flatMap((row) => lines(results, row)) })
  return ["", table, "", ...verdict(rows, results), ...failures].join("\n")
}
