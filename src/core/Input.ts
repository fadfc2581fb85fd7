/**
 * Inputs of the machine: events. Each has the time (`now`, in milliseconds since the epoch) and, where one is needed, a
 * fresh client id: the reducer itself has neither a clock nor randomness, so the same inputs always give the same
 * outputs.
 */
import type { Outcome } from "./Change.ts"
import type { ClientId } from "./ClientId.ts"
import type { Connection, ConnectionId } from "./Connection.ts"
import type { Connect, Delivery, Handshake, Incoming } from "./Message.ts"
import type { Cause } from "./MonitorEvent.ts"
import type { Address } from "./Resets.ts"

/**
 * A message arrived. `slot` is its place among the answers of the connection. `mayBeHeld` is decided by
 * `Message.mayBeHeld`.
 */
export interface Received {
  readonly _tag: "Received"
  readonly now: number
  readonly connection: Connection
  readonly slot: number
  readonly mayBeHeld: boolean
  readonly message: Exclude<Incoming, Handshake>
}

/** A connect arrived. */
export interface ConnectReceived extends Received {
  readonly message: Connect
}

/** A handshake arrived. `freshId` names the session that it may begin. */
export interface HandshakeReceived {
  readonly _tag: "HandshakeReceived"
  readonly now: number
  readonly connection: Connection
  readonly slot: number
  readonly message: Handshake
  readonly freshId: ClientId
}

/** A stream was opened, with a client id that need not be that of a session. */
export interface StreamOpened {
  readonly _tag: "StreamOpened"
  readonly now: number
  readonly connection: Connection
  readonly clientId: string
}

/** The peer of a connection has given a sign of life: it has answered a ping, or sent something. */
export interface Heard {
  readonly _tag: "Heard"
  readonly now: number
  readonly connection: ConnectionId
}

/** The process has not run for so many milliseconds, up to now: it was halted, or too busy to read. */
export interface Halted {
  readonly _tag: "Halted"
  readonly now: number
  readonly milliseconds: number
}

/**
 * A connection is about to be closed from this side: a connect that is held on it is to be answered. `goesOn`: other
 * processes can go on with its session.
 */
export interface ConnectionEnding {
  readonly _tag: "ConnectionEnding"
  readonly now: number
  readonly connection: ConnectionId
  readonly goesOn: boolean
}

/** A connection is gone. */
export interface ConnectionClosed {
  readonly _tag: "ConnectionClosed"
  readonly now: number
  readonly connection: ConnectionId
}

/**
 * Messages of a connection that was closed return: they could not be written. With `resetBy` they were written to their
 * end, and then the peer at that address reset the connection, which may mean that it has not read them; without
 * messages it was the answer to the handshake. The messages of an `exchange` were an answer; its peer `hadEnded` if it
 * had closed its socket by then.
 */
export interface Returned {
  readonly _tag: "Returned"
  readonly now: number
  readonly clientId: ClientId
  readonly messages: ReadonlyArray<Delivery>
  readonly exchange?: ConnectionId | undefined
  readonly resetBy?: Address | undefined
  readonly hadEnded?: boolean
}

/** The time of `Machine.nextDeadline` has come, or is over. */
export interface DeadlinePassed {
  readonly _tag: "DeadlinePassed"
  readonly now: number
}

/** Everything that has arrived in this turn of the event loop was handed in (`Machine.isTurnOpen`). */
export interface TurnEnded {
  readonly _tag: "TurnEnded"
  readonly now: number
}

/** The application, or the end of the service, wants a session ended. */
export interface EndRequested {
  readonly _tag: "EndRequested"
  readonly now: number
  readonly clientId: ClientId
  readonly cause: Cause
}

/** From now on these connection types are offered. */
export interface TransportsChanged {
  readonly _tag: "TransportsChanged"
  readonly now: number
  readonly connectionTypes: ReadonlyArray<string>
}

/** The engine tells the outcome of a change, of this process or of another one. */
export interface Happened {
  readonly _tag: "Happened"
  readonly now: number
  readonly outcome: Outcome
}

/** Input of the machine. */
export type Input =
  | Received
  | HandshakeReceived
  | StreamOpened
  | Heard
  | Halted
  | ConnectionEnding
  | ConnectionClosed
  | Returned
  | DeadlinePassed
  | TurnEnded
  | EndRequested
  | TransportsChanged
  | Happened
