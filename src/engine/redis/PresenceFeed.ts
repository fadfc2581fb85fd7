/**
 * Inputs of presence from the store, and then from the log; from the store again where the log cannot be continued, because
 * Redis has lost something or has gone back, or the log was trimmed.
 *
 * The store is read in pages, which does not block it, and may change meanwhile. That does no harm, because the log is
 * continued from where it was before.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as MonotonicClock from "../../base/MonotonicClock.ts"
import type { PresenceInput, TimePassed } from "../../core/folds/PresenceState.ts"
import * as EventHistory from "./EventHistory.ts"
import * as LogEntry from "./LogEntry.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as Store from "./Store.ts"

/** Milliseconds for which the next entry is waited for: `TimePassed` may be so late. */
const blockTime = 200

/** Milliseconds for which the log is read without a look at the store. */
const longest = 1_000

/** Kinds of entries that change presence. Messages are not even decoded. */
const kinds: ReadonlySet<LogEntry.Kind> = new Set(["C", "S", "U", "E"])

const inputsOf = (entry: LogEntry.LogEntry): ReadonlyArray<PresenceInput> => {
  const at = LogEntry.time(entry.position)
  return kinds.has(entry.kind) ? EventHistory.events(entry).map((event) => ({ ...event, at })) : []
}

const passed = (at: number): TimePassed => ({ _tag: "TimePassed", at })

/** Makes the reader, which returns the next inputs over a connection. */
const reader = (
  { commandTimeout, prefix }: RedisConnection.Options,
  gracePeriod: number,
  now: () => number
) => {
  const log = `${prefix}log`
  /** Position up to which entries were read, and the epoch of the store; none so far. */
  let read = 0
  let epoch = "-"
  let lookedAt = -Infinity
  /** Time before which nothing unread has happened. */
  let since = -Infinity

  /**
   * Reads the store. Sessions that have just ended are in no key, but in the log. Of those that the store has lost the log
   * has the end without the identity.
   */
  const begin = Effect.fnUntraced(function*(connection: RedisConnection.Connection, look: Store.Look) {
    const sessions = yield* Store.identifiedSessions(connection)
    const ends: Array<PresenceInput> = []
    const from = LogEntry.positionAt(Math.max(0, look.now - gracePeriod))
    yield* Store.range(connection, log, from, "+", (entries) => {
      for (const entry of entries.filter(({ kind }) => kind === "E")) {
        const ended = LogEntry.ended(entry)
        if (ended === undefined) ends.push(...inputsOf(entry))
        else sessions.set(LogEntry.clientId(entry), ended)
      }
    })
    read = look.position
    epoch = look.epoch
    const reading: PresenceInput = { _tag: "PresenceSnapshot", at: look.now, sessions }
    return [reading, ...ends]
  })

  const goOn = Effect.fnUntraced(function*(connection: RedisConnection.Connection) {
    const entries = yield* Store.next(connection, log, read, 500, blockTime, commandTimeout)
    const last = entries.at(-1)
    // A process may have joined because the store has lost everything.
    if (last === undefined || entries.some(({ kind }) => kind === "J")) lookedAt = -Infinity
    if (last === undefined) return [passed(since)]
    read = last.position
    return [...entries.flatMap(inputsOf), passed(LogEntry.time(read))]
  })

  return Effect.fnUntraced(function*(connection: RedisConnection.Connection) {
    const time = now()
    if (time - lookedAt < longest) return yield* goOn(connection)
    const look = yield* Store.look(connection, read, epoch)
    lookedAt = time
    since = look.now
    return yield* look.isContinued ? goOn(connection) : begin(connection, look)
  })
}

/** Streams all inputs, for a grace period in milliseconds. A connection that breaks is made anew. */
export const stream = (connections: RedisConnection.Options, gracePeriod: number): Stream.Stream<PresenceInput> =>
  Stream.unwrap(Effect.map(Clock.Clock, (clock) => {
    const next = reader(connections, gracePeriod, MonotonicClock.make(clock))
    return RedisConnection.reading<PresenceInput, never>(
      connections,
      "Who is there",
      (connection) => Stream.flatMap(Stream.fromEffectRepeat(next(connection)), (inputs) => Stream.fromIterable(inputs))
    )
  }))
