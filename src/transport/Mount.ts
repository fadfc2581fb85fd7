/**
 * A Bayeux service at a path of an HTTP server. Offers each request to the transports in turn, and answers
 * `{mount}/health` itself.
 *
 * Requests at or below the mount, by whole path segments (`/bayeux` is not `/bayeuxes`), and `{mount}.js` belong to the
 * service. All others are left to the rest of the server.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Options from "../base/Options.ts"
import { Bayeux, type Health } from "../service/Bayeux.ts"
import { Connections } from "../service/Connections.ts"
import { type Open, setClientAddress } from "../service/Transport.ts"
import * as Addresses from "./Addresses.ts"
import { beginStream, closeErrors, isStreamRequest, respond, respondError } from "./Http.ts"
import * as Origins from "./Origins.ts"
import * as Receipt from "./Receipt.ts"

/** Path of a service: a slash before each segment and none at the end. Faye's default is `/bayeux`. */
export const MountPath = Schema.String.check(
  Schema.isPattern(/^(?:\/[^/?#\s]+)+$/, {
    expected: "a path such as \"/bayeux\": a slash before each segment and none at the end"
  })
)

/** Options of all servers that have a service at a path. */
export const fields = {
  /** Path of the service, as clients see it. Default: `/bayeux`. */
  mount: Schema.optionalKey(MountPath),
  /** Time that open connections have at the end to read their last messages. Default: 3 seconds. */
  gracePeriod: Schema.optionalKey(Options.Time),
  /** Origins of pages that may use the service; programs always may. Default: `"any"`, without their cookies. */
  origins: Schema.optionalKey(Origins.Origins),
  /** Proxies that name the address of the client in `X-Forwarded-For` or `Forwarded`. Default: none. */
  trustedProxies: Schema.optionalKey(Addresses.TrustedProxies)
}

const AllFields = Schema.Struct(fields)

/** Defaults of {@link fields}. */
export const defaults = { mount: "/bayeux", gracePeriod: "3 seconds", origins: "any", trustedProxies: [] } as const

/** Options of a mount, all given. */
export type MountOptions = Required<Pick<typeof AllFields.Type, "mount" | "origins" | "trustedProxies">>

/** The parts of a service that a mount uses. */
export interface Service {
  readonly health: Effect.Effect<Health>
  readonly connections: Connections["Service"]
}

/** The service of a layer. */
export const service: Effect.Effect<Service, never, Bayeux | Connections> = Effect.gen(function*() {
  const { health } = yield* Bayeux
  return { health, connections: yield* Connections }
})

/** A service at a path. */
export interface Mount {
  /** Whether a request belongs to the service, by its path. */
  readonly owns: (request: IncomingMessage) => boolean
  /**
   * Serves a request. Returns false if it does not belong to the service. Callers that need the connection give their own
   * `open`.
   */
  readonly request: (request: IncomingMessage, response: ServerResponse, open?: Open) => boolean
  /** Serves an upgrade. Returns false if it does not belong to the service. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, open?: Open) => boolean
  /** Refuses further requests with 503, and ends new streams at once. */
  readonly drain: () => void
  /** Identity of the connections of this mount. */
  readonly owner: object
}

/** Splits a request target into path and query. It may be an absolute URL (RFC 9112, section 3.2). Never fails. */
export const splitTarget = (target: string): readonly [path: string, query: string] => {
  const relative = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?#]*/i, "")
  const mark = relative.indexOf("?")
  return mark < 0 ? [relative, ""] : [relative.slice(0, mark), relative.slice(mark + 1)]
}

/** Returns the path below the mount; undefined if the path is not the service's. */
const pathBelow = (mount: string, path: string): string | undefined => {
  if (path === `${mount}.js`) return "/client.js"
  if (path !== mount && !path.startsWith(`${mount}/`)) return undefined
  return path.slice(mount.length)
}

const isRead = ({ method }: IncomingMessage): boolean => method === "GET" || method === "HEAD"

/** Answers `GET` and `HEAD {mount}/health` for load balancers: 503 while the engine does not work. */
const respondHealth = (health: Effect.Effect<Health>, response: ServerResponse): void => {
  const { since, status } = Effect.runSync(health)
  const headers = { "Content-Type": "application/json" }
  respond(response, status === "up" ? 200 : 503, headers, JSON.stringify({ status, since }))
}

const errorFor = (method: string, path: string, mount: string) => {
  if (path !== "" && path !== "/") return { status: 404, sentence: `There is nothing here: send messages to ${mount}` }
  return method === "GET" || method === "HEAD" || method === "POST"
    ? {
      status: 400,
      sentence: "The request has no messages: send a POST with JSON, or a GET with \"message\" and \"jsonp\""
    }
    : { status: 405, sentence: `${method} is not understood here: send messages by POST, or by GET with "message"` }
}

/** Refuses an upgrade with a status and a sentence. */
export const refuseUpgrade = (socket: Duplex, status: string, sentence: string): void => {
  socket.on("error", () => {})
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(sentence)}\r\n\r\n${sentence}`
  )
}

/** Whether pages of any origin may load a path, because its answer is the same for everybody. */
const isOpen = (path: string): boolean => path === "/client.js"

/** Refuses a page of an origin that is not allowed, with an answer that it cannot read. */
const respondRefusal = (request: IncomingMessage, response: ServerResponse): void => {
  if (!request.complete) request.resume()
  respond(
    response,
    403,
    { "Content-Type": "text/plain; charset=utf-8", "Connection": "close" },
    `${Origins.sentence}\n`
  )
}

/** Ignores the error of a broken connection, whose end is handled. */
const ignore = (): void => {}

/** Refuses a request while the server stops. A stream is begun and ended, because browsers do not reopen a refused one. */
const refuseWhileDraining = (request: IncomingMessage, response: ServerResponse): void => {
  if (isStreamRequest(request)) {
    response.setHeader("Connection", "close")
    beginStream(request, response)
    response.end()
  } else respondError({ request, response }, closeErrors.Shutdown, { "Connection": "close", "Retry-After": 1 })
}

const noQuery = new URLSearchParams()

/** Creates a service at a path. */
export const make = (
  { connections, health }: Service,
  { mount, origins, trustedProxies }: MountOptions
): Mount => {
  const addressOf = trustedProxies.length === 0 ? undefined : Addresses.make(trustedProxies)
  const admit = (request: IncomingMessage): boolean => {
    if (addressOf !== undefined) setClientAddress(request, addressOf(request))
    return Origins.admit(request, origins)
  }
  const owner = {}
  let isDraining = false

  return {
    owner,
    owns: (request) => pathBelow(mount, splitTarget(request.url ?? "")[0]) !== undefined,
    drain: () => {
      isDraining = true
    },
    request: (request, response, open = connections.open) => {
      const [pathname, search] = splitTarget(request.url ?? "")
      const path = pathBelow(mount, pathname)
      if (path === undefined) return false
      Receipt.confirm(request.socket)
      request.on("error", ignore)
      response.on("error", ignore)
      if (isDraining) {
        refuseWhileDraining(request, response)
        return true
      }
      if (path === "/health" && isRead(request)) {
        respondHealth(health, response)
        return true
      }
      if (!isOpen(path) && !admit(request)) {
        respondRefusal(request, response)
        return true
      }
      const call = {
        request,
        response,
        path,
        query: search === "" ? noQuery : new URLSearchParams(search),
        open,
        owner
      }
      if (!connections.transports().some((transport) => transport.handle?.(call) === true)) {
        const error = errorFor(request.method ?? "", path, mount)
        respondError(call, error, error.status === 405 ? { Allow: "GET, HEAD, POST, OPTIONS" } : {})
      }
      return true
    },
    upgrade: (request, socket, head, open = connections.open) => {
      const path = pathBelow(mount, splitTarget(request.url ?? "")[0])
      if (path === undefined) return false
      const call = { request, socket, head, path, open, owner }
      if (!admit(request)) refuseUpgrade(socket, "403 Forbidden", `${Origins.sentence}\n`)
      else if (isDraining) refuseUpgrade(socket, "503 Service Unavailable", "The server stops: try again in a moment\n")
      else if (!connections.transports().some((transport) => transport.upgrade?.(call) === true)) {
        refuseUpgrade(socket, "404 Not Found", `There is no WebSocket here: connect to ${mount}\n`)
      }
      return true
    }
  }
}
