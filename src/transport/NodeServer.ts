/**
 * Serving a Bayeux service with Node: on a server of its own, or beside whatever an existing server does.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as Options from "../base/Options.ts"
import { Bayeux } from "../service/Bayeux.ts"
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
  /** The address to listen on. Default: `127.0.0.1`. */
  host: Schema.optionalKey(Schema.NonEmptyString),
  /** The port to listen on; 0 takes a free one. Default: 8000. */
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  /** The path of a Unix socket to listen on, in place of an address and a port. */
  socketPath: Schema.optionalKey(Schema.NonEmptyString),
  /** The permissions of the Unix socket. Default: `0o660`, the user and the group of this process may connect. */
  socketMode: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0o777 })))
})
/** The options of {@link layer}. */
export type NodeServerOptions = typeof NodeServerOptions.Type & {
  /** Makes the server, for instance one for HTTPS. What it serves outside the mount stays as it is. */
  readonly createServer?: () => AnyServer
}

/** A listening server. */
export class NodeServer extends Context.Service<NodeServer, {
  /** Of a Unix socket the host is its path, and the port 0. */
  readonly address: { readonly host: string; readonly port: number }
  /** The URL of the service, such as `http://127.0.0.1:8000/bayeux`; of a Unix socket `http://unix:/path:/bayeux`. */
  readonly url: string
  readonly server: AnyServer
}>()("effect-bayeux/transport/NodeServer") {}

type Listener = ReturnType<AnyServer["listeners"]>[number]

/** What stood in the place of a listener of ours when it was put there; kept for as long as that listener is known. */
const displaced = new WeakMap<Listener, ReadonlyArray<Listener>>()

/** Listeners without those of ours that are no longer in use: what they stood for takes their place. */
const restored = (
  listeners: ReadonlyArray<Listener>,
  isInUse: (listener: Listener) => boolean
): ReadonlyArray<Listener> =>
  listeners.flatMap((listener) => isInUse(listener) ? [listener] : restored(displaced.get(listener) ?? [], isInUse))

const retired = new WeakSet<Listener>()

/**
 * Puts `take` before the listeners of an event: what it does not take they get, and `nobody` if there are none. Gives a
 * function that undoes it, in whatever order several are undone.
 */
const intercept = <Args extends Array<never>>(
  server: AnyServer,
  event: "request" | "upgrade",
  take: (...args: Args) => boolean,
  nobody: (...args: Args) => void
) => {
  const others = server.listeners(event)
  const listener = (...args: Args): void => {
    if (!retired.has(listener) && take(...args)) return
    for (const other of others) Reflect.apply(other, server, args)
    if (others.length === 0) nobody(...args)
  }
  displaced.set(listener, others)
  server.removeAllListeners(event)
  server.on(event, listener)
  return () => {
    retired.add(listener)
    const left = restored(server.listeners(event), (other) => !retired.has(other))
    server.removeAllListeners(event)
    for (const other of left) server.on(event, other as typeof listener)
  }
}

/** Answers a request to a path; `below` is what follows the path, `""` or `"/…"`, and `query` what follows `?`. */
export type PathHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  target: { readonly below: string; readonly query: string }
) => void

/**
 * Serves a path of a server and all below it, to the path segment, before whoever else serves there, for as long as the
 * scope is open. For pages beside the service.
 */
export const servePath = (
  server: AnyServer,
  path: string,
  handler: PathHandler
): Effect.Effect<void, never, Scope.Scope> => {
  const take = (request: IncomingMessage, response: ServerResponse): boolean => {
    const [pathname, query] = Mount.splitTarget(request.url ?? "")
    if (pathname !== path && !pathname.startsWith(`${path}/`)) return false
    handler(request, response, { below: pathname.slice(path.length), query })
    return true
  }
  const serve = Effect.sync(() => intercept(server, "request", take, nothingHere(path)))
  return Effect.asVoid(Effect.acquireRelease(serve, (undo) => Effect.sync(undo)))
}

/** Open sockets of the mount, so that its end can be waited for. */
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

/** Takes the service's part of a server; gives the effect that ends it, and the one that gives the listeners back. */
const attachTo = (
  bayeux: Bayeux["Service"],
  server: AnyServer,
  { gracePeriod, mount, origins }: Required<typeof AttachOptions.Type>
) => {
  const service = Mount.make(bayeux, mount, origins)
  const upgraded = trackConnections()
  const undo = [
    HostServer.upgradeWebSocketsOnly(server, service.owns),
    intercept(server, "request", service.request, nothingHere(mount)),
    intercept(
      server,
      "upgrade",
      (request: IncomingMessage, socket: Socket, head: Buffer) => {
        const isTaken = service.upgrade(request, socket, head)
        if (isTaken) upgraded.add(socket)
        return isTaken
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
    service.drain()
    yield* bayeux.endConnections(service.owner)
    yield* Effect.timeoutOption(closed, gracePeriod)
    for (const socket of upgraded.sockets) socket.destroy()
  })
  const giveBack = Effect.sync(() => undo.forEach((giveBack) => giveBack()))
  return { end, giveBack }
}

/**
 * Serves the service at its mount on a server that exists, beside express, fastify or whatever else it does: requests
 * and upgrades outside the mount go to the listeners that were there before. When the scope ends, held connects are
 * answered, sockets are closed with 1001 and the listeners are given back.
 */
export const attach = Effect.fn("NodeServer.attach")(function*(
  server: AnyServer,
  options: AttachOptions = {}
): Effect.fn.Return<void, Options.OptionsInvalid, Bayeux | Scope.Scope> {
  const decoded = yield* Options.decode("NodeServer.attach", AttachOptions, options)
  const bayeux = yield* Bayeux
  const attached = Effect.sync(() => attachTo(bayeux, server, { ...Mount.defaults, ...decoded }))
  yield* Effect.asVoid(Effect.acquireRelease(attached, ({ end, giveBack }) => Effect.andThen(end, giveBack)))
})

/** What a server without other listeners says outside the mount. */
const nothingHere = (mount: string) => (...[request, response]: Parameters<Mount.Mount["request"]>): void =>
  respondError({ request, response }, { status: 404, sentence: `There is nothing here: the service is at ${mount}` })

/** Ends the server: no new connections, then the rest of the grace period for what is under way on the open ones. */
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
 * Has a server that somebody else starts, such as Effect's `NodeHttpServer`, do what one of `layer` does: when it closes
 * it does not wait for connections that nobody uses, a request with the headers of an upgrade that is none is answered as
 * any other, and connections are kept long enough for proxies. What was set by hand stays.
 */
export const tune: <S extends AnyServer>(server: S) => S = HostServer.tune

const listen = (server: AnyServer, options: typeof NodeServerOptions.Type) => {
  const { host = "127.0.0.1", port = 8000, socketMode = 0o660, socketPath } = options
  if (socketPath === undefined) return onPort(server, host, port)
  if (options.host === undefined && options.port === undefined) return onSocket(server, socketPath, socketMode)
  const issue = `there are a Unix socket, ${socketPath}, and a host or a port: give the one or the other`
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
  const bayeux = yield* Bayeux
  const drainTimeout = Duration.fromInputUnsafe(mounted.gracePeriod)
  const server = yield* Effect.sync(() => tune(create()))
  const attached = Effect.sync(() => attachTo(bayeux, server, mounted))
  // What still comes over open connections is told that the service stops, and not that there is none.
  const stop = ({ end, giveBack }: ReturnType<typeof attachTo>) =>
    Effect.andThen(Effect.all([end, close(server, drainTimeout)], { concurrency: "unbounded" }), giveBack)
  yield* Effect.asVoid(Effect.acquireRelease(attached, stop))
  yield* listen(server, options)
  const address = addressOf(server)
  return NodeServer.of({ address, server, url: urlOf(server, address, mounted.mount) })
})

/** A server of its own. It listens when the layer is built and stops, in good order, when its scope ends. */
export const layer = (
  options: NodeServerOptions = {}
): Layer.Layer<NodeServer, Options.OptionsInvalid | ServerError, Bayeux> => Layer.effect(NodeServer, make(options))
