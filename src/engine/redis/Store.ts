/**
 * Commands and scripts of the store over one connection, with decoded answers. Where a script answers that the process has
 * to join again, the effect fails as if the connection had broken.
 */
import * as Effect from "effect/Effect"
import type { ClientId } from "../../core/ClientId.ts"
import type { IdentifiedSession } from "../../core/folds/PresenceState.ts"
import type { Counts } from "../Engine.ts"
import * as LogEntry from "./LogEntry.ts"
import { type Connection, RedisUnavailable } from "./RedisConnection.ts"
import * as Scripts from "./Scripts.ts"

/** Process as the store knows it: its name, and the term of its connection. */
export interface Membership {
  readonly node: string
  readonly term: string
}

/** Answer to a process that joins. */
export interface Joined {
  /** Position of its entry. */
  readonly position: number
  /** Whether the log has the last entry that it has read. If not, the store has gone back, or the log was trimmed. */
  readonly hasTail: boolean
  readonly epoch: string
  /** Position of the oldest entry of the log. */
  readonly first: number
}

const notAMember = new RedisUnavailable({ reason: "another process has taken this one for dead" })

const must = (isMember: unknown): Effect.Effect<void, RedisUnavailable> =>
  isMember === 1 ? Effect.void : Effect.fail(notAMember)

/** Joins, or joins again. `lease` is in milliseconds, `tail` the position up to which the process has read. */
export const join = (
  self: Connection,
  { node, term }: Membership,
  lease: number,
  tail: number,
  epoch: string
): Effect.Effect<Joined, RedisUnavailable> =>
  Effect.map(self.run(Scripts.join, [node, term, `${lease}`, `${tail}`, epoch]), (answer) => {
    const [position, hasTail, found, first] = answer as [string, number, string, string]
    return {
      position: Number(position),
      hasTail: hasTail === 1,
      epoch: found,
      first: LogEntry.position(first)
    }
  })

/** Carries out a batch of changes (`CommitArguments`). */
export const commit = (
  self: Connection,
  { node, term }: Membership,
  maxSubscriptions: number,
  batch: ReadonlyArray<string>
): Effect.Effect<void, RedisUnavailable> =>
  Effect.flatMap(self.run(Scripts.commit, [node, term, `${maxSubscriptions}`, ...batch]), must)

/** Renews the lease, with changes of `SessionPositions`; times are milliseconds. Returns whether there are more sessions to claim. */
export const beat = Effect.fnUntraced(function*(
  self: Connection,
  { node, term }: Membership,
  lease: number,
  mark: number,
  retention: number,
  positions: ReadonlyArray<string>
) {
  const answer = yield* self.run(Scripts.beat, [node, term, `${lease}`, `${mark}`, `${retention}`, ...positions])
  const [isMember, isMore] = answer as [number, number]
  yield* must(isMember)
  return isMore === 1
})

/** Leaves, with changes of `SessionPositions`; `retention` is in milliseconds. */
export const leave = (
  self: Connection,
  { node, term }: Membership,
  mark: number,
  retention: number,
  positions: ReadonlyArray<string>
): Effect.Effect<unknown, RedisUnavailable> =>
  self.run(Scripts.leave, [node, term, `${mark}`, `${retention}`, ...positions])

/** Session as the store has it, of those that a process believes to own; undefined if there is none. */
export type Found =
  | { readonly isOwned: true; readonly generation: string; readonly patterns: ReadonlyArray<string> }
  | { readonly isOwned: false }
  | undefined

const found = (text: string | null): Found => {
  if (text === null) return undefined
  if (text === "-") return { isOwned: false }
  const [generation = "", patterns = ""] = text.split(" ")
  return { isOwned: true, generation, patterns: patterns.split(",").filter((pattern) => pattern !== "") }
}

/** Sessions that were asked for, and all that the process owns: of clients (`remote`) and of the application (`local`). */
export interface Comparison {
  readonly found: ReadonlyArray<Found>
  readonly remote: ReadonlyArray<ClientId>
  readonly local: ReadonlyArray<ClientId>
}

/** Compares the sessions that a process believes to own with the store. */
export const compare = (
  self: Connection,
  node: string,
  clientIds: ReadonlyArray<string>
): Effect.Effect<
  Comparison,
  RedisUnavailable
> =>
  Effect.map(self.run(Scripts.compare, [node, ...clientIds]), (answer) => {
    const [texts, remote, local] = answer as [
      ReadonlyArray<string | null>,
      ReadonlyArray<ClientId>,
      ReadonlyArray<ClientId>
    ]
    return { found: texts.map(found), remote, local }
  })

type RawEntry = readonly [id: string, fields: readonly [name: string, text: string]]

const entries = (raw: unknown): ReadonlyArray<LogEntry.LogEntry> =>
  (raw as ReadonlyArray<RawEntry>).map(([id, [, text]]) => LogEntry.read(id, text))

/** Reads the next entries after a position, `count` at most. Waits for some for up to `block` milliseconds. */
export const next = (
  self: Connection,
  log: string,
  after: number,
  count: number,
  block: number,
  commandTimeout: number
): Effect.Effect<ReadonlyArray<LogEntry.LogEntry>, RedisUnavailable> =>
  Effect.map(
    self.command(
      ["XREAD", "COUNT", `${count}`, "BLOCK", `${block}`, "STREAMS", log, LogEntry.id(after)],
      block + commandTimeout
    ),
    (answer) => answer === null ? [] : entries((answer as ReadonlyArray<readonly [string, unknown]>)[0]?.[1] ?? [])
  )

/** Reads the position of the oldest entry, 0 if there is none. */
export const first = (self: Connection, log: string): Effect.Effect<number, RedisUnavailable> =>
  Effect.map(self.command(["XRANGE", log, "-", "+", "COUNT", "1"]), (answer) => entries(answer)[0]?.position ?? 0)

const page = 1_000

/** Reads all entries between two positions, both included. Returns undefined if some are gone. */
export const between = Effect.fnUntraced(function*(self: Connection, log: string, from: number, to: number) {
  if ((yield* first(self, log)) > from + 1) return undefined
  const all: Array<LogEntry.LogEntry> = []
  yield* range(self, log, from, LogEntry.id(to), (entries) => all.push(...entries))
  return all
})

/** Reads all entries from a position up to an id, or up to the end (`+`), in pages. */
export const range = Effect.fnUntraced(function*(
  self: Connection,
  log: string,
  from: number,
  to: string,
  look: (entries: ReadonlyArray<LogEntry.LogEntry>) => void
) {
  for (let start = from;;) {
    const some = entries(yield* self.command(["XRANGE", log, LogEntry.id(start), to, "COUNT", `${page}`]))
    look(some)
    const last = some.at(-1)
    if (last === undefined || some.length < page) return
    start = last.position + 1
  }
})

/** Reads the counts of all processes. */
export const counts = Effect.fnUntraced(function*(self: Connection, prefix: string) {
  const fields = (yield* self.command(["HGETALL", `${prefix}cnt`])) as ReadonlyArray<string>
  const subscribers = new Map<string, number>()
  for (let i = 0; i < fields.length; i += 2) subscribers.set(fields[i] ?? "", Number(fields[i + 1]))
  const sessions = subscribers.get("sessions") ?? 0
  subscribers.delete("sessions")
  const counts: Counts = { sessions, subscribers }
  return counts
})

/** State of the store for a reader that has read the log up to a position of an epoch. */
export interface Look {
  /** Time of the store, in milliseconds since the epoch. */
  readonly now: number
  /** Whether the log continues at that position, in the same store. */
  readonly isContinued: boolean
  readonly epoch: string
  /** Position of the newest entry. */
  readonly position: number
}

/** Reads the state of the store for a reader. */
export const look = (self: Connection, read: number, epoch: string): Effect.Effect<Look, RedisUnavailable> =>
  Effect.map(self.run(Scripts.look, [`${read}`, epoch]), (answer) => {
    const [now, isContinued, found, position] = answer as [string, number, string, string]
    return { now: Number(now), isContinued: isContinued === 1, epoch: found, position: Number(position) }
  })

/** Reads all sessions with an identity. One that begins, changes or ends meanwhile is among them or not, as it was or is. */
export const identifiedSessions = Effect.fnUntraced(function*(self: Connection) {
  const sessions = new Map<ClientId, IdentifiedSession>()
  let cursor = "0"
  do {
    const [next, page] = (yield* self.run(Scripts.identified, [cursor])) as [string, ReadonlyArray<string>]
    for (const text of page) {
      const { clientId, ...identifiedSession } = LogEntry.identifiedSession(text)
      sessions.set(clientId, identifiedSession)
    }
    cursor = next
  } while (cursor !== "0")
  return sessions
})

/** Whether there is a session of that name. */
export const hasSession = (
  self: Connection,
  prefix: string,
  clientId: string
): Effect.Effect<boolean, RedisUnavailable> =>
  Effect.map(self.command(["EXISTS", `${prefix}s:${clientId}`]), (count) => count === 1)

/** Whether another process is alive. */
export const hasOthers = (self: Connection, node: string): Effect.Effect<boolean, RedisUnavailable> =>
  Effect.map(self.run(Scripts.others, [node]), (count) => Number(count) > 0)

/** Reads the position of the newest entry. */
export const position = (self: Connection, prefix: string): Effect.Effect<number, RedisUnavailable> =>
  Effect.map(self.command(["GET", `${prefix}pos`]), Number)

// ---------------------------------------------------------------------------------------------------------------------
// the server

const infoField = (info: string, field: string): string | undefined =>
  info.split("\r\n").find((line) => line.startsWith(`${field}:`))?.slice(field.length + 1)

/** Returns why the server will not do, and what to do about it; undefined if it will do. */
export const complaint = Effect.fnUntraced(function*(self: Connection) {
  const version = infoField(String(yield* self.command(["INFO", "server"])), "redis_version") ?? ""
  if (!(Number.parseInt(version, 10) >= 7)) {
    return `it is Redis ${version}, but 7 or newer is needed (or Valkey): install a newer one`
  }
  const policy = (yield* self.command(["CONFIG", "GET", "maxmemory-policy"]).pipe(
    // Hosted servers may not let anybody read their configuration.
    Effect.orElseSucceed(() => [])
  )) as ReadonlyArray<string>
  if (policy[1] === undefined || policy[1] === "noeviction") return undefined
  return `its maxmemory-policy is ${policy[1]}, by which it may throw away sessions and messages when its memory is ` +
    "full: set it with CONFIG SET maxmemory-policy noeviction, and in its configuration file"
})
