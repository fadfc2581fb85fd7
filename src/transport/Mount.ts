/**
 * A Bayeux service at a path of an HTTP server: which requests are its own, and which transport takes each. Beside the
 * transports there is `{mount}/health`.
 *
 * What lies at or below the mount is the service's, to the path segment (`/bayeux` is not `/bayeuxes`), and so is
 * `{mount}.js`; everything else is left to whoever else serves there.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Options from "../base/Options.ts"
import type { Bayeux } from "../service/Bayeux.ts"
import type { Open } from "../service/Transport.ts"
import { asksForStream, beginStream, closeErrors, respond, respondError } from "./Http.ts"
import * as Origins from "./Origins.ts"
import * as Receipt from "./Receipt.ts"

/** Where the service is found: `/` and segments, without a slash at the end. Faye's default is `/bayeux`. */
export const MountPath = Schema.String.check(
  Schema.isPattern(/^(?:\/[^/?#\s]+)+$/, {
    expected: "a path such as \"/bayeux\": a slash before each segment and none at the end"
  })
)

/** Options of all servers that have a service at a path. */
export const fields = {
  /** Where the service is found, as clients see it. Default: `/bayeux`. */
  mount: Schema.optionalKey(MountPath),
  /** How long open connections have at the end to take what is on its way to them. Default: 3 seconds. */
  gracePeriod: Schema.optionalKey(Options.Time),
  /** Origins of pages that may use the service; programs always may. Default: `"any"`, without their cookies. */
  origins: Schema.optionalKey(Origins.Origins)
}

/** Values of the {@link fields} that were left out. */
export const defaults = { mount: "/bayeux", gracePeriod: "3 seconds", origins: "any" } as const

/** A service at its path. */
export interface Mount {
  /** Whether a request is the service's, by its path. */
  readonly owns: (request: IncomingMessage) => boolean
  /**
   * Serves a request if it is the service's; false if it is somebody else's. Who wants to know of the connection that
   * comes of it gives its own `open`.
   */
  readonly request: (request: IncomingMessage, response: ServerResponse, open?: Open) => boolean
  /** Serves an upgrade if it is the service's; false if it is somebody else's. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, open?: Open) => boolean
  /** Takes no further requests: they are answered with 503 until the server is gone, streams end at once. */
  readonly drain: () => void
  /** Names the connections that came this way. */
  readonly owner: object
}

/** The path and the query of a request target, whatever that is; an absolute URL is one, too (RFC 9112, section 3.2). */
export const splitTarget = (target: string): readonly [path: string, query: string] => {
  const relative = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?#]*/i, "")
  const mark = relative.indexOf("?")
  return mark < 0 ? [relative, ""] : [relative.slice(0, mark), relative.slice(mark + 1)]
}

/** What follows the mount, or nothing if the path lies elsewhere. */
const below = (mount: string, path: string): string | undefined => {
  if (path === `${mount}.js`) return "/client.js"
  if (path !== mount && !path.startsWith(`${mount}/`)) return undefined
  return path.slice(mount.length)
}

const isRead = ({ method }: IncomingMessage): boolean => method === "GET" || method === "HEAD"

/** `GET {mount}/health`, or `HEAD`, for load balancers: 503 while the engine cannot do its work. */
const respondHealth = (bayeux: Bayeux["Service"], response: ServerResponse): void => {
  const { since, status } = Effect.runSync(bayeux.health)
  const headers = { "Content-Type": "application/json" }
  respond(response, status === "up" ? 200 : 503, headers, JSON.stringify({ status, since }))
}

const explain = (method: string, path: string, mount: string) => {
  if (path !== "" && path !== "/") return { status: 404, sentence: `There is nothing here: send messages to ${mount}` }
  return method === "GET" || method === "HEAD" || method === "POST"
    ? {
      status: 400,
      sentence: "The request has no messages: send a POST with JSON, or a GET with \"message\" and \"jsonp\""
    }
    : { status: 405, sentence: `${method} is not understood here: send messages by POST, or by GET with "message"` }
}

/** Answers a request to upgrade with a sentence. */
export const refuseUpgrade = (socket: Duplex, status: string, sentence: string): void => {
  socket.on("error", () => {})
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(sentence)}\r\n\r\n${sentence}`
  )
}

/** Paths whose answer is the same for everybody, so that pages of any origin may load it. */
const isOpen = (path: string): boolean => path === "/client.js"

/** Refuses a page of another origin, in an answer that it cannot read. */
const respondRefusal = (request: IncomingMessage, response: ServerResponse): void => {
  if (!request.complete) request.resume()
  respond(
    response,
    403,
    { "Content-Type": "text/plain; charset=utf-8", "Connection": "close" },
    `${Origins.sentence}\n`
  )
}

/** A broken connection is seen by its end; the error itself tells nothing more. */
const ignore = (): void => {}

/** A browser never opens a stream again that was refused, so it is told to come back by one that ends. */
const refuse = (request: IncomingMessage, response: ServerResponse): void => {
  if (asksForStream(request)) {
    response.setHeader("Connection", "close")
    beginStream(request, response)
    response.end()
  } else respondError({ request, response }, closeErrors.Shutdown, { "Connection": "close", "Retry-After": 1 })
}

const noQuery = new URLSearchParams()

/** Puts a service at a path. */
export const make = (bayeux: Bayeux["Service"], mount: string, origins: Origins.Origins = "any"): Mount => {
  const owner = {}
  let isDraining = false

  return {
    owner,
    owns: (request) => below(mount, splitTarget(request.url ?? "")[0]) !== undefined,
    drain: () => {
      isDraining = true
    },
    request: (request, response, open = bayeux.open) => {
      const [pathname, search] = splitTarget(request.url ?? "")
      const path = below(mount, pathname)
      if (path === undefined) return false
      Receipt.confirm(request.socket)
      request.on("error", ignore)
      response.on("error", ignore)
      if (isDraining) {
        refuse(request, response)
        return true
      }
      if (path === "/health" && isRead(request)) {
        respondHealth(bayeux, response)
        return true
      }
      if (!isOpen(path) && !Origins.admit(request, origins)) {
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
      if (!bayeux.transports().some((transport) => transport.handle?.(call) === true)) {
        const error = explain(request.method ?? "", path, mount)
        respondError(call, error, error.status === 405 ? { Allow: "GET, HEAD, POST, OPTIONS" } : {})
      }
      return true
    },
    upgrade: (request, socket, head, open = bayeux.open) => {
      const path = below(mount, splitTarget(request.url ?? "")[0])
      if (path === undefined) return false
      const call = { request, socket, head, path, open, owner }
      if (!Origins.admit(request, origins)) refuseUpgrade(socket, "403 Forbidden", `${Origins.sentence}\n`)
      else if (isDraining) refuseUpgrade(socket, "503 Service Unavailable", "The server stops: try again in a moment\n")
      else if (!bayeux.transports().some((transport) => transport.upgrade?.(call) === true)) {
        refuseUpgrade(socket, "404 Not Found", `There is no WebSocket here: connect to ${mount}\n`)
      }
      return true
    }
  }
}
