/**
 * Corrections of Node's HTTP server, for servers of our own and of the application. By itself a Node server that closes
 * waits for unused connections, does not report its closing before it is complete, and upgrades each request that has a
 * header `Upgrade`.
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { AnyServer } from "./Listening.ts"

// ---------------------------------------------------------------------------------------------------------------------
// the end

const closeListeners = new WeakMap<AnyServer, Set<() => void>>()

/** Wraps `close` of a server to call listeners as soon as it has stopped listening. */
const interceptClose = (server: AnyServer): Set<() => void> => {
  const listeners = new Set<() => void>()
  const close = server.close.bind(server)
  server.close = (done) => {
    close(done)
    for (const listener of [...listeners]) listener()
    return server
  }
  closeListeners.set(server, listeners)
  return listeners
}

/** Calls the listener when the server begins to close. Returns a function that removes the listener. */
export const onClosing = (server: AnyServer, listener: () => void): () => void => {
  const listeners = closeListeners.get(server) ?? interceptClose(server)
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** Returns a function that closes connections without any request so far, which Node takes for busy. */
const trackUnused = (server: AnyServer): () => void => {
  const open = new Set<Socket>()
  const forget = function(this: Socket) {
    open.delete(this)
  }
  const add = (socket: Socket) => {
    open.add(socket)
    socket.on("close", forget)
  }
  server.on("connection", add)
  // With TLS bytes of the handshake have arrived, but no request.
  server.on("secureConnection", add)
  return () => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
  }
}

/** Interval at which a closing server closes idle connections, in milliseconds. */
const idleCheckInterval = 20

/** Makes a closing server wait for requests under way only. */
const closeIdleWhenClosing = (server: AnyServer): void => {
  const closeUnused = trackUnused(server)
  onClosing(server, () => {
    const closeIdle = () => {
      closeUnused()
      server.closeIdleConnections()
    }
    closeIdle()
    // @effect-diagnostics-next-line globalTimers:off -- the network's time, not the protocol's; there is no effect here
    const timer = setInterval(closeIdle, idleCheckInterval)
    server.once("close", () => clearInterval(timer))
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// upgrades

/**
 * Whether a request opens a WebSocket (RFC 6455, section 4.1). Some proxies add the headers of an upgrade to all requests,
 * but not the key.
 */
export const isWebSocket = ({ headers, method }: IncomingMessage): boolean =>
  method === "GET" && headers.upgrade?.toLowerCase() === "websocket" && headers["sec-websocket-key"] !== undefined

interface WithUpgradeCheck {
  shouldUpgradeCallback?: (this: AnyServer, request: IncomingMessage) => boolean
}

/**
 * Restricts upgrades of the service's requests (`isOwn`) to WebSockets; the others are handled as ordinary requests.
 * Returns a function that undoes it. Has no effect before Node 22.21 and 24.9, which lack `shouldUpgradeCallback`.
 */
export const upgradeWebSocketsOnly = (
  server: AnyServer,
  isOwn: (request: IncomingMessage) => boolean
): () => void => {
  const checked = server as WithUpgradeCheck
  const previous = checked.shouldUpgradeCallback
  let isInUse = true
  const check: NonNullable<WithUpgradeCheck["shouldUpgradeCallback"]> = (request) =>
    isInUse && isOwn(request)
      ? isWebSocket(request)
      : previous?.call(server, request) ?? server.listenerCount("upgrade") > 0
  checked.shouldUpgradeCallback = check
  return () => {
    isInUse = false
    if (checked.shouldUpgradeCallback !== check) return
    if (previous === undefined) delete checked.shouldUpgradeCallback
    else checked.shouldUpgradeCallback = previous
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// all of it

/** Keep-alive time-outs in milliseconds: Node's default, which is shorter than the reuse time of proxies, and ours. */
const keepAliveTimeouts = { node: 5_000, ours: 65_000 }

/** Times in milliseconds for the headers of a request, or for anything over a new connection, and for all of a request. */
export interface RequestTimeouts {
  readonly headersTimeout: number
  readonly requestTimeout: number
}

const requestTimeouts = {
  node: { headersTimeout: 60_000, requestTimeout: 300_000 },
  ours: { headersTimeout: 20_000, requestTimeout: 120_000 }
}

/** Longest interval in which Node looks for requests that take too long, in milliseconds. */
const maxCheckInterval = 5_000

const limitRequests = (server: AnyServer, given: Partial<RequestTimeouts>): void => {
  for (const name of ["headersTimeout", "requestTimeout"] as const) {
    const isDefault = server[name] === requestTimeouts.node[name]
    server[name] = given[name] ?? (isDefault ? requestTimeouts.ours[name] : server[name])
  }
  // Node reads the interval when the server begins to listen.
  const checked = server as { connectionsCheckingInterval?: number }
  const shortest = Math.min(...[server.headersTimeout, server.requestTimeout].filter((time) => time > 0))
  const before = checked.connectionsCheckingInterval ?? maxCheckInterval
  checked.connectionsCheckingInterval = Math.min(before, maxCheckInterval, Math.ceil(shortest / 4))
}

/** Applies the settings for this service; settings that differ from Node's defaults stay, unless they are given here. */
export const tune = <S extends AnyServer>(server: S, timeouts: Partial<RequestTimeouts> = {}): S => {
  limitRequests(server, timeouts)
  if (server.keepAliveTimeout === keepAliveTimeouts.node) server.keepAliveTimeout = keepAliveTimeouts.ours
  // Java's HTTP client offers an upgrade to HTTP/2 with each request; it accepts an answer by HTTP/1.1.
  upgradeWebSocketsOnly(server, () => true)
  closeIdleWhenClosing(server)
  return server
}
