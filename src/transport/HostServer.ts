/**
 * The Node server on which a service is found, whoever has made it: what it has to do otherwise than Node does by itself.
 *
 * Node lets a server that closes wait for connections that nobody uses, tells nobody that it closes before it has, and
 * takes each request with an `Upgrade` for one that is to be upgraded.
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { AnyServer } from "./Listening.ts"

// ---------------------------------------------------------------------------------------------------------------------
// the end

const closing = new WeakMap<AnyServer, Set<() => void>>()

/** Has `close` tell those who want to know, when it has stopped to listen. */
const announceClosing = (server: AnyServer): Set<() => void> => {
  const listeners = new Set<() => void>()
  const close = server.close.bind(server)
  server.close = (done) => {
    close(done)
    for (const listener of [...listeners]) listener()
    return server
  }
  closing.set(server, listeners)
  return listeners
}

/** Calls when somebody closes the server, as soon as that begins. Gives a function that forgets it. */
export const onClosing = (server: AnyServer, listener: () => void): () => void => {
  const listeners = closing.get(server) ?? announceClosing(server)
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** Gives a function that closes the connections over which nothing has come yet: for Node they are busy. */
const trackSilent = (server: AnyServer): () => void => {
  const open = new Set<Socket>()
  const forget = function(this: Socket) {
    open.delete(this)
  }
  const add = (socket: Socket) => {
    open.add(socket)
    socket.on("close", forget)
  }
  server.on("connection", add)
  // Over TLS the handshake has come, but that is no request.
  server.on("secureConnection", add)
  return () => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
  }
}

/** How often a server that closes looks for connections that have become idle, in milliseconds. */
const lookAgain = 20

/** A server that closes waits for what is under way, and for nothing else. */
const closeWhatIsIdle = (server: AnyServer): void => {
  const closeSilent = trackSilent(server)
  onClosing(server, () => {
    const look = () => {
      closeSilent()
      server.closeIdleConnections()
    }
    look()
    // @effect-diagnostics-next-line globalTimers:off -- the network's time, not the protocol's; there is no effect here
    const timer = setInterval(look, lookAgain)
    server.once("close", () => clearInterval(timer))
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// upgrades

/**
 * Whether a request is to become a WebSocket (RFC 6455, section 4.1). Some proxies put the headers of an upgrade on all
 * that they hand on, but only who wants a WebSocket has a key.
 */
export const isWebSocket = ({ headers, method }: IncomingMessage): boolean =>
  method === "GET" && headers.upgrade?.toLowerCase() === "websocket" && headers["sec-websocket-key"] !== undefined

interface Asking {
  shouldUpgradeCallback?: (this: AnyServer, request: IncomingMessage) => boolean
}

/**
 * Has requests that are the service's upgraded only if they are to become WebSockets; all others are requests like any
 * other. Gives a function that undoes it. Before its versions 22.21 and 24.9 Node does not ask.
 */
export const upgradeWebSocketsOnly = (
  server: AnyServer,
  isOwn: (request: IncomingMessage) => boolean
): () => void => {
  const asking = server as Asking
  const before = asking.shouldUpgradeCallback
  let isInUse = true
  const ask: NonNullable<Asking["shouldUpgradeCallback"]> = (request) =>
    isInUse && isOwn(request)
      ? isWebSocket(request)
      : before?.call(server, request) ?? server.listenerCount("upgrade") > 0
  asking.shouldUpgradeCallback = ask
  return () => {
    isInUse = false
    if (asking.shouldUpgradeCallback !== ask) return
    if (before === undefined) delete asking.shouldUpgradeCallback
    else asking.shouldUpgradeCallback = before
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// all of it

/** Node's default, which is shorter than what proxies wait before they use a connection again, and ours (milliseconds). */
const keepAlive = { byDefault: 5_000, ours: 65_000 }

/** Settings that suit this service better than Node's defaults; what was set by hand stays. */
export const tune = <S extends AnyServer>(server: S): S => {
  if (server.keepAliveTimeout === keepAlive.byDefault) server.keepAliveTimeout = keepAlive.ours
  // Java's client offers HTTP/2 with each request: that is no reason not to answer it by HTTP/1.1.
  upgradeWebSocketsOnly(server, () => true)
  closeWhatIsIdle(server)
  return server
}
