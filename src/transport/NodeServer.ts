/**
 * A Bayeux service on a Node server: one of its own ({@link layer}), or an existing one ({@link attach}), which keeps its
 * other listeners. Requests go to `Mount`; corrections of Node's server are in `HostServer`, listening in `Listening`.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as Options from "../base/Options.ts"
import * as Variables from "../base/Variables.ts"
import type { Bayeux } from "../service/Bayeux.ts"
import type { Connections } from "../service/Connections.ts"
import * as HostServer from "./HostServer.ts"
import { respondError } from "./Http.ts"
import { type AnyServer, onPort, onSocket, ServerError } from "./Listening.ts"
import * as Mount from "./Mount.ts"

export type { AnyServer }
export { ServerError }

/** The options of {@link attach}. */
export const AttachOptions = Schema.Struct(Mount.fields)
/** The options of {@link attach}. */
export type AttachOptions = typeof AttachOptions.Type

/** The options of {@link layer}. */
export const NodeServerOptions = Schema.Struct({
  ...Mount.fields,
  /** Address to listen on. Default: `127.0.0.1`. */
  host: Schema.optionalKey(Schema.NonEmptyString),
  /** Port to listen on; 0 takes a free one. Default: 8000. */
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  /** Path of a Unix socket to listen on, instead of an address and a port. */
  socketPath: Schema.optionalKey(Schema.NonEmptyString),
  /** Permissions of the Unix socket. Default: `0o660`, user and group of this process may connect. */
  socketMode: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0o777 }))),
  /** Time for the headers of a request, or for anything over a new connection; then it gets 408 and is closed. Default: 20 seconds. */
  headersTimeout: Schema.optionalKey(Options.PositiveTime),
  /** Time for all of a request to come, not to be answered. Default: 2 minutes. */
  requestTimeout: Schema.optionalKey(Options.PositiveTime)
})
/** The options of {@link layer}. */
export type NodeServerOptions = typeof NodeServerOptions.Type & {
  /** Creates the server, for instance one for HTTPS. Its own listeners get all requests outside of the mount. */
  readonly createServer?: () => AnyServer
}

/** A listening server. */
export class NodeServer extends Context.Service<NodeServer, {
  /** Address and port. For a Unix socket its path, and port 0. */
  readonly address: { readonly host: string; readonly port: number }
  /** URL of the service, such as `http://127.0.0.1:8000/bayeux`; for a Unix socket `http://unix:/path:/bayeux`. */
  readonly url: string
  readonly server: AnyServer
}>()("effect-bayeux/transport/NodeServer") {}

type ServerListener = ReturnType<AnyServer["listeners"]>[number]

/** The listeners that a listener of ours has replaced. */
const replaced = new WeakMap<ServerListener, ReadonlyArray<ServerListener>>()

/** Replaces the listeners of ours that are not in use any more by those that they had replaced. */
const restore = (
  listeners: ReadonlyArray<ServerListener>,
  isInUse: (listener: ServerListener) => boolean
): ReadonlyArray<ServerListener> =>
  listeners.flatMap((listener) => isInUse(listener) ? [listener] : restore(replaced.get(listener) ?? [], isInUse))

const retired = new WeakSet<ServerListener>()

/**
 * Puts `handle` before the listeners of an event. If it returns false, they are called, or `fallback` if there are none.
 * Returns a function that undoes it; several of them may be undone in any order.
 */
const intercept = <Args extends Array<never>>(
  server: AnyServer,
  event: "request" | "upgrade",
  handle: (...args: Args) => boolean,
  fallback: (...args: Args) => void
) => {
  const others = server.listeners(event)
  const listener = (...args: Args): void => {
    if (!retired.has(listener) && handle(...args)) return
    for (const other of others) Reflect.apply(other, server, args)
    if (others.length === 0) fallback(...args)
  }
  replaced.set(listener, others)
  server.removeAllListeners(event)
  server.on(event, listener)
  return () => {
    retired.add(listener)
    const remaining = restore(server.listeners(event), (other) => !retired.has(other))
    server.removeAllListeners(event)
    for (const other of remaining) server.on(event, other as typeof listener)
  }
}

/** Answers a request to a path. `below` is the rest of the path, `""` or `"/…"`; `query` is the part behind `?`. */
export type PathHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  target: { readonly below: string; readonly query: string }
) => void

/**
 * Serves a path of a server and all paths below it, before its other listeners, while the scope is open. For pages beside
 * the service.
 */
export const servePath = (
  server: AnyServer,
  path: string,
  handler: PathHandler
): Effect.Effect<void, never, Scope.Scope> => {
  const handle = (request: IncomingMessage, response: ServerResponse): boolean => {
    const [pathname, query] = Mount.splitTarget(request.url ?? "")
    if (pathname !== path && !pathname.startsWith(`${path}/`)) return false
    handler(request, response, { below: pathname.slice(path.length), query })
    return true
  }
  const serve = Effect.sync(() => intercept(server, "request", handle, notFound(path)))
  return Effect.asVoid(Effect.acquireRelease(serve, (undo) => Effect.sync(undo)))
}

/** Tracks open sockets, to wait for their end. */
const trackConnections = () => {
  const sockets = new Set<Socket>()
  return {
    sockets,
    add: (socket: Socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    }
  }
}

/** Attaches the service to a server. Returns the effects that end its connections and restore the listeners. */
const attachTo = (
  service: Mount.Service,
  server: AnyServer,
  { gracePeriod, mount, origins, trustedProxies }: Required<typeof AttachOptions.Type>
) => {
  const mounted = Mount.make(service, { mount, origins, trustedProxies })
  const upgraded = trackConnections()
  const undo = [
    HostServer.upgradeWebSocketsOnly(server, mounted.owns),
    intercept(server, "request", mounted.request, notFound(mount)),
    intercept(
      server,
      "upgrade",
      (request: IncomingMessage, socket: Socket, head: Buffer) => {
        const isHandled = mounted.upgrade(request, socket, head)
        if (isHandled) upgraded.add(socket)
        return isHandled
      },
      (_request, socket) => Mount.refuseUpgrade(socket, "404 Not Found", `There is nothing here: connect to ${mount}\n`)
    )
  ]
  const closed = Effect.callback<void>((resume) => {
    const check = () => upgraded.sockets.size === 0 && resume(Effect.void)
    for (const socket of upgraded.sockets) socket.on("close", check)
    check()
  })
  const end = Effect.gen(function*() {
    mounted.drain()
    yield* service.connections.end(mounted.owner)
    yield* Effect.timeoutOption(closed, gracePeriod)
    for (const socket of upgraded.sockets) socket.destroy()
  })
  const detach = Effect.sync(() => undo.forEach((detach) => detach()))
  return { end, detach }
}

/**
 * Attaches the service to an existing server, such as one of express or fastify. Requests and upgrades outside of the
 * mount go to the previous listeners. When the scope ends, held connects are answered, sockets are closed with 1001 and the
 * listeners are restored.
 */
export const attach = Effect.fn("NodeServer.attach")(function*(
  server: AnyServer,
  options: AttachOptions = {}
): Effect.fn.Return<void, Options.OptionsInvalid, Bayeux | Connections | Scope.Scope> {
  const decoded = yield* Options.decode("NodeServer.attach", AttachOptions, options)
  const service = yield* Mount.service
  const attached = Effect.sync(() => attachTo(service, server, { ...Mount.defaults, ...decoded }))
  yield* Effect.asVoid(Effect.acquireRelease(attached, ({ end, detach }) => Effect.andThen(end, detach)))
})

/** Answers requests outside of the path on a server without other listeners. */
const notFound = (mount: string) => (...[request, response]: Parameters<Mount.Mount["request"]>): void =>
  respondError({ request, response }, { status: 404, sentence: `There is nothing here: the service is at ${mount}` })

/** Closes the server: no new connections, and the grace period for requests under way. */
const close = (server: AnyServer, gracePeriod: Duration.Duration): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
  }).pipe(
    Effect.timeoutOption(gracePeriod),
    Effect.andThen(Effect.sync(() => server.closeAllConnections()))
  )

const addressOf = (server: AnyServer): { readonly host: string; readonly port: number } => {
  const address = server.address()
  return typeof address === "object" && address !== null
    ? { host: address.address, port: address.port }
    : { host: address ?? "", port: 0 }
}

/**
 * Tunes a server that is started elsewhere, such as Effect's `NodeHttpServer`, like those of {@link layer}: its closing
 * does not wait for unused connections, ordinary requests with the headers of an upgrade are answered, connections are
 * kept long enough for proxies, and slow requests are given up. Settings that differ from Node's defaults stay.
 */
export const tune = <S extends AnyServer>(server: S): S => HostServer.tune(server)

const requestTimeouts = (options: typeof NodeServerOptions.Type): Partial<HostServer.RequestTimeouts> =>
  Object.fromEntries(
    (["headersTimeout", "requestTimeout"] as const).flatMap((name) => {
      const time = options[name]
      return time === undefined ? [] : [[name, Duration.toMillis(Duration.fromInputUnsafe(time))]]
    })
  )

const listen = (server: AnyServer, options: typeof NodeServerOptions.Type) => {
  const { host = "127.0.0.1", port = 8000, socketMode = 0o660, socketPath } = options
  if (socketPath === undefined) return onPort(server, host, port)
  if (options.host === undefined && options.port === undefined) return onSocket(server, socketPath, socketMode)
  const issue = `both a Unix socket, ${socketPath}, and a host or a port are given: give one of them`
  return Effect.fail(new Options.OptionsInvalid({ owner: "NodeServer.layer", issue }))
}

const urlOf = (server: AnyServer, { host, port }: { readonly host: string; readonly port: number }, mount: string) => {
  const scheme = "setSecureContext" in server ? "https" : "http"
  if (typeof server.address() === "string") return `${scheme}://unix:${host}:${mount}`
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${mount}`
}

const make = Effect.fnUntraced(function*({ createServer: create = createServer, ...input }: NodeServerOptions) {
  const options = yield* Options.decode("NodeServer.layer", NodeServerOptions, input)
  const mounted = { ...Mount.defaults, ...options }
  const service = yield* Mount.service
  const drainTimeout = Duration.fromInputUnsafe(mounted.gracePeriod)
  const server = yield* Effect.sync(() => HostServer.tune(create(), requestTimeouts(options)))
  const attached = Effect.sync(() => attachTo(service, server, mounted))
  // Requests that still arrive over open connections get "the server stops" and not "not found".
  const stop = ({ end, detach }: ReturnType<typeof attachTo>) =>
    Effect.andThen(Effect.all([end, close(server, drainTimeout)], { concurrency: "unbounded" }), detach)
  yield* Effect.asVoid(Effect.acquireRelease(attached, stop))
  yield* listen(server, options)
  const address = addressOf(server)
  return NodeServer.of({ address, server, url: urlOf(server, address, mounted.mount) })
})

/** Provides a server of its own. It listens when the layer is built and stops gracefully when the scope ends. */
export const layer = (
  options: NodeServerOptions = {}
): Layer.Layer<NodeServer, Options.OptionsInvalid | ServerError, Bayeux | Connections> =>
  Layer.effect(NodeServer, make(options))

/** Options from the variables of the command: `BAYEUX_HOST`, `_PORT`, `_SOCKET`, `_SOCKET_MODE`, `_MOUNT`, `_ORIGIN` and `_TRUSTED_PROXIES`. */
export const config: Config.Config<NodeServerOptions> = Variables.options<Configured>({
  host: Variables.host,
  port: Variables.port,
  socketPath: Variables.socket,
  socketMode: Config.map(Variables.socketMode, (mode) => parseInt(mode, 8)),
  mount: Variables.mount,
  origins: Config.map(Variables.origin, Variables.parseOrigins),
  trustedProxies: Config.map(Variables.trustedProxies, Variables.parseList)
})

type Configured = Pick<
  NodeServerOptions,
  "host" | "port" | "socketPath" | "socketMode" | "mount" | "origins" | "trustedProxies"
>

/** The server with options from the configuration; by default from the variables of the command ({@link config}). */
export const layerConfig = (
  options: Config.Wrap<NodeServerOptions> = config
): Layer.Layer<NodeServer, Config.ConfigError | Options.OptionsInvalid | ServerError, Bayeux | Connections> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
