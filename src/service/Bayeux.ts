/**
 * The Bayeux service, as the application that runs the server calls it. What transports and servers need of it is in
 * `Connections`.
 *
 * It needs an `Engine` and a `Monitor`. How it works is in `Shell`, what the protocol means in `core`.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Options from "../base/Options.ts"
import * as Variables from "../base/Variables.ts"
import { type Cause, clientRequest } from "../core/Cause.ts"
import * as ClientId from "../core/ClientId.ts"
import type { Delivery } from "../core/Message.ts"
import * as Session from "../core/Session.ts"
import * as Settings from "../core/Settings.ts"
import * as State from "../core/State.ts"
import { type Counts, Engine, type EngineError, type Health } from "../engine/Engine.ts"
import { Monitor } from "../monitor/Monitor.ts"
import { Recorder } from "../recorder/RecorderService.ts"
import * as Connections from "./Connections.ts"
import type { Extension } from "./Extension.ts"
import type { Jsonable } from "./Jsonable.ts"
import * as LocalTransport from "./LocalTransport.ts"
import { Shell } from "./Shell.ts"

/** Options of {@link layer}; each may be left out. Times are `"45 seconds"`, milliseconds or a `Duration`. */
export const BayeuxOptions = Schema.Struct({
  /** Longest hold time of a `/meta/connect`. Default: 45 seconds. */
  timeout: Schema.optionalKey(Options.PositiveTime),
  /** Pause of a client before it connects again. Default: 0. */
  interval: Schema.optionalKey(Options.Time),
  /**
   * Time after which a session ends that has not connected; longer than `timeout`. Default: twice `timeout`, plus
   * `interval`.
   */
  sessionTimeout: Schema.optionalKey(Options.PositiveTime),
  /** Time that an extension may take over a message. Default: 10 seconds. */
  extensionTimeout: Schema.optionalKey(Options.PositiveTime),
  /** Maximum number of messages that wait for a session. Default: 10,000. */
  maxQueueLength: Schema.optionalKey(Options.Count),
  /** Maximum number of bytes of messages that wait for a session. Default: 16 MiB. */
  maxQueueBytes: Schema.optionalKey(Options.Count),
  /**
   * Fate of a message for which a session has no room: `end` the session, `dropOldest` or `dropNewest`. Default: `end`.
   */
  overflow: Schema.optionalKey(Schema.Literals(["end", "dropOldest", "dropNewest"])),
  /**
   * Maximum number of bytes of messages that wait for all sessions; beyond it those with the longest queues end.
   * Default: 128 MiB.
   */
  maxQueuedBytes: Schema.optionalKey(Options.Count),
  /** Maximum number of bytes of messages in one answer or frame; the rest goes with the next. Default: 1 MiB. */
  maxAnswerBytes: Schema.optionalKey(Options.Count),
  /** Maximum number of sessions of clients; a handshake more is refused with 503. Default: 100,000. */
  maxSessions: Schema.optionalKey(Options.Count),
  /** Maximum number of sessions that one WebSocket may begin. Default: 8. */
  maxSessionsPerSocket: Schema.optionalKey(Options.Count),
  /** Maximum number of subscriptions of a session. Default: 1,000. */
  maxSubscriptions: Schema.optionalKey(Options.Count),
  /** Maximum number of subscriptions of all sessions. Default: 1,000,000. */
  maxTotalSubscriptions: Schema.optionalKey(Options.Count),
  /** Maximum length of a channel, in characters. Default: 1,024. */
  maxChannelLength: Schema.optionalKey(Options.Count),
  /** Maximum number of segments of a channel. Default: 64. */
  maxChannelSegments: Schema.optionalKey(Options.Count)
})
/** Options of {@link layer}. */
export type BayeuxOptions = typeof BayeuxOptions.Type

/** A message of the application was refused. `error` is as remote clients see it. */
export class RequestRefused extends Schema.TaggedError<RequestRefused>()("BayeuxRequestRefused", {
  request: Schema.String,
  error: Schema.String
}) {
  override get message() {
    return `${this.request} was refused: ${this.error}`
  }
}

export type { Counts, Health } from "../engine/Engine.ts"

/** Session as the owner of the server sees it. */
export type SessionInfo = Session.Info

/** Running Bayeux server, without the bytes. */
export class Bayeux extends Context.Service<Bayeux, {
  /**
   * Publishes a message as the application, without a session: its event has `clientId: null`. `data` is any JSON
   * value; it is copied. Done when the engine has accepted it.
   */
  readonly publish: <A>(channel: string, data: A & Jsonable<A>) => Effect.Effect<void, RequestRefused>
  /**
   * Subscribes to a channel or pattern, `/service/**` as well, while the stream runs. The subscription is a session of
   * its own, with its events, but it does not time out. Its buffer has no bound unless one is given; a bounded one
   * loses the newest (`dropping`) or the oldest (`sliding`) messages.
   */
  readonly subscribe: (
    pattern: string,
    options?: LocalTransport.SubscribeOptions
  ) => Stream.Stream<Delivery, RequestRefused>
  /**
   * Subscribes for the time of a scope: the subscription is in place when the effect ends, so no later message is
   * missed.
   */
  readonly subscription: (
    pattern: string,
    options?: LocalTransport.SubscribeOptions
  ) => Effect.Effect<Stream.Stream<Delivery>, RequestRefused, Scope.Scope>
  /** Lists the sessions of this process. */
  readonly sessions: Effect.Effect<ReadonlyArray<SessionInfo>>
  /** Finds a session of this process. */
  readonly session: (clientId: string) => Effect.Effect<Option.Option<SessionInfo>>
  /** Numbers of sessions, and of subscribers of each pattern, over all processes that share the engine: exact. */
  readonly counts: Effect.Effect<Counts, EngineError>
  /** Lists the sessions of this process that would get a message on the channel, by whatever pattern. */
  readonly subscribers: (channel: string) => Effect.Effect<ReadonlyArray<ClientId.ClientId>>
  /**
   * Ends a session with the cause `Kicked`; its client is told the reason, as an error, and not to come back. False if
   * there is no such session.
   */
  readonly disconnect: (clientId: string, reason: string) => Effect.Effect<boolean>
  /** Adds an extension behind the others, for messages that arrive from now on. */
  readonly addExtension: (extension: Extension) => Effect.Effect<void>
  /** Takes an extension out; messages that are on their way through it are finished. */
  readonly removeExtension: (extension: Extension) => Effect.Effect<void>
  /** Whether the engine can do its work now. */
  readonly health: Effect.Effect<Health>
}>()("effect-bayeux/Bayeux") {}

const millis = (time: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(time))

const settings = (
  { interval = 0, sessionTimeout, timeout = Settings.defaults.timeout, ...bounds }: Omit<
    BayeuxOptions,
    "extensionTimeout"
  >
): Settings.Settings => {
  const times = { timeout: millis(timeout), interval: millis(interval) }
  const byDefault = 2 * times.timeout + times.interval
  return {
    ...Settings.defaults,
    ...bounds,
    ...times,
    sessionTimeout: sessionTimeout === undefined ? byDefault : millis(sessionTimeout)
  }
}

/** Checks that a session outlives a held connect, which could not be answered otherwise. */
const checkTimes = ({ sessionTimeout, timeout }: Settings.Settings) =>
  sessionTimeout > timeout
    ? Effect.void
    : Effect.fail(
      new Options.OptionsInvalid({
        owner: "Bayeux.layer",
        issue:
          `sessionTimeout is ${sessionTimeout} ms and timeout is ${timeout} ms, but a session must outlive a held ` +
          "connect: give a sessionTimeout above timeout, twice as long for instance"
      })
    )

const makeShell = Effect.fnUntraced(function*(
  { extensionTimeout = "10 seconds", ...protocol }: BayeuxOptions,
  engine: Engine["Service"]
) {
  const runFork = yield* FiberSet.makeRuntime()
  const monitor = yield* Monitor
  const shell = new Shell({
    settings: settings(protocol),
    extensionTimeout: Duration.fromInputUnsafe(extensionTimeout),
    engine,
    monitor,
    clock: yield* Clock.Clock,
    runFork
  })
  yield* monitor.observe(() => shell.state)
  yield* record(shell, monitor)
  yield* engine.listen({
    onOutcome: (outcome) => shell.happened(outcome),
    state: () => shell.state,
    unconfirmed: () => shell.unconfirmed()
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => shell.stop()))
  return shell
})

/** Records the service if there is a recorder. It is recorded to the end, so this begins before everything else. */
const record = Effect.fnUntraced(function*(shell: Shell, monitor: Monitor["Service"]) {
  const recorder = yield* Effect.serviceOption(Recorder)
  if (Option.isNone(recorder)) return
  const { newest: sequence, node } = monitor
  shell.record(yield* recorder.value.record({ node, sequence, state: () => shell.state, now: () => shell.now }))
})

/** Ends a session, wherever it is. An engine that cannot be asked knows of none. */
const disconnect = (shell: Shell, engine: Engine["Service"], name: string, cause: Cause): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const clientId = ClientId.parse(name)
    if (clientId === undefined) return false
    const exists = State.session(shell.state, clientId) !== undefined || (yield* engine.hasSession(clientId))
    if (exists) shell.endSession(clientId, cause)
    return exists
  }).pipe(
    Effect.catch((error) => Effect.as(Effect.logWarning(`A session could not be ended: ${error.message}`), false))
  )

const make = Effect.fnUntraced(function*(input: unknown) {
  const options = yield* Options.decode("Bayeux.layer", BayeuxOptions, input)
  yield* checkTimes(settings(options))
  const engine = yield* Engine
  const shell = yield* makeShell(options, engine)
  const connections = Connections.make(shell, engine)
  const { open } = connections
  const local = { open, leave: (clientId: ClientId.ClientId) => shell.endSession(clientId, clientRequest) }
  const refused = (request: string) => (error: string) => new RequestRefused({ request, error })
  const subscription = (pattern: string, options?: LocalTransport.SubscribeOptions) =>
    Effect.mapError(LocalTransport.subscribe(local, pattern, options), refused(`Subscribing to "${pattern}"`))
  const bayeux = Bayeux.of({
    publish: (channel, data) =>
      Effect.mapError(LocalTransport.publish(open, channel, data), refused(`Publishing to "${channel}"`)),
    subscribe: (pattern, options) => Stream.unwrap(subscription(pattern, options)),
    subscription,
    sessions: Effect.sync(() => State.infos(shell.state)),
    session: (clientId) =>
      Effect.sync(() => Option.map(Option.fromUndefinedOr(State.session(shell.state, clientId)), Session.info)),
    counts: engine.counts,
    subscribers: (channel) => Effect.sync(() => State.subscribers(shell.state, channel)),
    disconnect: (clientId, reason) => disconnect(shell, engine, clientId, { _tag: "Kicked", reason }),
    addExtension: (extension) => Effect.sync(() => shell.install([...shell.extensions, extension])),
    removeExtension: (extension) =>
      Effect.sync(() => shell.install(shell.extensions.filter((other) => other !== extension))),
    health: SubscriptionRef.get(engine.health)
  })
  return Context.make(Bayeux, bayeux).pipe(Context.add(Connections.Connections, connections))
})

/**
 * Runs the service, and the {@link Connections.Connections} for transports and servers. Options that do not exist or
 * make no sense fail with `OptionsInvalid`.
 */
export const layer = (
  options: BayeuxOptions = {}
): Layer.Layer<
  Bayeux | Connections.Connections,
  Options.OptionsInvalid | EngineError,
  Engine | Monitor
> => Layer.effectContext(make(options))

/** Options from the variables of the command: `BAYEUX_TIMEOUT` and `BAYEUX_SESSION_TIMEOUT` in seconds, `BAYEUX_INTERVAL` in ms. */
export const config: Config.Config<BayeuxOptions> = Variables.options({
  timeout: Config.map(Variables.timeout, Duration.seconds),
  sessionTimeout: Config.map(Variables.sessionTimeout, Duration.seconds),
  interval: Variables.interval
})

/** The service with options from the configuration; by default from the variables of the command ({@link config}). */
export const layerConfig = (
  options: Config.Wrap<BayeuxOptions> = config
): Layer.Layer<
  Bayeux | Connections.Connections,
  Config.ConfigError | Options.OptionsInvalid | EngineError,
  Engine | Monitor
> => Layer.unwrap(Effect.map(Config.unwrap(options), layer))

/**
 * Installs extensions, in this order and behind those that are installed already, for as long as the layer lives. Their
 * services are taken from where the layer is built.
 */
export const layerExtensions = <R = never>(
  ...extensions: ReadonlyArray<Extension<R>>
): Layer.Layer<never, never, Bayeux | R> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const bayeux = yield* Bayeux
    const context = yield* Effect.context<R>()
    for (const extension of extensions) {
      const provided = provide(extension, context)
      yield* Effect.acquireRelease(bayeux.addExtension(provided), () => bayeux.removeExtension(provided))
    }
  }))

const provide = <R>(extension: Extension<R>, context: Context.Context<R>): Extension => {
  const { incoming, name, outgoing } = extension
  return {
    name,
    ...(incoming && { incoming: (message, at) => Effect.provideContext(incoming(message, at), context) }),
    ...(outgoing && { outgoing: (message, at) => Effect.provideContext(outgoing(message, at), context) })
  }
}
