/**
 * Connection to Redis that lives until it breaks. It is never repaired: its user makes a new one, and knows that something
 * may have been lost on the way. A command without an answer in time counts as a break.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Scripts from "./Scripts.ts"

/** Client that speaks to Redis: one of node-redis, or anything that can do the same. It need not reconnect by itself. */
export interface RedisClient {
  readonly connect: () => Promise<unknown>
  readonly sendCommand: (args: ReadonlyArray<string>) => Promise<unknown>
  readonly destroy: () => void
  readonly on: (event: "error", listener: (error: Error) => void) => unknown
}

/** Failure of a command or of a connection. */
export class RedisUnavailable extends Data.TaggedError("RedisUnavailable")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** Open connection. */
export interface Connection {
  /** Sends a command. `commandTimeout` is in milliseconds; without an answer until then the connection counts as broken. */
  readonly command: (args: ReadonlyArray<string>, commandTimeout?: number) => Effect.Effect<unknown, RedisUnavailable>
  /** Runs a script with arguments, behind those that every script has. */
  readonly run: (script: Scripts.Script, args: ReadonlyArray<string>) => Effect.Effect<unknown, RedisUnavailable>
}

/** Options of connections. */
export interface Options {
  readonly client: () => RedisClient
  /** Beginning of all keys. */
  readonly prefix: string
  /** Milliseconds that an answer may take. */
  readonly commandTimeout: number
}

const unavailable = (cause: unknown): RedisUnavailable =>
  new RedisUnavailable({ reason: cause instanceof Error ? cause.message || cause.name : String(cause) })

/**
 * Waits for a promise, for a time in milliseconds. It is a race of fibers and not a timer: after a halt an answer that has
 * arrived is read before it is given up.
 */
const within = <A>(millis: number, promise: () => Promise<A>): Effect.Effect<A, RedisUnavailable> =>
  Effect.tryPromise({ try: promise, catch: unavailable }).pipe(
    Effect.timeoutOrElse({
      duration: Duration.millis(millis),
      orElse: () => Effect.fail(new RedisUnavailable({ reason: `no answer within ${millis} ms` }))
    })
  )

/** Opens a connection until the scope closes. */
export const open = Effect.fnUntraced(function*(
  { client: make, commandTimeout, prefix }: Options
): Effect.fn.Return<Connection, RedisUnavailable, Scope.Scope> {
  const client = yield* Effect.acquireRelease(
    Effect.try({ try: make, catch: unavailable }),
    // A client that never got a connection throws when it is destroyed.
    (client) => Effect.ignore(Effect.try(() => client.destroy()))
  )
  // Breaks show in the commands; node-redis throws an error without a listener.
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

/** Streams what `read` reads over a connection. When it breaks, `read` begins again over a new one; `what` names it in logs. */
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
