/** One run: two fresh servers on a fresh Redis, and the load, in their processes or in one of its own. */
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import type { RedisServer } from "../../test/support/redis.ts"
import * as Child from "../harness/Child.ts"
import * as Text from "../harness/Text.ts"
import type { Measurement } from "../load/Measurement.ts"
import type { FromPart, Part, ToPart } from "./Protocol.ts"

export const servers = ["effect-bayeux", "faye-redis"] as const
export type Server = typeof servers[number]

export interface Row {
  readonly name: string
  readonly subscribers: number
  /** Whether clients have sockets, or are within the servers. */
  readonly sockets: boolean
  /** How many publishes each of the two publishers keeps on their way. */
  readonly inFlight: { readonly [S in Server]: number }
}

export const rows: ReadonlyArray<Row> = [
  { name: "sockets-1", subscribers: 1, sockets: true, inFlight: { "effect-bayeux": 64, "faye-redis": 64 } },
  { name: "sockets-10", subscribers: 10, sockets: true, inFlight: { "effect-bayeux": 64, "faye-redis": 64 } },
  { name: "sockets-1000", subscribers: 1_000, sockets: true, inFlight: { "effect-bayeux": 16, "faye-redis": 4 } },
  { name: "in-process-1000", subscribers: 1_000, sockets: false, inFlight: { "effect-bayeux": 1_000, "faye-redis": 8 } }
]

/** How long is measured, and the folder for the CPU profiles of the servers, if any. */
export interface How {
  readonly seconds: number
  readonly profile: string | undefined
}

export interface Figures {
  readonly publishes: number
  readonly deliveries: number
  readonly p50: number
  readonly p99: number
  /** Of each publish: CPU of Redis in microseconds, script calls, and commands with those within scripts. */
  readonly redisMicros: number
  readonly scripts: number
  readonly commands: number
  /** Shares of a core: Redis, both servers together. */
  readonly redisCpu: number
  readonly serverCpu: number
}

export interface Result {
  readonly row: Row
  readonly server: Server
  readonly figures?: Figures
  readonly failure?: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Redis

/** What Redis has done so far. */
interface Work {
  readonly at: number
  readonly cpu: number
  readonly scripts: number
  readonly commands: number
}

const work = async (redis: RedisServer): Promise<Work> => {
  const at = performance.now()
  const info = String(await redis.command("INFO", "all"))
  const sum = (pattern: RegExp) => [...info.matchAll(pattern)].reduce((all, match) => all + Number(match[1]), 0)
  return {
    at,
    cpu: sum(/^used_cpu_(?:user|sys):([\d.]+)/gm) * 1_000,
    scripts: sum(/^cmdstat_evalsha?:calls=(\d+)/gm),
    commands: sum(/^cmdstat_\S+:calls=(\d+)/gm)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// processes

const startServer = async (server: Server, redis: RedisServer, { profile }: How) => {
  const node = profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profile]
  const child = Child.start(`redis/${server}.ts`, { args: [String(redis.port)], node })
  const { stdout } = child.process
  if (stdout === null) throw new Error("A server has no standard output")
  const ended = once(child.process, "exit").then(() => {
    throw new Error(`A server ended: ${child.complaints()}`)
  })
  const [line] = await Promise.race([once(createInterface(stdout), "line") as Promise<[string]>, ended])
  return { child, port: (JSON.parse(line) as { readonly port: number }).port }
}

/** CPU time of a process in milliseconds, as Linux tells it; 0 elsewhere. */
const cpuOf = ({ process: { pid } }: Child.Child): number => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return 0
  }
}

/** A process that carries a part of the load. */
class Carrier {
  readonly #child: Child.Child
  /** Called when it begins, and when it ends, to measure. */
  onMeasure: () => Promise<void> = () => Promise.resolve()
  readonly #heard = new Map<FromPart["_tag"], (message: FromPart) => void>()
  readonly #failed: Promise<never>

  constructor(child: Child.Child) {
    this.#child = child
    this.#failed = new Promise((_, reject) => {
      child.process.once("exit", () => reject(new Error(`A process ended: ${child.complaints()}`)))
      child.process.on("message", (message: FromPart) => {
        if (message._tag === "Failed") return reject(new Error(message.reason))
        if (message._tag !== "UsageAsked") return this.#heard.get(message._tag)?.(message)
        const usage = { at: performance.now(), cpu: 0, rss: 0, heap: 0, external: 0 }
        this.onMeasure().then(() => this.#tell({ _tag: "Usage", usage }), reject)
      })
    })
    this.#failed.catch(() => undefined)
  }

  #tell(message: ToPart): void {
    this.#child.process.send(message)
  }

  #hear<Tag extends FromPart["_tag"]>(tag: Tag): Promise<Extract<FromPart, { readonly _tag: Tag }>> {
    const heard = new Promise<FromPart>((resolve) => this.#heard.set(tag, resolve))
    return Promise.race([heard, this.#failed]) as Promise<Extract<FromPart, { readonly _tag: Tag }>>
  }

  open(part: Part): Promise<unknown> {
    this.#tell({ _tag: "Open", part })
    return this.#hear("Ready")
  }

  async go(): Promise<Measurement> {
    this.#tell({ _tag: "Go" })
    return (await this.#hear("Done")).measurement
  }
}

/** What each of the processes carries. */
const partsOf = (row: Row, server: Server, ports: ReadonlyArray<number>, seconds: number): ReadonlyArray<Part> => {
  const common = { inFlight: row.inFlight[server], seconds, warmUp: seconds / 4 }
  return row.sockets
    ? [{ ...common, ports, subscribers: row.subscribers, sessions: 1, streams: [0, 1] }]
    : ports.map((_, stream) => ({
      ...common,
      ports: [],
      subscribers: 1,
      sessions: row.subscribers / 2,
      streams: [stream]
    }))
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((one, other) => one + other, 0)

const measure = async (row: Row, server: Server, redis: RedisServer, how: How): Promise<Figures> => {
  const started = [await startServer(server, redis, how), await startServer(server, redis, how)]
  const children = started.map(({ child }) => child)
  if (row.sockets) children.push(Child.start("redis/generator.ts"))
  try {
    const carriers = children.slice(row.sockets ? 2 : 0).map((child) => new Carrier(child))
    const parts = partsOf(row, server, started.map(({ port }) => port), how.seconds)
    await Promise.all(carriers.map((carrier, at) => carrier.open(parts[at] as Part)))
    const marks: Array<{ readonly work: Work; readonly cpu: number }> = []
    const [first] = carriers
    if (first !== undefined) {
      first.onMeasure = async () => {
        marks.push({ work: await work(redis), cpu: sum(started.map(({ child }) => cpuOf(child))) })
      }
    }
    const measurements = await Promise.all(carriers.map((carrier) => carrier.go()))
    const [before, after] = marks
    if (before === undefined || after === undefined) throw new Error("Nothing was measured")
    const publishes = sum(measurements.map(({ donePerSecond }) => donePerSecond))
    const millis = after.work.at - before.work.at
    const ofEach = (figure: (work: Work) => number) =>
      (figure(after.work) - figure(before.work)) / (publishes * millis / 1_000)
    return {
      publishes,
      deliveries: publishes * row.subscribers,
      p50: Math.max(...measurements.map(({ p50 }) => p50 ?? Infinity)),
      p99: Math.max(...measurements.map(({ p99 }) => p99 ?? Infinity)),
      redisMicros: ofEach(({ cpu }) => cpu) * 1_000,
      scripts: ofEach(({ scripts }) => scripts),
      commands: ofEach(({ commands }) => commands),
      redisCpu: (after.work.cpu - before.work.cpu) / millis,
      serverCpu: (after.cpu - before.cpu) / millis
    }
  } finally {
    await Promise.all(children.map(Child.end))
  }
}

/** Runs and tells what came of it. */
export const run = async (row: Row, server: Server, redis: RedisServer, how: How): Promise<Result> => {
  try {
    const figures = await measure(row, server, redis, how)
    console.error(`${row.name}, ${server}: ${Text.number(figures.publishes)} publishes/s`)
    return { row, server, figures }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    console.error(`${row.name}, ${server}: FAILED: ${failure}`)
    return { row, server, failure }
  }
}
