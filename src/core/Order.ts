/**
 * What the reducer wants done and what was done: orders go to the engine, facts come back from it.
 *
 * In memory an order is a fact at once. With an engine that is shared by several processes it is one when the engine
 * has it in store, and until then nothing in the state tells of it: an order carries all that its fact will need.
 */
import type { Schema } from "effect"
import type { BayeuxError } from "./BayeuxError.ts"
import type { Channel, Pattern } from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"
import type { Connection } from "./Connection.ts"
import type { Disconnect, Handshake, Id, Publish, Subscription } from "./Message.ts"
import type { Cause } from "./MonitorEvent.ts"

/** Whom to answer: the place of the request among the answers of its connection. */
export interface Origin<Request> {
  readonly connection: Connection
  readonly slot: number
  readonly request: Request
}

/** Begin a session. One that acknowledges keeps its messages until the client says that it has them. */
export interface CreateSession {
  readonly _tag: "CreateSession"
  readonly clientId: ClientId
  readonly acknowledges: boolean
  readonly origin: Origin<Handshake>
}

/** Subscribe a session to all of the patterns. */
export interface Subscribe {
  readonly _tag: "Subscribe"
  readonly clientId: ClientId
  readonly patterns: ReadonlyArray<Pattern>
  readonly origin: Origin<Subscription>
}

/** End subscriptions of a session. */
export interface Unsubscribe {
  readonly _tag: "Unsubscribe"
  readonly clientId: ClientId
  readonly patterns: ReadonlyArray<Pattern>
  readonly origin: Origin<Subscription>
}

/** Give a message to all subscribers of its channel. */
export interface PublishOrder {
  readonly _tag: "Publish"
  readonly clientId: ClientId | null
  readonly channel: Channel
  readonly data: Schema.Json
  readonly id: Id
  readonly origin: Origin<Publish>
}

/** End a session. Without an origin nobody waits for an answer. */
export interface EndSession {
  readonly _tag: "EndSession"
  readonly clientId: ClientId
  readonly cause: Cause
  readonly origin: Origin<Disconnect> | undefined
}

/** What the reducer wants done. */
export type Order = CreateSession | Subscribe | Unsubscribe | PublishOrder | EndSession

/**
 * What was done, each with the order that it carries out. The `position` of a message is a safe integer above 0 and
 * above that of every message before.
 */
export type Fact =
  | { readonly _tag: "SessionCreated"; readonly order: CreateSession }
  | { readonly _tag: "Subscribed"; readonly order: Subscribe }
  | { readonly _tag: "Unsubscribed"; readonly order: Unsubscribe }
  | { readonly _tag: "Published"; readonly order: PublishOrder; readonly position: number }
  | { readonly _tag: "SessionEnded"; readonly order: EndSession }
  | { readonly _tag: "Refused"; readonly order: Order; readonly error: BayeuxError }
