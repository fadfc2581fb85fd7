/** Outputs of the machine: instructions to the shell around it, to be carried out in their order. */
import type { Change } from "./Change.ts"
import type { ClientId } from "./ClientId.ts"
import type { ConnectionId } from "./Connection.ts"
import type { ConnectReceived, StreamOpened } from "./Input.ts"
import type * as Message from "./Message.ts"
import type { Cause, Event, Move } from "./MonitorEvent.ts"

/**
 * Answer the request at `slot`: with its reply and the deliveries behind it. Each slot is answered exactly once. The
 * deliveries are those of `clientId`; if they cannot be written they return as `Returned`. The answer to a handshake
 * has the `clientId` of the new session.
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
 * Write a message that the client has not asked for to a stream or socket, for the sake of its advice. It looks like
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

/** Close a socket or stream when everything that was written to it has left. */
export interface CloseConnection {
  readonly _tag: "CloseConnection"
  readonly connection: ConnectionId
  readonly reason: "SessionEnded" | "SessionMoved" | "UnknownClient" | "StreamRefused" | "Unavailable"
}

/** Hand an input in again if its connection is still open: its session is here. */
export interface Resume {
  readonly _tag: "Resume"
  readonly input: ConnectReceived | StreamOpened
}

/** Have the engine carry out a change. */
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
 * Reasons for the loss of messages.
 *
 * - The cause of a session's end: they waited for the session, and had not left for it yet.
 * - `Unwritten`: they had left for a session, could not be written, and the session has ended meanwhile.
 * - `Refused`: a message was published and not accepted; its publisher has been told why.
 */
export type DropReason = Cause["_tag"] | "Unwritten" | "Refused"

/** Count messages that do not reach a recipient. */
export interface Drop {
  readonly _tag: "Drop"
  readonly reason: DropReason
  readonly messages: number
}

/** Output of the machine. */
export type Output = Reply | Deliver | Advise | Bind | Leave | CloseConnection | Resume | Commit | Emit | Drop

/** Creates the answer to the request at a slot. */
export const reply = (
  connection: ConnectionId,
  slot: number,
  messages: ReadonlyArray<Message.Outgoing>,
  clientId: ClientId | undefined
): Reply => ({ _tag: "Reply", connection, slot, messages, clientId })
