/**
 * The contract between the running service and what carries bytes.
 *
 * A transport turns what its peer does into calls of an {@link OpenConnection}, and gets back, through the
 * {@link Sink} it gave when it opened the connection, whole frames to write. It knows no sessions, no subscriptions and
 * no rule of Bayeux.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { ClientId } from "../core/ClientId.ts"
import type { Kind } from "../core/Connection.ts"
import type { Frame } from "./Frame.ts"

/** The HTTP request by which a peer came; in-process connections have none. */
export interface RequestInfo {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** The peer's address; undefined when it has gone before anybody asked. */
  readonly remoteAddress: string | undefined
}

/** What a transport says of a connection when it opens it. */
export interface ConnectionInfo {
  readonly connectionType: string
  readonly kind: Kind
  /** The application's own: it may do what remote clients may not. */
  readonly local: boolean
  readonly request: RequestInfo | undefined
  /** The server through which it came, so that a server that stops can end its connections and no others. */
  readonly owner: object | undefined
}

/** A request as extensions see it. Only one that asks for the address costs a call of the system. */
class Arrived implements RequestInfo {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly #socket: IncomingMessage["socket"]

  constructor({ headers, method = "GET", socket, url = "/" }: IncomingMessage) {
    this.method = method
    this.url = url
    this.headers = headers
    this.#socket = socket
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress
  }
}

/** What extensions are told of a request. */
export const requestInfo = (request: IncomingMessage): RequestInfo => new Arrived(request)

/** Why the service closes a connection. */
export type CloseReason =
  | "SessionEnded"
  | "SessionMoved"
  | "UnknownClient"
  | "StreamRefused"
  | "Unavailable"
  | "Shutdown"
  | "ServerError"

/** Where the service writes to. */
export interface Sink {
  /** Writes a frame. An exchange gets one: its whole answer. */
  readonly send: (frame: Frame) => void
  /** Closes the connection when what was sent has left. */
  readonly close: (reason: CloseReason) => void
  /**
   * The frames that were sent and of which it is not certain that they have left, the oldest first. Without it all have.
   * When the connection is gone they go out again.
   */
  readonly unwritten?: () => ReadonlyArray<Frame>
  /** The connection now belongs to a session. */
  readonly bound?: (clientId: ClientId) => void
  /** The session has gone to another connection: the peer of this one may have gone, too. */
  readonly left?: () => void
}

/** A connection that the service knows of. */
export interface OpenConnection {
  /** Hands in a batch of messages, each any JSON value. An exchange hands in one batch. */
  readonly receive: (messages: ReadonlyArray<unknown>) => void
  /** Asks for the messages of a session, for a stream. */
  readonly attach: (clientId: string) => void
  /** The peer has shown that it is there, without a message: it has answered a ping. */
  readonly heard: () => void
  /**
   * The connection is gone, with what its sink has not written. `resetBy` is the address of a peer that has reset the
   * connection when all was written: it may not have read what the sink still has. `hadEnded` says that it had closed its
   * socket before it got all of an answer.
   */
  readonly closed: (resetBy?: string, hadEnded?: boolean) => void
  /** Closes the connection from this side: what is held is answered, what was sent leaves first. */
  readonly end: () => void
}

/** How the service takes a connection. */
export type Open = (info: ConnectionInfo, sink: Sink) => OpenConnection

interface Call {
  readonly request: IncomingMessage
  /** What follows the mount: `""`, or `/` and more. */
  readonly path: string
  readonly open: Open
  readonly owner: object
}

/** A request that a server hands to the transports. */
export interface HttpCall extends Call {
  readonly response: ServerResponse
  readonly query: URLSearchParams
}

/** A request to become something else than HTTP. */
export interface UpgradeCall extends Call {
  readonly socket: Duplex
  readonly head: Buffer
}

/** What a transport offers to servers and, in the handshake, to clients. */
export interface Transport {
  /** The connection types that it carries, in the order of preference. */
  readonly connectionTypes: ReadonlyArray<string>
  /** Takes a request, or leaves it to the next transport by giving false. */
  readonly handle?: (call: HttpCall) => boolean
  /** Takes an upgrade, or leaves it. */
  readonly upgrade?: (call: UpgradeCall) => boolean
}
