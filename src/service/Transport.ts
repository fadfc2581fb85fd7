/**
 * Contract between the running service and the transports, which carry bytes.
 *
 * A transport turns the actions of its peer into calls of an {@link OpenConnection}, and gets whole frames to write
 * through the {@link Sink} that it gave when it opened the connection. It knows no sessions, no subscriptions and no
 * rule of Bayeux.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { ClientId } from "../core/ClientId.ts"
import type { Kind } from "../core/Connection.ts"
import type { Frame } from "./Frame.ts"

/** HTTP request of a peer; in-process connections have none. */
export interface RequestInfo {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Address of the client, as trusted proxies name it, or of the peer; undefined on Unix sockets and once the peer is gone. */
  readonly remoteAddress: string | undefined
}

/** Description of a connection that is opened. */
export interface ConnectionInfo {
  readonly connectionType: string
  readonly kind: Kind
  /** Whether it is the application's own: it may do what remote clients may not. */
  readonly local: boolean
  readonly request: RequestInfo | undefined
  /** Server through which it came, so that a server that stops can end its connections and no others. */
  readonly owner: object | undefined
}

/** Addresses of clients that trusted proxies have named. */
const clientAddresses = new WeakMap<IncomingMessage, string | undefined>()

/** Notes the address of a request's client, in the place of its peer's. */
export const setClientAddress = (request: IncomingMessage, address: string | undefined): void =>
  void clientAddresses.set(request, address)

/** Request as extensions see it. Only reading the address costs a call of the system. */
class Arrived implements RequestInfo {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly #request: IncomingMessage

  constructor(request: IncomingMessage) {
    this.method = request.method ?? "GET"
    this.url = request.url ?? "/"
    this.headers = request.headers
    this.#request = request
  }

  get remoteAddress(): string | undefined {
    return clientAddresses.has(this.#request)
      ? clientAddresses.get(this.#request)
      : this.#request.socket.remoteAddress
  }
}

/** Creates the request as extensions see it. */
export const requestInfo = (request: IncomingMessage): RequestInfo => new Arrived(request)

/** Reasons of the service to close a connection. */
export type CloseReason =
  | "SessionEnded"
  | "SessionMoved"
  | "UnknownClient"
  | "StreamRefused"
  | "Unavailable"
  | "Shutdown"
  | "ServerError"

/** Writer of a connection. */
export interface Sink {
  /** Writes a frame. An exchange gets one: its whole answer. */
  readonly send: (frame: Frame) => void
  /** Closes the connection when all frames have left. */
  readonly close: (reason: CloseReason) => void
  /**
   * Frames that were sent and may not have left, the oldest first. Without it all have. When the connection is gone
   * they go out again.
   */
  readonly unwritten?: () => ReadonlyArray<Frame>
  /** The connection belongs to a session now. */
  readonly bound?: (clientId: ClientId) => void
  /** The session has gone to another connection: the peer of this one may have gone, too. */
  readonly left?: () => void
}

/** Connection that the service has opened. */
export interface OpenConnection {
  /** Hands in a batch of messages, each any JSON value. An exchange hands in one batch. */
  readonly receive: (messages: ReadonlyArray<unknown>) => void
  /** Asks for the messages of a session, for a stream. */
  readonly attach: (clientId: string) => void
  /** The peer has shown that it is there, without a message: it has answered a ping. */
  readonly heard: () => void
  /**
   * The connection is gone, with the frames that its sink has not written. `resetBy` is the address of a peer that has
   * reset the connection when all was written: it may not have read the frames of {@link Sink.unwritten}. `hadEnded`:
   * it had closed its socket before it got all of an answer.
   */
  readonly closed: (resetBy?: string, hadEnded?: boolean) => void
  /** Closes the connection from this side: a held connect is answered, written frames leave first. */
  readonly end: () => void
}

/** Opens a connection. */
export type Open = (info: ConnectionInfo, sink: Sink) => OpenConnection

interface Call {
  readonly request: IncomingMessage
  /** Rest of the path behind the mount: `""`, or `/` and more. */
  readonly path: string
  readonly open: Open
  readonly owner: object
}

/** Request that a server hands to the transports. */
export interface HttpCall extends Call {
  readonly response: ServerResponse
  readonly query: URLSearchParams
}

/** Request to upgrade the connection to another protocol than HTTP. */
export interface UpgradeCall extends Call {
  readonly socket: Duplex
  readonly head: Buffer
}

/** Transport: its connection types for handshakes, and its handlers for servers. */
export interface Transport {
  /** Connection types that it carries, in the order of preference. */
  readonly connectionTypes: ReadonlyArray<string>
  /** Takes a request, or leaves it to the next transport by giving false. */
  readonly handle?: (call: HttpCall) => boolean
  /** Takes an upgrade, or leaves it. */
  readonly upgrade?: (call: UpgradeCall) => boolean
}
