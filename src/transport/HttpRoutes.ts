/**
 * A Bayeux service as routes of an Effect `HttpRouter` on Node: beside the other routes of an application, on the port of
 * its `NodeHttpServer`.
 *
 * The transports get Node's request and response; Effect's server does not touch a response that has ended. Effect's
 * server stops in three steps: it closes Node's server, waits for open requests, then interrupts their handlers and
 * answers in their place, even into upgraded sockets. So connections are ended as soon as Node's server closes, and an
 * interrupted handler ends its own connection before Effect answers.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as Options from "../base/Options.ts"
import type { Bayeux } from "../service/Bayeux.ts"
import type { Connections } from "../service/Connections.ts"
import type { Open, OpenConnection } from "../service/Transport.ts"
import * as HostServer from "./HostServer.ts"
import { respondError } from "./Http.ts"
import type { AnyServer } from "./Listening.ts"
import * as Mount from "./Mount.ts"

/** The options of {@link layer}. */
export const HttpRoutesOptions = Schema.Struct(Mount.fields)
/** The options of {@link layer}. */
export type HttpRoutesOptions = typeof HttpRoutesOptions.Type

// ---------------------------------------------------------------------------------------------------------------------
// the end

type Stream = ServerResponse | Socket

/** Closes the connection behind the current answer, because the server stops. */
const disableKeepAlive = (stream: Stream): void => {
  if (!(stream instanceof ServerResponse)) return
  if (!stream.headersSent) stream.setHeader("Connection", "close")
  else stream.once("finish", () => stream.req.socket.end())
}

/** The open connections of a mount's routes, and their end. */
class ServedConnections {
  readonly #connections: Connections["Service"]
  readonly #mount: Mount.Mount
  readonly #gracePeriod: Duration.Duration
  readonly #open = new Set<Stream>()
  readonly #servers = new Map<AnyServer, ReadonlyArray<() => void>>()
  #timer: NodeJS.Timeout | undefined

  constructor(connections: Connections["Service"], mount: Mount.Mount, gracePeriod: Duration.Duration) {
    this.#connections = connections
    this.#mount = mount
    this.#gracePeriod = gracePeriod
  }

  /** Ends all connections as soon as the server of this socket begins to close. */
  register(socket: Socket): void {
    const { server } = socket as { readonly server?: AnyServer }
    if (server === undefined || this.#servers.has(server)) return
    this.#servers.set(server, [
      HostServer.onClosing(server, () => this.end()),
      HostServer.upgradeWebSocketsOnly(server, this.#mount.owns)
    ])
  }

  /** Refuses further requests, answers held connects and closes sockets; cuts off the rest after the grace period. */
  end(): void {
    if (this.#timer !== undefined) return
    this.#mount.drain()
    for (const stream of this.#open) disableKeepAlive(stream)
    this.#connections.end(this.#mount.owner).pipe(Effect.runSync)
    // @effect-diagnostics-next-line globalTimers:off -- the network's time; it is to pass when fibers are interrupted
    this.#timer = setTimeout(() => {
      for (const stream of this.#open) stream.destroy()
    }, Duration.toMillis(this.#gracePeriod)).unref()
  }

  /** Ends all connections and restores the servers, when the routes are removed. */
  close(): void {
    this.end()
    for (const undo of [...this.#servers.values()].flat()) undo()
    this.#servers.clear()
  }

  /** Waits for the end of a request. If it is interrupted, it ends its connection. */
  awaitEnd(stream: Stream, connection: () => OpenConnection | undefined) {
    this.#open.add(stream)
    const closed = Effect.callback<void>((resume) => {
      if (stream.closed) resume(Effect.void)
      else stream.once("close", () => resume(Effect.void))
    })
    const end = Effect.suspend(() => {
      if (stream.closed || (stream instanceof ServerResponse && connection() === undefined)) return Effect.void
      disableKeepAlive(stream)
      connection()?.end()
      return Effect.andThen(
        Effect.timeoutOption(Effect.interruptible(closed), this.#gracePeriod),
        Effect.sync(() => stream.destroy())
      )
    })
    return closed.pipe(
      Effect.onInterrupt(() => end),
      Effect.ensuring(Effect.sync(() => this.#open.delete(stream))),
      Effect.as(HttpServerResponse.empty())
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// the routes

const http1Only = "The service cannot be reached by HTTP/2 through an HttpRouter: use HTTP/1.1\n"

/** Error for a request that Node took for an upgrade, so its body is lost. The next one is handled correctly. */
const notAnUpgrade = {
  status: 503,
  sentence: "The request has the headers of an upgrade and is none: try again in a moment",
  headers: { "Connection": "close", "Retry-After": 1 }
}

const handle = ({ connections }: Mount.Service, mount: Mount.Mount, served: ServedConnections) =>
  Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    if (!(incoming instanceof IncomingMessage)) return HttpServerResponse.text(http1Only, { status: 505 })
    served.register(incoming.socket)
    let connection: OpenConnection | undefined
    const open: Open = (info, sink) => connection = connections.open(info, sink)
    if (HostServer.isWebSocket(incoming)) {
      // Clients send nothing before the upgrade is accepted, so the head is empty.
      mount.upgrade(incoming, incoming.socket, Buffer.alloc(0), open)
      return yield* served.awaitEnd(incoming.socket, () => connection)
    }
    const response = NodeHttpServerRequest.toServerResponse(request)
    if (!(response instanceof ServerResponse)) return HttpServerResponse.text(http1Only, { status: 505 })
    const hasLostBody = "upgrade" in incoming && incoming.upgrade === true && incoming.method !== "GET"
    if (hasLostBody) respondError({ request: incoming, response }, notAnUpgrade)
    else mount.request(incoming, response, open)
    return yield* served.awaitEnd(response, () => connection)
  })

/**
 * Adds the routes. When Effect's server begins to stop, held connects are answered and sockets are closed with 1001; the
 * rest is cut off after the grace period. Give Effect's server `NodeServer.tune(createServer())`, so that it does not wait
 * for unused connections.
 */
export const layer = (
  options: HttpRoutesOptions = {}
): Layer.Layer<never, Options.OptionsInvalid, Bayeux | Connections | HttpRouter.HttpRouter> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const decoded = yield* Options.decode("HttpRoutes.layer", HttpRoutesOptions, options)
    const { gracePeriod, mount: path, origins, trustedProxies } = { ...Mount.defaults, ...decoded }
    const service = yield* Mount.service
    const router = yield* HttpRouter.HttpRouter
    const mount = Mount.make(service, { mount: path, origins, trustedProxies })
    const served = new ServedConnections(service.connections, mount, Duration.fromInputUnsafe(gracePeriod))
    // The wildcard of the router matches the mount itself as well.
    for (const route of [`${path}/*`, `${path}.js`] as ReadonlyArray<`/${string}`>) {
      yield* router.add("*", route, handle(service, mount, served))
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => served.close()))
  }))
