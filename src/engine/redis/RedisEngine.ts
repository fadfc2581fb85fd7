/**
 * Engine of several processes: sessions and messages are in Redis (or Valkey), and any process may get any message of any
 * client.
 *
 * Every change of every process becomes one entry of one log. Each process reads the log and makes outcomes of the entries,
 * so all see the same in the same order: no message can overtake a subscription, and an answer that was lost on the way from
 * Redis does no harm, because the answer is the entry. A session is served by one process, its owner, until its client
 * connects at another one. `docs/redis.md` has the promises.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { createClient } from "redis"
import * as Options from "../../base/Options.ts"
import * as Variables from "../../base/Variables.ts"
import type { Change } from "../../core/Change.ts"
import type { ClientId } from "../../core/ClientId.ts"
import { Engine, EngineError, type Health, type Listener } from "../Engine.ts"
import * as EventHistory from "./EventHistory.ts"
import * as Member from "./Member.ts"
import * as PresenceFeed from "./PresenceFeed.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as Store from "./Store.ts"

const fields = {
  /** URL of Redis. Default: `redis://127.0.0.1:6379`. */
  url: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[a-z][a-z+]*:/i, { expected: "a URL such as \"redis://127.0.0.1:6379\"" }))
  ),
  /** Name that separates services on the same Redis. Default: `bayeux`. */
  namespace: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[^\s{}]+$/, { expected: "a name without spaces and braces, such as \"bayeux\"" })
    )
  ),
  /** Time for which a process may be silent before others continue its sessions. Default: 5 seconds. */
  lease: Schema.optionalKey(Options.PositiveTime),
  /**
   * Time for which the log is kept: longer than a session may stay away (`sessionTimeout` and `lease`), and as long as a
   * consumer of `Monitor.cluster` may. Default: 10 minutes.
   */
  retention: Schema.optionalKey(Options.PositiveTime),
  /** Most changes that wait while Redis cannot be asked. Default: 10,000. */
  maxQueued: Schema.optionalKey(Options.Count),
  /** Time for which a change waits before it is refused. Default: 10 seconds. */
  maxQueuedTime: Schema.optionalKey(Options.PositiveTime)
}

/** Options of {@link layer}; each may be left out. Times are `"5 seconds"`, milliseconds or a `Duration`. */
export const RedisOptions = Schema.Struct(fields)
/** Options of {@link layer}. */
export type RedisOptions = typeof RedisOptions.Type & {
  /**
   * Makes the client of a connection, where a URL is not enough (Sentinel, certificates, ACL): one of node-redis that speaks
   * RESP 2 and is not connected yet. Each connection has a client of its own.
   */
  readonly client?: () => RedisConnection.RedisClient
}

/** Options with defaults, times in milliseconds. */
export interface Resolved {
  readonly url: string
  readonly prefix: string
  readonly lease: number
  readonly retention: number
  readonly maxQueued: number
  readonly maxQueuedTime: number
}

const settings = (options: typeof RedisOptions.Type): Resolved => ({
  url: options.url ?? "redis://127.0.0.1:6379",
  prefix: `{${options.namespace ?? "bayeux"}}:`,
  lease: Duration.toMillis(options.lease ?? "5 seconds"),
  retention: Duration.toMillis(options.retention ?? "10 minutes"),
  maxQueued: options.maxQueued ?? 10_000,
  maxQueuedTime: Duration.toMillis(options.maxQueuedTime ?? "10 seconds")
})

/** Makes clients of node-redis that do not reconnect (see `RedisConnection`). */
const clientOf = (url: string) => (): RedisConnection.RedisClient => {
  const client = createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    socket: { reconnectStrategy: false },
    maintNotifications: "disabled"
  })
  return {
    connect: () => client.connect(),
    sendCommand: (args) => client.sendCommand([...args]),
    destroy: () => client.destroy(),
    on: (event, listener) => client.on(event, listener)
  }
}

const engineError = ({ reason }: RedisConnection.RedisUnavailable): EngineError =>
  new EngineError({ reason: `Redis cannot be asked: ${reason}` })

/** Returns a URL without its password. */
const shown = (url: string): string => url.replace(/\/\/[^@/]*@/, "//")

const beginning = "no service has begun"

/** Checks that the server is there and will do. Fails with `EngineError`, which says what to do. */
const check = Effect.fnUntraced(function*(connections: RedisConnection.Options, url: string) {
  const complaint = yield* Effect.scoped(Effect.flatMap(RedisConnection.open(connections), Store.complaint)).pipe(
    Effect.mapError(({ reason }) =>
      new EngineError({
        reason: `Redis cannot be reached at ${shown(url)} (${reason}): start it, or give the right url`
      })
    )
  )
  if (complaint !== undefined) {
    return yield* new EngineError({ reason: `The Redis server at ${shown(url)} cannot be used: ${complaint}` })
  }
})

const make = Effect.fnUntraced(function*({ client, ...input }: RedisOptions) {
  const { lease, maxQueued, maxQueuedTime, prefix, retention, url } = settings(
    yield* Options.decode("RedisEngine.layer", RedisOptions, input)
  )
  const connections: RedisConnection.Options = {
    client: client ?? clientOf(url),
    prefix,
    commandTimeout: Math.max(lease, 1_000)
  }
  yield* check(connections, url)
  const clock = yield* Clock.Clock
  const health = yield* SubscriptionRef.make<Health>({
    status: "down",
    detail: beginning,
    since: clock.currentTimeMillisUnsafe()
  })
  let member: Member.Member | undefined

  const setHealth = Effect.fnUntraced(function*(status: Health["status"], detail: string) {
    const before = yield* SubscriptionRef.get(health)
    if (before.status === status && before.detail === detail) return
    const since = before.status === status ? before.since : clock.currentTimeMillisUnsafe()
    yield* SubscriptionRef.set(health, { status, detail, since })
    if (status === "down") yield* Effect.logWarning(`Redis cannot be asked (${detail}): orders wait`)
    else if (before.detail !== beginning) yield* Effect.logInfo("Redis can be asked again")
  })

  const listen = Effect.fnUntraced(function*(listener: Listener) {
    if (member !== undefined) {
      return yield* new EngineError({
        reason:
          "This RedisEngine already serves a Bayeux service, and it can serve one only: give each service an engine of its own (Layer.fresh(RedisEngine.layer(…)))"
      })
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => member = undefined))
    member = yield* Member.join({ connections, lease, retention, maxQueued, maxQueuedTime, listener, setHealth })
  })

  /** Asks as a member, or over a connection for this question only. */
  const ask = <A>(
    question: (connection: RedisConnection.Connection) => Effect.Effect<A, RedisConnection.RedisUnavailable>
  ): Effect.Effect<A, EngineError> =>
    Effect.suspend(() =>
      member?.ask(question) ?? Effect.scoped(Effect.flatMap(RedisConnection.open(connections), question))
    )
      .pipe(Effect.mapError(engineError))

  return Engine.of({
    isShared: true,
    commit: (change: Change) => member?.commit(change),
    listen,
    counts: ask((connection) => Store.counts(connection, prefix)),
    hasSession: (clientId: ClientId) => ask((connection) => Store.hasSession(connection, prefix, clientId)),
    cluster: (from) => EventHistory.stream(connections, from),
    hasOthers: Effect.suspend(() => ask((connection) => Store.hasOthers(connection, member?.name ?? ""))),
    presenceFeed: (gracePeriod) => PresenceFeed.stream(connections, gracePeriod),
    health
  })
})

/** Provides an engine in Redis, for one service. Fails with `OptionsInvalid`, or with `EngineError` if the server will not do. */
export const layer = (
  options: RedisOptions = {}
): Layer.Layer<Engine, Options.OptionsInvalid | EngineError> => Layer.effect(Engine, make(options))

/** Splits a URL as the command takes it, with the namespace as a parameter: `redis://127.0.0.1:6379?namespace=shop`. */
export const parseUrl = (engine: string): Pick<RedisOptions, "namespace" | "url"> => {
  if (!URL.canParse(engine)) return { url: engine }
  const url = new URL(engine)
  const namespace = url.searchParams.get("namespace")
  url.search = ""
  return { url: url.href, ...(namespace === null ? undefined : { namespace }) }
}

/** Options from the variables of the command: `BAYEUX_ENGINE`, a URL with `?namespace=`, and `BAYEUX_LEASE` in seconds. */
export const config: Config.Config<RedisOptions> = Config.map(
  Variables.options<{ readonly engine?: string; readonly lease?: Duration.Duration }>({
    engine: Variables.engine,
    lease: Config.map(Variables.lease, Duration.seconds)
  }),
  ({ engine, ...rest }) => ({ ...rest, ...(engine !== undefined && parseUrl(engine)) })
)

/**
 * Provides the same with options from the configuration; by default from the variables of the command ({@link config}), or for
 * instance `RedisEngine.layerConfig({ url: Config.String("REDIS_URL") })`.
 */
export const layerConfig = (
  options: Config.Wrap<RedisOptions> = config
): Layer.Layer<Engine, Config.ConfigError | Options.OptionsInvalid | EngineError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
