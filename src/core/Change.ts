/**
 * Changes that the reducer commits, and outcomes that the engine tells.
 *
 * In memory a change has its outcome at once. With an engine that is shared by several processes it has one when the
 * engine has it in store, and until then nothing in the state shows it: a change carries everything that its outcome
 * will need.
 *
 * Such an engine has each session served by one process, its owner. Requests of a session may arrive anywhere, so a
 * change may name a session that is not here: the engine finds out whether it exists. A connect makes its process the
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

/** Request that waits for an outcome: its connection, and its place among the answers of that. */
export interface Origin<Request> {
  readonly connection: Connection
  readonly slot: number
  readonly request: Request
}

/**
 * Begins a session. If it `acknowledges`, it keeps its messages until the client acknowledges them. `identity` is the
 * name of its user, if the application has given one (`Extension.identify`).
 */
export interface CreateSession {
  readonly _tag: "CreateSession"
  readonly clientId: ClientId
  readonly local: boolean
  readonly acknowledges: boolean
  readonly identity: string | undefined
  readonly origin: Origin<Handshake> | undefined
}

/** Subscribes a session to all of the patterns. `forbidden` is the error of that, if the session exists. */
export interface Subscribe {
  readonly _tag: "Subscribe"
  readonly clientId: ClientId
  readonly patterns: ReadonlyArray<Pattern>
  readonly forbidden: BayeuxError | undefined
  readonly origin: Origin<Subscription> | undefined
}

/** Ends subscriptions of a session. `forbidden` is the error of that, if the session exists. */
export interface Unsubscribe {
  readonly _tag: "Unsubscribe"
  readonly clientId: ClientId
  readonly patterns: ReadonlyArray<Pattern>
  readonly forbidden: BayeuxError | undefined
  readonly origin: Origin<Subscription> | undefined
}

/**
 * Publishes a message. `isKnown`: its publisher has no session, or one that is here. `arrivedAt` (milliseconds since
 * the epoch) is missing where it has arrived in another process.
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

/** Ends a session. Without an origin nobody waits for an answer. */
export interface EndSession {
  readonly _tag: "EndSession"
  readonly clientId: ClientId
  readonly cause: Cause
  readonly origin: Origin<Disconnect> | undefined
}

/**
 * Makes this process the owner of a session that is not here. `acknowledged` is the position up to which its client has
 * everything.
 */
export interface Adopt {
  readonly _tag: "Adopt"
  readonly clientId: ClientId
  readonly acknowledged: number | undefined
  readonly origin: undefined
}

/**
 * Gives a session that was here until `position` to another process. `queued` are the positions of its queue,
 * `againUpTo` is that of `Resets`, `hadStream`: a browser is about to open its stream again.
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

/**
 * Returns messages that could not be written, pushed or in an answer, to the owner of their session: it is not here
 * (any more).
 */
export interface GiveBack {
  readonly _tag: "GiveBack"
  readonly clientId: ClientId
  readonly messages: ReadonlyArray<Delivery>
  readonly isAnswer: boolean
  readonly origin: undefined
}

/** Change of what the engine stores. */
export type Change = CreateSession | Subscribe | Unsubscribe | PublishChange | EndSession | Adopt | Yield | GiveBack

/** Session that comes here from another process, with its queue. */
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
 * Outcome of a change, or of a change of another process. `isOwn`: this process has committed it, answers it and emits
 * its events. `patterns` are those that were really added or removed, or that ended with their session.
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
  /** The change was carried out before (`IdempotencyKey`): it is only answered. */
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
  /** Messages that could not be written in another process return. */
  | {
    readonly _tag: "GivenBack"
    readonly clientId: ClientId
    readonly messages: ReadonlyArray<Delivery>
    readonly isAnswer: boolean
  }
  | { readonly _tag: "Refused"; readonly change: Change; readonly error: BayeuxError }
