/**
 * `npm run bench -- redis sizes`: the memory that sessions, subscriptions and entries of the log take in Redis
 * (`used_memory`), and that an entry takes in the window of each process.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as LogEntry from "../../src/engine/redis/LogEntry.ts"
import { defaultBounds, Window } from "../../src/engine/redis/Window.ts"
import { RedisServer } from "../../test/support/redis.ts"
import * as Child from "../harness/Child.ts"
import * as Text from "../harness/Text.ts"
import { namespace } from "./service.ts"
import { startOwner } from "./takeover.ts"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

const count = 10_000
const message = (length: number): string => JSON.stringify({ channel: "/rooms/1", data: "x".repeat(length) })
const entry = (number: number, length: number): string =>
  `host.example.org:12345:0123abcd ${number} P ${"c".repeat(40)} ${message(length)}`

/** Bytes in use, without the log: what is written to it goes with it. */
const used = async (redis: RedisServer): Promise<number> =>
  Number(/^used_memory:(\d+)/m.exec(String(await redis.command("INFO", "memory")))?.[1])

const withoutLog = async (redis: RedisServer): Promise<number> => {
  await redis.command("XTRIM", `{${namespace}}:log`, "MAXLEN", "1")
  return used(redis)
}

/** Bytes of each session, with so many subscriptions. */
const ofSession = async (path: string, subscriptions: number): Promise<number> => {
  const redis = await RedisServer.start(path)
  const before = await used(redis)
  const owner = await startOwner(redis, count, subscriptions)
  const after = await withoutLog(redis)
  await Child.end(owner)
  return (after - before) / count
}

/** Bytes of each entry of a log, beyond its message. */
const ofEntry = async (path: string, length: number): Promise<number> => {
  const redis = await RedisServer.start(path)
  await redis.command(
    "EVAL",
    "for i = 1, ARGV[1] do redis.call('XADD', 'log', i * 4096 .. '-0', 'e', ARGV[2]) end",
    "0",
    `${count}`,
    entry(1, length)
  )
  return Number(await redis.command("MEMORY", "USAGE", "log", "SAMPLES", "0")) / count - message(length).length
}

/** Bytes of heap of each entry in a full window, beyond its message. */
const inWindow = (length: number): number => {
  const window = new Window(defaultBounds)
  const heap = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const before = heap()
  for (let i = 0; i < count; i++) window.push(LogEntry.read(`${i * 4096}-0`, Buffer.from(entry(i, length)).toString()))
  const bytes = (heap() - before) / count - message(length).length
  return window.since(0) === undefined ? Number.NaN : bytes
}

export const sizes = async (path: string): Promise<string> => {
  const bare = await ofSession(path, 0)
  const [one, eleven] = [await ofSession(path, 1), await ofSession(path, 11)]
  const lines: ReadonlyArray<readonly [string, number]> = [
    ["Redis: a session", bare],
    ["Redis: its first subscription", one - bare],
    ["Redis: each further one", (eleven - one) / 10],
    ["Redis: an entry of the log, beyond a message of 100 bytes", await ofEntry(path, 100)],
    ["Redis: an entry of the log, beyond a message of 1,000 bytes", await ofEntry(path, 1_000)],
    ["process: an entry of the window, beyond a message of 100 bytes", inWindow(100)]
  ]
  return lines.map(([what, bytes]) => `${what}: ${Text.number(bytes)} bytes`).join("\n")
}
