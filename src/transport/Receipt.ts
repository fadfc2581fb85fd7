/**
 * Receipts of HTTP answers: was an answer that the operating system took also read by the peer?
 *
 * An answer is unconfirmed until the next request on its connection, which confirms it, or until the end of the
 * connection. If the system did not take all of it, it is lost. If the peer resets the connection, the core decides
 * (`core/Resets`). Linux hides a reset behind an end of stream; an empty write, which sends nothing, reveals it (EPIPE).
 *
 * Resets that prove nothing count as confirmation: those on a Unix socket, where the empty write fails for any closed
 * peer; those a second later, which have another cause; and those of proxies, which are known by their headers or by the
 * requests of several sessions on one connection. `FrameWriter` checks for resets in the same way.
 */
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

/** Receiver of the outcome of an answer. Exactly one of the functions is called, once. */
export interface Receipt {
  /** The peer has read the answer, or nothing proves that it has not. */
  readonly confirmed: () => void
  /** The system has not taken all of the answer. */
  readonly lost: () => void
  /** The system has taken the answer, then the peer at this address has reset the connection. `hadEnded`: it had ended its side before. */
  readonly reset: (peer: string, hadEnded: boolean) => void
}

/** Time in milliseconds after which a reset has another cause than an unread answer. */
const maxUnreadTime = 1_000

interface PendingAnswer {
  readonly receipt: Receipt
  finishedAt: number
}

/** A connection and its unconfirmed answers. `peer` is the remote address; a Unix socket has none. */
interface PeerConnection {
  readonly peer: string | undefined
  readonly pending: Map<ServerResponse, PendingAnswer>
  /** The first session with a request on the connection. */
  session: string | undefined
  hasEnded: boolean
}

const connections = new WeakMap<Socket, PeerConnection>()

const maxProxies = 1_000

/** Addresses of proxies for each server: several sessions have used one connection from there. */
const proxies = new WeakMap<object, Set<string>>()

const proxiesOf = (socket: Socket & { readonly server?: object }): Set<string> => {
  const server = socket.server ?? socket
  const known = proxies.get(server)
  if (known !== undefined) return known
  const created = new Set<string>()
  proxies.set(server, created)
  return created
}

/** Number of characters of a client id that are kept. */
const maxName = 64

/** Notes that a session has sent a request on a connection. */
export const noteSession = (socket: Socket, clientId: string): void => {
  const connection = connections.get(socket) ?? follow(socket)
  const name = clientId.slice(0, maxName)
  connection.session ??= name
  if (connection.session === name || connection.peer === undefined) return
  const known = proxiesOf(socket)
  if (known.size < maxProxies) known.add(connection.peer)
}

const proxyHeaders = ["x-forwarded-for", "forwarded", "via"] as const

const isFromProxy = ({ req }: ServerResponse, peer: string): boolean =>
  proxyHeaders.some((name) => req.headers[name] !== undefined) || proxiesOf(req.socket).has(peer)

const settle = (socket: Socket, isReset: boolean): void => {
  const connection = connections.get(socket)
  if (connection === undefined || connection.pending.size === 0) return
  const settled = [...connection.pending]
  connection.pending.clear()
  for (const [response, { receipt, finishedAt }] of settled) {
    const isLate = performance.now() - finishedAt > maxUnreadTime
    const { hasEnded, peer } = connection
    if (!response.writableFinished) receipt.lost()
    else if (!isReset || isLate || peer === undefined || (!hasEnded && isFromProxy(response, peer))) receipt.confirmed()
    else receipt.reset(peer, hasEnded)
  }
}

/** Confirms the finished answers of a connection, because the peer has sent another request on it. */
export const confirm = (socket: Socket): void => {
  const pending = connections.get(socket)?.pending
  if (pending === undefined || pending.size === 0) return
  for (const [response, { receipt }] of pending) {
    if (!response.writableFinished) continue
    pending.delete(response)
    receipt.confirmed()
  }
}

/** Returns the socket of the system: with TLS the one below, on which an empty write is not encrypted. */
export const systemSocket = (stream: Duplex & { readonly _parent?: Duplex | null }): Duplex => stream._parent ?? stream

/** Calls back if the peer, which has ended its side, has also reset the connection. */
export const checkReset = (stream: Duplex, isReset: () => void): void => {
  const system = systemSocket(stream)
  if (stream.writable && system.writable) system.write("", (error) => error && isReset())
}

const follow = (socket: Socket): PeerConnection => {
  const connection: PeerConnection = {
    peer: socket.remoteAddress,
    pending: new Map(),
    session: undefined,
    hasEnded: false
  }
  connections.set(socket, connection)
  socket.prependListener("end", () => {
    connection.hasEnded = true
    if (connection.peer !== undefined) checkReset(socket, () => settle(socket, true))
  })
  socket.prependListener("error", () => settle(socket, true))
  socket.on("close", (hadError: boolean) => settle(socket, hadError))
  return connection
}

/** Times in milliseconds for a peer without keep-alive: to close the connection itself, and then to see our end of it. */
const lingerTimeouts = { beforeEnd: 200, afterEnd: 5_000 }

/**
 * Delays the end of a connection without keep-alive, so that the peer can close it first after reading everything (RFC
 * 9112, section 9.6). By itself Node closes the socket with its last write, and later errors go unnoticed.
 */
const linger = (socket: Socket): void => {
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    // @effect-diagnostics-next-line globalTimers:off -- the network's time, not the protocol's; there is no effect here
    const timer = setTimeout(() => socket.end(), lingerTimeouts.beforeEnd)
    socket.on("close", () => clearTimeout(timer))
    socket.setTimeout(lingerTimeouts.afterEnd, destroySoon)
  }
}

/** Tracks an answer that is about to be written. {@link closed} must be called when its response is closed. */
export const track = (response: ServerResponse, receipt: Receipt): void => {
  const { socket } = response.req
  if (socket.destroyed) return receipt.lost()
  const { pending } = connections.get(socket) ?? follow(socket)
  pending.set(response, { receipt, finishedAt: Infinity })
  if (!response.shouldKeepAlive) linger(socket)
}

/** Notes that the response of an answer is closed, completely written or not. */
export const closed = (response: ServerResponse): void => {
  const pending = connections.get(response.req.socket)?.pending
  const answer = pending?.get(response)
  if (answer === undefined) return
  if (response.writableFinished) {
    answer.finishedAt = performance.now()
  } else {
    pending?.delete(response)
    answer.receipt.lost()
  }
}
