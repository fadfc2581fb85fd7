#!/usr/bin/env node
/**
 * The command: a Bayeux server with all transports, in memory or with Redis, and a page to try it. Events go to standard
 * output if asked for; everything else goes to standard error.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import {
  Cause,
  Config,
  Console,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  type Redacted,
  References,
  Runtime,
  Scope
} from "effect"
import { CliError, CliOutput, Command, Flag } from "effect/cli"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import * as Bayeux from "./Bayeux.ts"
import * as ChatPage from "./ChatPage.ts"
import * as Inspect from "./commands/inspect.ts"
import * as Replay from "./commands/replay.ts"
import * as Engine from "./engine/Engine.ts"
import * as MemoryEngine from "./engine/MemoryEngine.ts"
import * as RedisEngine from "./engine/RedisEngine.ts"
import * as EventLog from "./EventLog.ts"
import * as Metrics from "./monitor/Metrics.ts"
import * as MetricsPage from "./monitor/MetricsPage.ts"
import * as Monitor from "./monitor/Monitor.ts"
import * as MonitorPage from "./monitor/MonitorPage.ts"
import * as Recorder from "./monitor/Recorder.ts"
import * as Tracing from "./monitor/Tracing.ts"
import * as Telemetry from "./Telemetry.ts"
import * as CallbackPollingTransport from "./transport/CallbackPollingTransport.ts"
import * as EventSourceTransport from "./transport/EventSourceTransport.ts"
import * as FayeClient from "./transport/FayeClient.ts"
import { respondError } from "./transport/Http.ts"
import * as LongPollingTransport from "./transport/LongPollingTransport.ts"
import * as NodeServer from "./transport/NodeServer.ts"
import * as WebSocketTransport from "./transport/WebSocketTransport.ts"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

/** Each option can be set in the environment, too: `--log-events` is `BAYEUX_LOG_EVENTS`. */
const fromEnvironment = <A>(config: Config.Config<A>) => Flag.withFallbackConfig(Config.nested(config, "BAYEUX"))

const flags = {
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on; 0.0.0.0 is every address of the machine (default: 127.0.0.1)"),
    fromEnvironment(Config.NonEmptyString("HOST")),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("The port to listen on; 0 takes a free one (default: 8000)"),
    fromEnvironment(Config.Int("PORT")),
    Flag.withDefault(8000)
  ),
  mount: Flag.String("mount").pipe(
    Flag.withDescription("The path of the service (default: /bayeux)"),
    fromEnvironment(Config.String("MOUNT")),
    Flag.withDefault("/bayeux")
  ),
  timeout: Flag.Finite("timeout").pipe(
    Flag.withDescription(
      "How many seconds a connect is held; a session ends after twice as many without one (default: 45)"
    ),
    fromEnvironment(Config.Finite("TIMEOUT")),
    Flag.withDefault(45)
  ),
  interval: Flag.Finite("interval").pipe(
    Flag.withDescription("How many milliseconds a client waits before it connects again (default: 0)"),
    fromEnvironment(Config.Finite("INTERVAL")),
    Flag.withDefault(0)
  ),
  ping: Flag.Finite("ping").pipe(
    Flag.withDescription("How many seconds pass between two pings of an open socket (default: 20)"),
    fromEnvironment(Config.Finite("PING")),
    Flag.withDefault(20)
  ),
  engine: Flag.String("engine").pipe(
    Flag.withDescription(
      "Where sessions are kept: memory, or redis://host:port for several processes; ?namespace=name keeps services apart (default: memory)"
    ),
    fromEnvironment(Config.String("ENGINE")),
    Flag.withDefault("memory")
  ),
  lease: Flag.Finite("lease").pipe(
    Flag.withDescription(
      "How many seconds a process may be silent before others go on with its sessions, with Redis (default: 5)"
    ),
    fromEnvironment(Config.Finite("LEASE")),
    Flag.withDefault(5)
  ),
  monitorToken: Flag.Redacted("monitor-token").pipe(
    Flag.withDescription(
      "What one has to know to see the page at /monitor; without one it is served on a loopback address only"
    ),
    fromEnvironment(Config.Redacted("MONITOR_TOKEN")),
    Flag.optional
  ),
  logEvents: Flag.Boolean("log-events").pipe(
    Flag.withDescription("Print each monitoring event as a line of JSON on standard output"),
    fromEnvironment(Config.Boolean("LOG_EVENTS")),
    Flag.withDefault(false)
  ),
  metrics: Flag.Boolean("metrics").pipe(
    Flag.withDescription("Show metrics for Prometheus at /metrics, to whoever reaches the server"),
    fromEnvironment(Config.Boolean("METRICS")),
    Flag.withDefault(false)
  ),
  otlp: Flag.String("otlp").pipe(
    Flag.withDescription(
      "Send metrics and traces to this collector of OpenTelemetry, such as http://127.0.0.1:4318; OTEL_… variables say more"
    ),
    Flag.withFallbackConfig(Telemetry.endpoint),
    Flag.optional
  ),
  record: Flag.String("record").pipe(
    Flag.withDescription(
      "Record everything that happens to this file and FILE.1, for effect-bayeux replay and inspect"
    ),
    fromEnvironment(Config.NonEmptyString("RECORD")),
    Flag.withDefault("")
  ),
  recordSize: Flag.Finite("record-size").pipe(
    Flag.withDescription("How many megabytes both files may take together (default: 64)"),
    fromEnvironment(Config.Finite("RECORD_SIZE")),
    Flag.withDefault(64)
  ),
  recordPlain: Flag.Boolean("record-plain").pipe(
    Flag.withDescription("Record client ids as they are, and not keyed hashes of them: they are secrets"),
    fromEnvironment(Config.Boolean("RECORD_PLAIN")),
    Flag.withDefault(false)
  ),
  recordRedact: Flag.Boolean("record-redact").pipe(
    Flag.withDescription("Record the kind and length of what is published, and not the data"),
    fromEnvironment(Config.Boolean("RECORD_REDACT")),
    Flag.withDefault(false)
  )
}

interface Settings {
  readonly host: string
  readonly port: number
  readonly mount: string
  readonly timeout: number
  readonly interval: number
  readonly ping: number
  readonly engine: string
  readonly lease: number
  readonly monitorToken: Option.Option<Redacted.Redacted>
  readonly metrics: boolean
  readonly otlp: Option.Option<string>
  readonly record: string
  readonly recordSize: number
  readonly recordPlain: boolean
  readonly recordRedact: boolean
}

/** Whether the monitor page may be served: whoever listens for other machines needs a token for it. */
const isMonitored = ({ host, monitorToken }: Settings): boolean =>
  Option.isSome(monitorToken) || host === "localhost" || MonitorPage.isLoopback(host)

const monitorPath = "/monitor"

const noMonitor = "The monitor page is not served: give --monitor-token or BAYEUX_MONITOR_TOKEN, without which it is " +
  "there on a loopback address only"

/** The monitor page; or in its place a sentence, for those who look for it and for those who read the log. */
const monitorLayer = (settings: Settings) => {
  if (isMonitored(settings)) {
    return MonitorPage.layer({
      path: monitorPath,
      ...Option.match(settings.monitorToken, { onNone: () => undefined, onSome: (token) => ({ token }) })
    })
  }
  return Layer.effectDiscard(Effect.gen(function*() {
    const { server } = yield* NodeServer.NodeServer
    yield* NodeServer.servePath(
      server,
      monitorPath,
      (request, response) => respondError({ request, response }, { status: 404, sentence: noMonitor })
    )
    yield* Effect.logInfo(noMonitor)
  }))
}

/** The engine that is meant: its name, or the URL of Redis with the namespace as a parameter. */
const engineLayer = ({ engine, lease }: Settings) => {
  if (engine === "memory") return MemoryEngine.layer
  if (!/^rediss?:\/\//.test(engine) || !URL.canParse(engine)) {
    return Layer.effect(
      Engine.Engine,
      Effect.fail(
        new Engine.EngineError({
          reason:
            `There is no engine "${engine}": give --engine or BAYEUX_ENGINE memory, or a URL such as redis://127.0.0.1:6379`
        })
      )
    )
  }
  const url = new URL(engine)
  const namespace = url.searchParams.get("namespace")
  url.search = ""
  return RedisEngine.layer({ url: url.href, lease: lease * 1000, ...(namespace === null ? undefined : { namespace }) })
}

/** What watches the service, as far as it is asked for. */
const telemetryLayer = ({ metrics, otlp }: Settings) =>
  Layer.mergeAll(
    metrics || Option.isSome(otlp) ? Metrics.layer() : Layer.empty,
    Option.isSome(otlp) ? Tracing.layer() : Layer.empty
  )

const recorderLayer = ({ record, recordPlain, recordRedact, recordSize }: Settings) =>
  record === "" ? Layer.empty : Recorder.layer({
    file: record,
    maxBytes: Math.floor(recordSize * 1_000_000),
    clientIds: recordPlain ? "plain" : "hashed",
    redact: recordRedact
  })

const serverLayer = (settings: Settings) => {
  const { host, interval, mount, ping, port, timeout } = settings
  const transports = Layer.mergeAll(
    WebSocketTransport.layer({ ping: ping * 1000 }),
    EventSourceTransport.layer({ ping: ping * 1000 }),
    LongPollingTransport.layer(),
    CallbackPollingTransport.layer,
    FayeClient.layer
  )
  const outside = ChatPage.serve(mount, isMonitored(settings))
  const server = NodeServer.layer({ host, port, mount, createServer: () => createServer(outside) })
  return Layer.mergeAll(monitorLayer(settings), settings.metrics ? MetricsPage.layer() : Layer.empty).pipe(
    Layer.provideMerge(server),
    Layer.provide(transports),
    Layer.provide(telemetryLayer(settings)),
    Layer.provideMerge(Bayeux.layer({ timeout: timeout * 1000, interval })),
    Layer.provide(recorderLayer(settings)),
    Layer.provideMerge(engineLayer(settings)),
    Layer.provide(Option.match(settings.otlp, { onNone: () => Layer.empty, onSome: Telemetry.layer }))
  )
}

const announce = Effect.gen(function*() {
  const { url } = yield* NodeServer.NodeServer
  const page = new URL("/", url)
  yield* Effect.logInfo(`Listening on ${url} (try it at ${page})`)
})

/** Prints events in a scope that outlives the monitor, whose end is the end of the events. */
const logEvents = Effect.fnUntraced(function*(scope: Scope.Scope) {
  const print = yield* Scope.provide(EventLog.make(process.stdout), scope)
  const printing = yield* Effect.forkIn(print, scope)
  yield* Scope.addFinalizer(scope, Effect.timeoutOption(Fiber.await(printing), "1 second"))
})

const serve = Effect.fnUntraced(function*(settings: Settings & { readonly logEvents: boolean }) {
  const scope = yield* Effect.scope
  const running = Effect.provide(Effect.andThen(announce, Effect.never), serverLayer(settings))
  const monitored = settings.logEvents ? Effect.andThen(logEvents(scope), running) : running
  return yield* Effect.provide(monitored, Monitor.layer())
}, Effect.scoped)

const command = Command.make("effect-bayeux", flags, serve).pipe(
  Command.withDescription("A Bayeux publish/subscribe server for Faye and CometD clients"),
  Command.withSubcommands([Replay.command, Inspect.command]),
  Command.run({ version })
)

/** What is wrong with a call goes to standard error, with where to read more: standard output is for events. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(`${event.errors.map(({ message }) => message).join("\n")}\nSee: effect-bayeux --help`)
      : CliOutput.defaultPresenter.present(event)
}

/** A stop by signal is a success: it ends in good order. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

const isSentence = (error: unknown): error is Error => error instanceof Error && error.message !== ""

command.pipe(
  Effect.tapError((error) =>
    CliError.isCliError(error) || !isSentence(error) ? Effect.void : Console.error(error.message)
  ),
  Effect.provideService(References.LogToStderr, true),
  Effect.provideService(CliOutput.Presenter, presenter),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)
