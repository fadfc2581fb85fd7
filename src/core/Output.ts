/** What the machine wants done by the shell around it, in this order. */
import type { Change } from "./Change.ts"
import type { ClientId } from "./ClientId.ts"
import type { ConnectionId } from "./Connection.ts"
import type { ConnectReceived, StreamOpened } from "./Input.ts"
import type * as Message from "./Message.ts"
import type { Cause, Event, Move } from "./MonitorEvent.ts"

/**
 * Answer the request at `slot`: its reply, then what is delivered with it. Each slot is answered exactly once. The
 * deliveries are those of `clientId`; if they cannot be written they come back as `Returned`. The answer to a handshake
 * has the `clientId` that it tells.
 */
export interface Reply {
  readonly _tag: "Reply"
  readonly connection: ConnectionId
  readonly slot: number
  readonly messages: ReadonlyArray<Message.Outgoing>
  readonly clientId: ClientId | undefined
}

/** Write a message to each of the connections. */
export interface Deliver {
  readonly _tag: "Deliver"
  readonly connections: ReadonlyArray<ConnectionId>
  readonly message: Message.Delivery
}

/**
 * Write to a stream, or to a socket, what its client has not asked for, for the sake of the advice in it. It looks like
 * the answer to a connect.
 */
export interface Advise {
  readonly _tag: "Advise"
  readonly connection: ConnectionId
  readonly message: Message.Reply
}

/** The connection now belongs to this session. */
export interface Bind {
  readonly _tag: "Bind"
  readonly connection: ConnectionId
  readonly clientId: ClientId
}

/** The session of a socket has come back by another connection, so the socket's peer may be gone. */
export interface Leave {
  readonly _tag: "Leave"
  readonly connection: ConnectionId
}

/** Close a socket or stream when what was written to it has left. */
export interface CloseConnection {
  readonly _tag: "CloseConnection"
  readonly connection: ConnectionId
  readonly reason: "SessionEnded" | "SessionMoved" | "UnknownClient" | "StreamRefused" | "Unavailable"
}

/** Hand this in again if its connection is still open: what it waited for is there. */
export interface Resume {
  readonly _tag: "Resume"
  readonly input: ConnectReceived | StreamOpened
}

/** Have the engine carry out an order. */
export interface Commit {
  readonly _tag: "Commit"
  readonly change: Change
}

/** Tell the monitors. */
export interface Emit {
  readonly _tag: "Emit"
  readonly event: Event | Move
}

/**
 * Why messages get lost.
 *
 * - The cause of a session's end: they waited for the session, and had not left for it yet.
 * - `Unwritten`: they had left for a session, could not be written, and the session has ended meanwhile.
 * - `Refused`: a message was published and not accepted; its publisher has been told why.
 */
export type DropReason = Cause["_tag"] | "Unwritten" | "Refused"

/** Count messages that somebody was to get and will not. */
export interface Drop {
  readonly _tag: "Drop"
  readonly reason: DropReason
  readonly messages: number
}

/** Everything that the machine can want. */
export type Output = Reply | Deliver | Advise | Bind | Leave | CloseConnection | Resume | Commit | Emit | Drop

/** Creates the answer to the request at a slot. */
export const reply = (
  connection: ConnectionId,
  slot: number,
  messages: ReadonlyArray<Message.Outgoing>,
  clientId: ClientId | undefined
): Reply => ({ _tag: "Reply", connection, slot, messages, clientId })
