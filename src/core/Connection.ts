/**
 * A connection as the core sees it: a number and what can be done over it. What stands behind it (a socket, a request,
 * a queue in the same process) is the transport's business.
 */

/** Numbers a connection within one process; never used again. */
export type ConnectionId = number

/**
 * - `exchange`: one batch of messages in, one answer out (long-polling, callback-polling).
 * - `socket`: batches in and out at any time (WebSocket, in-process).
 * - `stream`: out only, opened for a session that exists (EventSource).
 */
export type Kind = "exchange" | "socket" | "stream"

/** Who has sent something. A local connection is the application's own: it may do what remote clients may not. */
export interface Connection {
  readonly id: ConnectionId
  readonly kind: Kind
  readonly local: boolean
}
