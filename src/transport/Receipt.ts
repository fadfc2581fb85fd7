/**
 * What becomes of an answer that was handed to the operating system.
 *
 * A response is finished when the system has taken it; a peer that had gone by then never sees it, and the messages in
 * it would be lost. So an answer stays in doubt until the next request comes over the same connection, or until that
 * connection ends. One that was not taken to its end is lost. One that was may have been read, although the peer's system
 * has reset the connection: what that proves is for the core to say (`core/Resets`). A reset that Linux keeps to itself,
 * because there is an end of file to read, it tells when asked by an empty write, which puts nothing on the wire (EPIPE).
 *
 * On a Unix socket the same empty write fails for each peer that has closed, and after a second a reset has another cause
 * than the answer: both say nothing. Neither does the reset of a proxy, which has its own reasons: one says by a header
 * that it is one, another carries the requests of several sessions over one connection.
 *
 * `FrameWriter` asks in the same way of the last frame on a connection that stays open.
 */
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

/** What became of an answer; one of these is called, once. */
export interface Doubt {
  readonly confirmed: () => void
  /** The system has not taken it. */
  readonly lost: () => void
  /** The system has taken it, and then the peer at this address has reset the connection; it may have ended its side before. */
  readonly reset: (peer: string, hadEnded: boolean) => void
}

/** How long a peer that reads may take to read what its system has got, in milliseconds. */
export const longestUnread = 1_000

interface Open {
  readonly doubt: Doubt
  finishedAt: number
}

/** The answers in doubt on a connection, and the address at its other end; a Unix socket has none. */
interface Doubts {
  readonly peer: string | undefined
  readonly open: Map<ServerResponse, Open>
  /** The session that has spoken over it first. */
  session: string | undefined
  hasEnded: boolean
}

const doubtsOf = new WeakMap<Socket, Doubts>()

const mostProxies = 1_000

/** The addresses from which several sessions have come over one connection, for each server. */
const proxies = new WeakMap<object, Set<string>>()

const proxiesOf = (socket: Socket & { readonly server?: object }): Set<string> => {
  const server = socket.server ?? socket
  const known = proxies.get(server)
  if (known !== undefined) return known
  const none = new Set<string>()
  proxies.set(server, none)
  return none
}

/** The longest part of a session's name that is kept. */
const longestName = 64

/** A session speaks over a connection. */
export const speaks = (socket: Socket, clientId: string): void => {
  const doubts = doubtsOf.get(socket) ?? attend(socket)
  const name = clientId.slice(0, longestName)
  doubts.session ??= name
  if (doubts.session === name || doubts.peer === undefined) return
  const known = proxiesOf(socket)
  if (known.size < mostProxies) known.add(doubts.peer)
}

const ofProxies = ["x-forwarded-for", "forwarded", "via"] as const

const isOfProxy = ({ req }: ServerResponse, peer: string): boolean =>
  ofProxies.some((name) => req.headers[name] !== undefined) || proxiesOf(req.socket).has(peer)

const settle = (socket: Socket, isReset: boolean): void => {
  const doubts = doubtsOf.get(socket)
  if (doubts === undefined || doubts.open.size === 0) return
  const settled = [...doubts.open]
  doubts.open.clear()
  for (const [response, { doubt, finishedAt }] of settled) {
    const isLate = performance.now() - finishedAt > longestUnread
    const { hasEnded, peer } = doubts
    if (!response.writableFinished) doubt.lost()
    else if (!isReset || isLate || peer === undefined || (!hasEnded && isOfProxy(response, peer))) doubt.confirmed()
    else doubt.reset(peer, hasEnded)
  }
}

/** The peer has sent another request over the connection, so it has read what had been written by then. */
export const confirm = (socket: Socket): void => {
  const open = doubtsOf.get(socket)?.open
  if (open === undefined || open.size === 0) return
  for (const [response, { doubt }] of open) {
    if (!response.writableFinished) continue
    open.delete(response)
    doubt.confirmed()
  }
}

/** With TLS the system's socket is beneath ours: an empty write to it is no part of the encrypted stream. */
export const beneath = (stream: Duplex & { readonly _parent?: Duplex | null }): Duplex => stream._parent ?? stream

/** Asks the system whether the peer, which has closed its socket, has reset the connection. */
export const ask = (stream: Duplex, isReset: () => void): void => {
  const asked = beneath(stream)
  if (stream.writable && asked.writable) asked.write("", (error) => error && isReset())
}

const attend = (socket: Socket): Doubts => {
  const doubts: Doubts = { peer: socket.remoteAddress, open: new Map(), session: undefined, hasEnded: false }
  doubtsOf.set(socket, doubts)
  socket.prependListener("end", () => {
    doubts.hasEnded = true
    if (doubts.peer !== undefined) ask(socket, () => settle(socket, true))
  })
  socket.prependListener("error", () => settle(socket, true))
  socket.on("close", (hadError: boolean) => settle(socket, hadError))
  return doubts
}

/** How long a peer that wants its connection closed has to do it itself, and then to see that we did (milliseconds). */
const lingerTimeouts = { beforeEnd: 200, afterEnd: 5_000 }

/**
 * Without keep-alive Node closes the socket with its last write, and whatever goes wrong after that goes unnoticed. So
 * the peer is given time to close first, once it has read all (RFC 9112, section 9.6).
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

/** Follows an answer that is about to be written; its response is to tell when it is closed. */
export const watch = (response: ServerResponse, doubt: Doubt): void => {
  const { socket } = response.req
  if (socket.destroyed) return doubt.lost()
  const { open } = doubtsOf.get(socket) ?? attend(socket)
  open.set(response, { doubt, finishedAt: Infinity })
  if (!response.shouldKeepAlive) linger(socket)
}

/** The response of an answer is closed: written to its end, or broken off. */
export const closed = (response: ServerResponse): void => {
  const open = doubtsOf.get(response.req.socket)?.open
  const found = open?.get(response)
  if (found === undefined) return
  if (response.writableFinished) {
    found.finishedAt = performance.now()
  } else {
    open?.delete(response)
    found.doubt.lost()
  }
}
