/**
 * `effect-bayeux`: a server with all transports, in memory or with Redis, with a page to try it and one that shows what goes
 * on. Events go to standard output if asked for.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
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

/** Whether this machine alone can reach the server, and no proxy is meant to. */
const isLocal = ({ host, socket }: ServeFlags): boolean =>
  Option.isNone(socket) && (host === "localhost" || isLoopback(host))

/** Whether the monitor page may be served: beyond this machine it needs a token. */
const isMonitored = (flags: ServeFlags): boolean => Option.isSome(flags.monitorToken) || isLocal(flags)

/** Origins of pages that are let in. */
const originsOf = (flags: ServeFlags): "any" | "loopback" | ReadonlyArray<string> => {
  if (Option.isNone(flags.origin)) return flags.faye || !isLocal(flags) ? "any" : "loopback"
  const { value } = flags.origin
  return value === "any" || value === "loopback" ? value : value.split(",").map((origin) => origin.trim())
}

const allIsOpen = "Pages of every origin may use the service: give --origin or BAYEUX_ORIGIN the origins of yours " +
  "(https://app.example), or any if that is meant"

/** Says what is open, unless somebody has asked for it. */
const warnOfOrigins = (flags: ServeFlags) =>
  Option.isNone(flags.origin) && !flags.faye && !isLocal(flags) ? Effect.logWarning(allIsOpen) : Effect.void

const monitorPath = "/monitor"

const noMonitor = "The monitor page is not served: give --monitor-token or BAYEUX_MONITOR_TOKEN, without which it is " +
  "there on a loopback address only"

/** The monitor page; or in its place a sentence, for those who look for it and for those who read the log. */
const monitorLayer = (settings: ServeFlags) => {
  if (isMonitored(settings)) {
    const token = Option.match(settings.monitorToken, { onNone: () => undefined, onSome: (token) => ({ token }) })
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

/** The engine that is meant: its name, or the URL of Redis with the namespace as a parameter. */
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
  const url = new URL(engine)
  const namespace = url.searchParams.get("namespace")
  url.search = ""
  const options = { url: url.href, lease: lease * 1000, ...(namespace === null ? undefined : { namespace }) }
  return Loading.layer(() => import("../engine/redis/RedisEngine.ts"), (module) => module.layer(options))
}

/** What watches the service, as far as it is asked for. */
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

const listening = ({ host, port, socket, socketMode }: ServeFlags) =>
  Option.match(socket, {
    onNone: () => ({ host, port }),
    onSome: (socketPath) => ({ socketPath, socketMode })
  })

const times = ({ sessionTimeout, timeout }: ServeFlags) =>
  Option.match(sessionTimeout, {
    onNone: () => ({ timeout: timeout * 1000 }),
    onSome: (seconds) => ({ timeout: timeout * 1000, sessionTimeout: seconds * 1000 })
  })

const serverLayer = (settings: ServeFlags) => {
  const { faye, interval, mount, ping } = settings
  const maxMessage = Option.getOrElse(settings.maxMessage, () => faye ? 1 << 26 : 1 << 20)
  const transports = Layer.mergeAll(
    WebSocketTransport.layer({ ping: ping * 1000, maxMessage }),
    EventSourceTransport.layer({ ping: ping * 1000 }),
    LongPollingTransport.layer({ maxMessage }),
    jsonpLayer(settings),
    FayeClient.layer
  )
  const outside = ChatPage.serve(mount, isMonitored(settings))
  const server = NodeServer.layer({
    ...listening(settings),
    mount,
    origins: originsOf(settings),
    createServer: () => createServer(outside)
  })
  return Layer.mergeAll(monitorLayer(settings), metricsPageLayer(settings)).pipe(
    Layer.provideMerge(server),
    Layer.provide(transports),
    Layer.provide(telemetryLayer(settings)),
    Layer.provideMerge(Bayeux.layer({ ...times(settings), interval })),
    Layer.provide(recorderLayer(settings)),
    Layer.provideMerge(engineLayer(settings)),
    Layer.provide(otlpLayer(settings))
  )
}

const announce = Effect.gen(function*() {
  const { address, url } = yield* NodeServer.NodeServer
  const page = address.port === 0 ? "" : ` (try it at ${new URL("/", url).href})`
  yield* Effect.logInfo(`Listening on ${url}${page}`)
})

/** Prints events in a scope that outlives the monitor, whose end is the end of the events. */
const logEvents = Effect.fnUntraced(function*(scope: Scope.Scope) {
  const print = yield* Loading.effect(
    () => import("./EventLog.ts"),
    (module) => Scope.provide(module.make(process.stdout), scope)
  )
  const printing = yield* Effect.forkIn(print, scope)
  yield* Scope.addFinalizer(scope, Effect.timeoutOption(Fiber.await(printing), "1 second"))
})

/** Serves until it is interrupted. */
export const serve = Effect.fnUntraced(function*(settings: ServeFlags) {
  const scope = yield* Effect.scope
  const serving = Effect.all([warnOfOrigins(settings), announce, Effect.never], { discard: true })
  const running = Effect.provide(serving, serverLayer(settings))
  const monitored = settings.logEvents ? Effect.andThen(logEvents(scope), running) : running
  return yield* Effect.provide(monitored, Monitor.layer())
}, Effect.scoped)
