/** Events out of the log: the same that the processes emit, each at the position of its entry. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { clientRequest } from "../../core/Cause.ts"
import { type Event, handshake, unsubscribes } from "../../core/MonitorEvent.ts"
import { type ClusterEvent, EngineError } from "../Engine.ts"
import * as LogEntry from "./LogEntry.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as Store from "./Store.ts"

/** Returns the events of an entry, in order. */
export const events = (entry: LogEntry.LogEntry): ReadonlyArray<Event> => {
  const clientId = LogEntry.clientId(entry)
  switch (entry.kind) {
    case "P": {
      const { channel, data } = LogEntry.message(entry)
      return [{ _tag: "Publish", clientId: LogEntry.publisher(entry), channel, data }]
    }
    case "C":
      return [handshake(clientId, LogEntry.identity(entry))]
    case "S":
      return LogEntry.added(entry).map((channel) => ({ _tag: "Subscribe", clientId, channel }))
    case "U": {
      const patterns = LogEntry.removed(entry).map(({ pattern }) => pattern)
      return unsubscribes(patterns, { clientId, cause: clientRequest, withSession: false })
    }
    case "E": {
      const { cause, patterns } = LogEntry.end(entry)
      return [
        ...unsubscribes(patterns, { clientId, cause, withSession: true }),
        { _tag: "Disconnect", clientId, cause }
      ]
    }
    case "A":
    case "G":
    case "J":
    case "D":
    case "O":
    case "R":
    case "W":
      return []
  }
}

/** Place after the first `count` events of an entry. */
interface Place {
  readonly position: number
  readonly count: number
}

const print = ({ count, position }: Place): string => `${position}.${count}`

const parse = (text: string): Place | undefined => {
  const match = /^(\d{1,16})\.(\d{1,9})$/.exec(text)
  return match === null ? undefined : { position: Number(match[1]), count: Number(match[2]) }
}

/** Returns the events of an entry, without those before a place. */
const behind = (entry: LogEntry.LogEntry, place: Place | undefined): ReadonlyArray<ClusterEvent> => {
  const { node, position } = entry
  const at = LogEntry.time(position)
  return events(entry)
    .map((event, i): ClusterEvent => ({ ...event, position: print({ position, count: i + 1 }), at, node }))
    .slice(position === place?.position ? place.count : 0)
}

const noPlace = (from: string): EngineError =>
  new EngineError({ reason: `"${from}" is no position: give that of an event of the cluster, or none to begin now` })

const trimmed = (from: number): EngineError =>
  new EngineError({
    reason:
      `The log does not reach back to ${
        DateTime.formatIso(DateTime.makeUnsafe(LogEntry.time(from)))
      } any more: begin without a ` +
      "position, and give the engine a longer retention if a consumer may be away for so long"
  })

/**
 * Streams all events after a position (`ClusterEvent.position`), or from now on. A connection that breaks is made anew. Fails
 * with `EngineError` if the position is not one, or the log no longer reaches back to it.
 */
export const stream = (
  connections: RedisConnection.Options,
  from: string | undefined
): Stream.Stream<ClusterEvent, EngineError> => {
  const log = `${connections.prefix}log`
  const place = from === undefined ? undefined : parse(from)
  if (from !== undefined && place === undefined) return Stream.fail(noPlace(from))
  /** Position up to which entries were read. The entry of the place may have events that are still to come. */
  let read = place === undefined ? undefined : place.position - 1

  const next = Effect.fnUntraced(function*(connection: RedisConnection.Connection) {
    const after = read ?? (yield* Store.position(connection, connections.prefix))
    const entries = yield* Store.next(connection, log, after, 500, 1_000, connections.commandTimeout)
    read = entries.at(-1)?.position ?? after
    return entries.flatMap((entry) => behind(entry, place))
  })

  return RedisConnection.reading(
    connections,
    "The events of the cluster",
    (connection) =>
      Stream.unwrap(Effect.gen(function*() {
        const first = yield* Store.first(connection, log)
        if (read !== undefined && first > read + 1) return yield* trimmed(read)
        return Stream.flatMap(Stream.fromEffectRepeat(next(connection)), (events) => Stream.fromIterable(events))
      }))
  )
}
