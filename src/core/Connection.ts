/**
 * Connections as the core sees them: a number and a kind. The socket, request or queue behind it is the transport's.
 */

/** Number of a connection within one process; never used again. */
export type ConnectionId = number

/**
 * Kinds of connections.
 *
 * - `exchange`: one batch of messages in, one answer out (long-polling, callback-polling).
 * - `socket`: batches in and out at any time (WebSocket, in-process).
 * - `stream`: out only, opened for a session that exists (EventSource).
 */
export type Kind = "exchange" | "socket" | "stream"

/** Connection. A local one is the application's own: it may do what remote clients may not. */
export interface Connection {
  readonly id: ConnectionId
  readonly kind: Kind
  readonly local: boolean
}
