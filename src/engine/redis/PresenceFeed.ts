/**
 * Who is there, as the store has it, and then as the log tells it; from the beginning again where the log cannot be read
 * on: Redis has lost something or has gone back, or the log was trimmed.
 *
 * The store is read in pages, so as not to hold up everybody else, and may change meanwhile. That does no harm, because
 * the log is read on from where it was before.
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

/** How long it is waited for the next entry, in milliseconds: so much later it may be told that time has passed. */
const blockTime = 200

/** How long the log is read on without a look at the store, in milliseconds. */
const longest = 1_000

/** The kinds of entries that tell who is there; what was published is not even decoded. */
const kinds: ReadonlySet<LogEntry.Kind> = new Set(["C", "S", "U", "E"])

const inputsOf = (entry: LogEntry.LogEntry): ReadonlyArray<PresenceInput> => {
  const at = LogEntry.time(entry.position)
  return kinds.has(entry.kind) ? EventHistory.events(entry).map((event) => ({ ...event, at })) : []
}

const passed = (at: number): TimePassed => ({ _tag: "TimePassed", at })

/** Gives what is told next, over one connection after the other. */
const reader = (
  { commandTimeout, prefix }: RedisConnection.Options,
  gracePeriod: number,
  now: () => number
) => {
  const log = `${prefix}log`
  /** All entries up to here have been read, of this epoch: of none so far. */
  let read = 0
  let epoch = "-"
  let lookedAt = -Infinity
  /** Nothing that has not been read yet has happened before. */
  let since = -Infinity

  /**
   * Those who have gone just before are in no key any more: the log knows them. Of sessions that the store has lost it
   * knows that they have ended, and not whose they were.
   */
  const begin = Effect.fnUntraced(function*(connection: RedisConnection.Connection, look: Store.Look) {
    const sessions = yield* Store.roll(connection)
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
    // A process that has joined may have done so because the store has lost everything.
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

/** Everything there is to tell, whatever becomes of the connection. */
export const stream = (connections: RedisConnection.Options, gracePeriod: number): Stream.Stream<PresenceInput> =>
  Stream.unwrap(Effect.map(Clock.Clock, (clock) => {
    const next = reader(connections, gracePeriod, MonotonicClock.make(clock))
    return RedisConnection.reading<PresenceInput, never>(
      connections,
      "Who is there",
      (connection) => Stream.flatMap(Stream.fromEffectRepeat(next(connection)), (told) => Stream.fromIterable(told))
    )
  }))
