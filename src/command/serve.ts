/**
 * `effect-bayeux`: a server with all transports, in memory or with Redis, a page for a first try and the monitor page.
 * Events go to standard output with `--log-events`.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import * as Variables from "../base/Variables.ts"
import * as Engine from "../engine/Engine.ts"
import * as MemoryEngine from "../engine/MemoryEngine.ts"
import * as Monitor from "../monitor/Monitor.ts"
import { isLoopback } from "../page/Access.ts"
import * as Bayeux from "../service/Bayeux.ts"
import * as EventSourceTransport from "../transport/EventSourceTransport.ts"
import * as FayeClient from "../transport/FayeClient.ts"
import { respondError } from "../transport/Http.ts"
import * as LongPollingTransport from "../transport/LongPollingTransport.ts"
import * as NodeServer from "../transport/NodeServer.ts"
import * as WebSocketTransport from "../transport/WebSocketTransport.ts"
import * as ChatPage from "./ChatPage.ts"
import type { ServeFlags } from "./flags.ts"
import * as Loading from "./Loading.ts"

/** Whether only this machine can reach the server, and no proxy is expected. */
const isLocal = ({ host, socket }: ServeFlags): boolean =>
  Option.isNone(socket) && (host === "localhost" || isLoopback(host))

/** Whether the monitor page is served. A server for other machines or for a proxy needs a token for that. */
const servesMonitor = (flags: ServeFlags): boolean => Option.isSome(flags.monitorToken) || isLocal(flags)

/** Origins of pages that may use the service. */
const originsOf = (flags: ServeFlags): "any" | "loopback" | ReadonlyArray<string> => {
  if (Option.isNone(flags.origin)) return flags.faye || !isLocal(flags) ? "any" : "loopback"
  return Variables.parseOrigins(flags.origin.value)
}

const anyOriginWarning = "Pages of every origin may use the service: give --origin or BAYEUX_ORIGIN your origins " +
  "(https://app.example), or any if that is intended"

/** Warns that pages of every origin may use the service, unless that was requested. */
const warnOfOrigins = (flags: ServeFlags) =>
  Option.isNone(flags.origin) && !flags.faye && !isLocal(flags) ? Effect.logWarning(anyOriginWarning) : Effect.void

const monitorPath = "/monitor"

const noMonitor =
  "The monitor page is not served: give --monitor-token or BAYEUX_MONITOR_TOKEN, without a token it is " +
  "served on loopback addresses only"

/** Serves the monitor page; if that is not possible, explains why on its path and in the log. */
const monitorLayer = (flags: ServeFlags) => {
  if (servesMonitor(flags)) {
    const token = Option.match(flags.monitorToken, { onNone: () => undefined, onSome: (token) => ({ token }) })
    return Loading.layer(
      () => import("../page/MonitorPage.ts"),
      (module) => module.layer({ path: monitorPath, ...token })
    )
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

/** Provides the engine: `memory`, or Redis at a URL with the namespace as a parameter. */
const engineLayer = ({ engine, lease }: ServeFlags) => {
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
  return Loading.layer(
    () => import("../engine/redis/RedisEngine.ts"),
    (module) => module.layer({ ...module.parseUrl(engine), lease: lease * 1000 })
  )
}

/** Provides metrics and traces if they are switched on. */
const telemetryLayer = ({ metrics, otlp }: ServeFlags) =>
  Layer.mergeAll(
    metrics || Option.isSome(otlp)
      ? Loading.layer(() => import("../telemetry/Metrics.ts"), (module) => module.layer())
      : Layer.empty,
    Option.isSome(otlp)
      ? Loading.layer(() => import("../telemetry/Tracing.ts"), (module) => module.layer())
      : Layer.empty
  )

const recorderLayer = ({ record, recordPlain, recordRedact, recordSize }: ServeFlags) =>
  record === "" ? Layer.empty : Loading.layer(() => import("../recorder/Recorder.ts"), (module) =>
    module.layer({
      file: record,
      maxBytes: Math.floor(recordSize * 1_000_000),
      clientIds: recordPlain ? "plain" : "hashed",
      redact: recordRedact
    }))

const metricsPageLayer = ({ metrics }: ServeFlags) =>
  metrics ? Loading.layer(() => import("../telemetry/MetricsPage.ts"), (module) => module.layer()) : Layer.empty

const otlpLayer = ({ otlp }: ServeFlags) =>
  Option.match(otlp, {
    onNone: () => Layer.empty,
    onSome: (url) => Loading.layer(() => import("./Otlp.ts"), (module) => module.layer(url))
  })

const jsonpLayer = ({ faye, jsonp }: ServeFlags) =>
  faye || jsonp
    ? Loading.layer(() => import("../transport/CallbackPollingTransport.ts"), (module) => module.layer)
    : Layer.empty

const listenOptions = ({ host, port, socket, socketMode }: ServeFlags) =>
  Option.match(socket, {
    onNone: () => ({ host, port }),
    onSome: (socketPath) => ({ socketPath, socketMode })
  })

const timeouts = ({ sessionTimeout, timeout }: ServeFlags) =>
  Option.match(sessionTimeout, {
    onNone: () => ({ timeout: timeout * 1000 }),
    onSome: (seconds) => ({ timeout: timeout * 1000, sessionTimeout: seconds * 1000 })
  })

const serverLayer = (flags: ServeFlags) => {
  const { faye, interval, mount, ping } = flags
  const maxMessage = Option.getOrElse(flags.maxMessage, () => faye ? 1 << 26 : 1 << 20)
  const transports = Layer.mergeAll(
    WebSocketTransport.layer({ ping: ping * 1000, maxMessage }),
    EventSourceTransport.layer({ ping: ping * 1000 }),
    LongPollingTransport.layer({ maxMessage }),
    jsonpLayer(flags),
    FayeClient.layer
  )
  const chatPage = ChatPage.serve(mount, servesMonitor(flags))
  const server = NodeServer.layer({
    ...listenOptions(flags),
    mount,
    origins: originsOf(flags),
    trustedProxies: Option.match(flags.trustedProxies, { onNone: () => [], onSome: Variables.parseList }),
    createServer: () => createServer(chatPage)
  })
  return Layer.mergeAll(monitorLayer(flags), metricsPageLayer(flags)).pipe(
    Layer.provideMerge(server),
    Layer.provide(transports),
    Layer.provide(telemetryLayer(flags)),
    Layer.provideMerge(Bayeux.layer({ ...timeouts(flags), interval })),
    Layer.provide(recorderLayer(flags)),
    Layer.provideMerge(engineLayer(flags)),
    Layer.provide(otlpLayer(flags))
  )
}

const announce = Effect.gen(function*() {
  const { address, url } = yield* NodeServer.NodeServer
  const page = address.port === 0 ? "" : ` (try it at ${new URL("/", url).href})`
  yield* Effect.logInfo(`Listening on ${url}${page}`)
})

/** Prints events in a scope that outlives the monitor, so that the last events are printed, too. */
const logEvents = Effect.fnUntraced(function*(scope: Scope.Scope) {
  const print = yield* Loading.effect(
    () => import("./EventLog.ts"),
    (module) => Scope.provide(module.make(process.stdout), scope)
  )
  const printing = yield* Effect.forkIn(print, scope)
  yield* Scope.addFinalizer(scope, Effect.timeoutOption(Fiber.await(printing), "1 second"))
})

/** Serves until interruption. */
export const serve = Effect.fnUntraced(function*(flags: ServeFlags) {
  const scope = yield* Effect.scope
  const serving = Effect.all([warnOfOrigins(flags), announce, Effect.never], { discard: true })
  const running = Effect.provide(serving, serverLayer(flags))
  const monitored = flags.logEvents ? Effect.andThen(logEvents(scope), running) : running
  return yield* Effect.provide(monitored, Monitor.layer())
}, Effect.scoped)
