/**
 * A connection to Redis that lives until it breaks: it is never repaired, but made anew by whoever needs it, who then
 * knows that something may have been lost on the way. A command that gets no answer in time counts as a break.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Scripts from "./Scripts.ts"

/** What is needed of a client: one of node-redis, or anything that can do the same. It need not reconnect by itself. */
export interface RedisClient {
  readonly connect: () => Promise<unknown>
  readonly sendCommand: (args: ReadonlyArray<string>) => Promise<unknown>
  readonly destroy: () => void
  readonly on: (event: "error", listener: (error: Error) => void) => unknown
}

/** Redis cannot be asked, or does not do what it was asked. */
export class RedisUnavailable extends Data.TaggedError("RedisUnavailable")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** An open connection. */
export interface Connection {
  /** Sends a command; without an answer within the time the connection counts as broken. */
  readonly command: (args: ReadonlyArray<string>, commandTimeout?: number) => Effect.Effect<unknown, RedisUnavailable>
  /** Runs a script. */
  readonly run: (script: Scripts.Script, args: ReadonlyArray<string>) => Effect.Effect<unknown, RedisUnavailable>
}

/** What opens connections. */
export interface Options {
  readonly client: () => RedisClient
  /** What all keys begin with. */
  readonly prefix: string
  /** How long an answer may take, in milliseconds. */
  readonly commandTimeout: number
}

const unavailable = (cause: unknown): RedisUnavailable =>
  new RedisUnavailable({ reason: cause instanceof Error ? cause.message || cause.name : String(cause) })

/** What a promise gives in time. A race of fibers and no bare timer: after a halt what has come is read before it is given up. */
const within = <A>(millis: number, promise: () => Promise<A>): Effect.Effect<A, RedisUnavailable> =>
  Effect.tryPromise({ try: promise, catch: unavailable }).pipe(
    Effect.timeoutOrElse({
      duration: Duration.millis(millis),
      orElse: () => Effect.fail(new RedisUnavailable({ reason: `no answer within ${millis} ms` }))
    })
  )

/** Opens a connection for as long as the scope is open. */
export const open = Effect.fnUntraced(function*(
  { client: make, commandTimeout, prefix }: Options
): Effect.fn.Return<Connection, RedisUnavailable, Scope.Scope> {
  const client = yield* Effect.acquireRelease(
    Effect.try({ try: make, catch: unavailable }),
    // A client that never got a connection throws when it is destroyed.
    (client) => Effect.ignore(Effect.try(() => client.destroy()))
  )
  // A break shows in the commands; node-redis throws what nobody listens for.
  client.on("error", () => {})
  yield* within(commandTimeout, () => client.connect())
  const hashes = new Map<string, string>()
  const command: Connection["command"] = (args, time = commandTimeout) => within(time, () => client.sendCommand(args))
  return {
    command,
    run: Effect.fnUntraced(function*(script, args) {
      let hash = hashes.get(script.name)
      if (hash === undefined) {
        hash = String(yield* command(["SCRIPT", "LOAD", script.text]))
        hashes.set(script.name, hash)
      }
      return yield* command(["EVALSHA", hash, "1", `${prefix}log`, prefix, ...args])
    })
  }
})

/** What is read over a connection, which is made anew when it breaks: then `read` begins again. */
export const reading = <A, E>(
  options: Options,
  what: string,
  read: (connection: Connection) => Stream.Stream<A, E | RedisUnavailable>
): Stream.Stream<A, E> => {
  const again: Stream.Stream<A, E> = Stream.unwrap(Effect.map(open(options), read)).pipe(
    Stream.catch((error) =>
      error instanceof RedisUnavailable
        ? Stream.unwrap(
          Effect.logWarning(`${what} cannot be read (${error.reason}): trying again`).pipe(
            Effect.andThen(Effect.sleep("1 second")),
            Effect.as(again)
          )
        )
        : Stream.fail(error)
    )
  )
  return again
}
