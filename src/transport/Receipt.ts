/**
 * Whether an answer that was handed to the operating system has met anybody.
 *
 * A response is finished when the system has taken it; a peer that had gone by then never sees it, and the messages in
 * it would be lost. So an answer stays in doubt until the next request comes over the same connection, or until that
 * connection ends: in good order, or not. One case looks like good order and is not: the peer closed its socket before
 * it got the whole answer. Then its system has replied to our bytes with a reset, which Linux keeps to itself while
 * there is an end of file to read; but it tells when asked by an empty write, which puts nothing on the wire (EPIPE).
 *
 * What this cannot see is a peer that vanishes without a word, or whose reset is still under way when its connection
 * ends; only a client that acknowledges what it has read can tell.
 *
 * `FrameWriter` asks in the same way of the last frame on a connection that stays open.
 */
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

/** What became of an answer; one of the two is called, once. */
export interface Doubt {
  readonly confirmed: () => void
  readonly lost: () => void
}

/** The answers in doubt on each connection. */
const doubts = new WeakMap<Socket, Map<ServerResponse, Doubt>>()

const settle = (socket: Socket, outcome: keyof Doubt): void => {
  const open = doubts.get(socket)
  if (open === undefined || open.size === 0) return
  const settled = [...open]
  open.clear()
  for (const [response, doubt] of settled) doubt[response.writableFinished ? outcome : "lost"]()
}

/** The peer has sent another request over the connection, so it has read what had been written by then. */
export const confirm = (socket: Socket): void => {
  const open = doubts.get(socket)
  if (open === undefined || open.size === 0) return
  for (const [response, doubt] of open) {
    if (!response.writableFinished) continue
    open.delete(response)
    doubt.confirmed()
  }
}

/** With TLS the system's socket is beneath ours: an empty write to it is no part of the encrypted stream. */
const beneath = (stream: Duplex & { readonly _parent?: Duplex | null }): Duplex => stream._parent ?? stream

/** Asks the system whether the peer, which has closed its socket, has reset the connection. */
export const ask = (stream: Duplex, isReset: () => void): void => {
  const asked = beneath(stream)
  if (stream.writable && asked.writable) asked.write("", (error) => error && isReset())
}

const attend = (socket: Socket): void => {
  socket.prependListener("end", () => ask(socket, () => settle(socket, "lost")))
  socket.prependListener("error", () => settle(socket, "lost"))
  socket.on("close", (hadError: boolean) => settle(socket, hadError ? "lost" : "confirmed"))
}

/** How long a peer that wants its connection closed has to do it itself, and then to see that we did (milliseconds). */
const patience = { beforeEnd: 200, afterEnd: 5_000 }

/**
 * Without keep-alive Node closes the socket with its last write, and whatever goes wrong after that goes unnoticed. So
 * the peer is given time to close first, once it has read all (RFC 9112, section 9.6).
 */
const linger = (socket: Socket): void => {
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    // @effect-diagnostics-next-line globalTimers:off -- the network's time, not the protocol's; there is no effect here
    const timer = setTimeout(() => socket.end(), patience.beforeEnd)
    socket.on("close", () => clearTimeout(timer))
    socket.setTimeout(patience.afterEnd, destroySoon)
  }
}

/** Follows an answer that is about to be written; its response is to tell when it is closed. */
export const watch = (response: ServerResponse, doubt: Doubt): void => {
  const { socket } = response.req
  if (socket.destroyed) return doubt.lost()
  let open = doubts.get(socket)
  if (open === undefined) {
    doubts.set(socket, open = new Map())
    attend(socket)
  }
  open.set(response, doubt)
  if (!response.shouldKeepAlive) linger(socket)
}

/** The response of an answer is closed: written to its end, or broken off. */
export const closed = (response: ServerResponse): void => {
  if (!response.writableFinished) settle(response.req.socket, "lost")
}
