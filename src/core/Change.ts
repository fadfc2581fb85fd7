/**
 * What the reducer wants done and what was done: orders go to the engine, facts come back from it.
 *
 * In memory an order is a fact at once. With an engine that is shared by several processes it is one when the engine
 * has it in store, and until then nothing in the state tells of it: an order carries all that its fact will need.
 *
 * Such an engine has each session served by one process, its owner. Requests of a session may arrive anywhere, so an
 * order may name a session that is not here: the engine finds out whether it exists. A connect makes its process the
 * owner: `Adopt` there, `Yield` at the owner before.
 */
import type * as Schema from "effect/Schema"
import type { BayeuxError } from "./BayeuxError.ts"
import type { Channel, Pattern } from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"
import type { Connection } from "./Connection.ts"
import type { Delivery, Disconnect, Handshake, Id, Publish, Subscription } from "./Message.ts"
import type { Cause } from "./MonitorEvent.ts"
import type { IdempotencyKey, Retries } from "./Retries.ts"
import type { Traceparent } from "./Traceparent.ts"

/** Whom to answer: the place of the request among the answers of its connection. */
export interface Origin<Request> {
  readonly connection: Connection
  readonly slot: number
  readonly request: Request
}

/**
 * Begin a session. One that acknowledges keeps its messages until the client says that it has them; `identity` is whose
 * it is, if the application has said so.
 */
export interface CreateSession {
  readonly _tag: "CreateSession"
  readonly clientId: ClientId
  readonly local: boolean
  readonly acknowledges: boolean
  readonly identity: string | undefined
  readonly origin: Origin<Handshake> | undefined
}

/** Subscribe a session to all of the patterns. `forbidden` is what is wrong with that, if the session exists. */
export interface Subscribe {
  readonly _tag: "Subscribe"
  readonly clientId: ClientId
  readonly patterns: ReadonlyArray<Pattern>
  readonly forbidden: BayeuxError | undefined
  readonly origin: Origin<Subscription> | undefined
}

/** End subscriptions of a session. `forbidden` is what is wrong with that, if the session exists. */
export interface Unsubscribe {
  readonly _tag: "Unsubscribe"
  readonly clientId: ClientId
  readonly patterns: ReadonlyArray<Pattern>
  readonly forbidden: BayeuxError | undefined
  readonly origin: Origin<Subscription> | undefined
}

/**
 * Give a message to all subscribers of its channel. `isKnown` says that its publisher has no session, or one that is
 * here. `arrivedAt` is missing where it has arrived in another process.
 */
export interface PublishChange {
  readonly _tag: "Publish"
  readonly clientId: ClientId | null
  readonly isKnown: boolean
  readonly channel: Channel
  readonly data: Schema.Json
  readonly id: Id
  readonly arrivedAt: number | undefined
  readonly traceparent: Traceparent | undefined
  readonly once: IdempotencyKey | undefined
  readonly origin: Origin<Publish> | undefined
}

/** End a session. Without an origin nobody waits for an answer. */
export interface EndSession {
  readonly _tag: "EndSession"
  readonly clientId: ClientId
  readonly cause: Cause
  readonly origin: Origin<Disconnect> | undefined
}

/**
 * Make this process the owner of a session that is not here. `acknowledged` is the position up to which its client says
 * that it has everything.
 */
export interface Adopt {
  readonly _tag: "Adopt"
  readonly clientId: ClientId
  readonly acknowledged: number | undefined
  readonly origin: undefined
}

/**
 * Let another process have a session that was here until `position`. `queued` are the positions of the messages that
 * wait for it, `againUpTo` is that of `Resets`, `hadStream` says that a browser is about to open its stream again.
 */
export interface Yield {
  readonly _tag: "Yield"
  readonly clientId: ClientId
  readonly position: number
  readonly queued: ReadonlyArray<number>
  readonly retries: Retries
  readonly againUpTo: number
  readonly hadStream: boolean
  readonly origin: undefined
}

/** Messages of a session that is not here (any more), pushed or in an answer, could not be written: its owner is to have them. */
export interface GiveBack {
  readonly _tag: "GiveBack"
  readonly clientId: ClientId
  readonly messages: ReadonlyArray<Delivery>
  readonly isAnswer: boolean
  readonly origin: undefined
}

/** What the reducer wants done. */
export type Change = CreateSession | Subscribe | Unsubscribe | PublishChange | EndSession | Adopt | Yield | GiveBack

/** A session that comes here from another process, with everything that waits for it. */
export interface Adopted {
  readonly clientId: ClientId
  readonly acknowledges: boolean
  readonly identity: string | undefined
  readonly createdAt: number
  readonly subscriptions: ReadonlyArray<Pattern>
  readonly queue: ReadonlyArray<Delivery>
  readonly retries: Retries
  readonly againUpTo: number
  readonly hadStream: boolean
}

/**
 * What was done. Most facts have the order that they carry out; `isOwn` says that it was an order of this process, which
 * answers it and emits its events. `patterns` are those that the order has really added or removed, or that ended with
 * their session.
 *
 * The `position` of a message is a safe integer above 0 and above that of every message before. An engine that has the
 * message as JSON text anyway gives that, too: `{"channel", "data", "id"}`, as `Message.Delivery` would write it.
 */
export type Outcome =
  | { readonly _tag: "SessionCreated"; readonly change: CreateSession }
  | {
    readonly _tag: "Subscribed"
    readonly change: Subscribe
    readonly patterns: ReadonlyArray<Pattern>
    readonly isOwn: boolean
  }
  | {
    readonly _tag: "Unsubscribed"
    readonly change: Unsubscribe
    readonly patterns: ReadonlyArray<Pattern>
    readonly isOwn: boolean
  }
  | {
    readonly _tag: "Published"
    readonly change: PublishChange
    readonly position: number
    readonly isOwn: boolean
    readonly json?: string
  }
  /** The order was carried out before (`IdempotencyKey`): it is answered, and that is all. */
  | { readonly _tag: "Repeated"; readonly change: PublishChange }
  | {
    readonly _tag: "SessionEnded"
    readonly change: EndSession
    readonly patterns: ReadonlyArray<Pattern>
    readonly isOwn: boolean
  }
  /** The session is here from now on. */
  | { readonly _tag: "SessionAdopted"; readonly session: Adopted }
  /** Another process wants the session: from `position` on nothing more is delivered to it here. */
  | { readonly _tag: "SessionWanted"; readonly clientId: ClientId; readonly position: number }
  /** Another process has taken the session. */
  | { readonly _tag: "SessionTaken"; readonly clientId: ClientId }
  /** The session that was to be adopted is here already. */
  | { readonly _tag: "SessionHere"; readonly clientId: ClientId }
  /** The session that was to be adopted goes to another process, where its client has come later. */
  | { readonly _tag: "AdoptionSuperseded"; readonly clientId: ClientId }
  /** What could not be written elsewhere comes back. */
  | {
    readonly _tag: "GivenBack"
    readonly clientId: ClientId
    readonly messages: ReadonlyArray<Delivery>
    readonly isAnswer: boolean
  }
  | { readonly _tag: "Refused"; readonly change: Change; readonly error: BayeuxError }
