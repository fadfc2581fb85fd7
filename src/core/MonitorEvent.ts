/**
 * Events for operators: the five of Faye's Monitoring page, with the cause that Faye leaves out, and sessions that come
 * from other processes and go there.
 *
 * The reducer emits {@link Event}s; the monitor numbers them and adds the node, which makes them {@link MonitorEvent}s.
 */
import type * as Schema from "effect/Schema"
import type { Cause } from "./Cause.ts"
import type { Channel, Pattern } from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"

export type { Cause } from "./Cause.ts"

/**
 * A session began: a handshake succeeded. `identity` is the name of its user, if an extension has given one
 * (`Extension.identify`).
 */
export interface Handshake {
  readonly _tag: "Handshake"
  readonly clientId: ClientId
  readonly identity?: string
}

/**
 * Creates the event of a session that begins.
 *
 * @internal
 */
export const handshake = (clientId: ClientId, identity: string | undefined): Handshake =>
  identity === undefined ? { _tag: "Handshake", clientId } : { _tag: "Handshake", clientId, identity }

/** A session subscribed to a channel or pattern to which it had not subscribed before. */
export interface Subscribe {
  readonly _tag: "Subscribe"
  readonly clientId: ClientId
  readonly channel: Pattern
}

/**
 * A subscription ended, on request or with its session. `withSession` says that it ended with its session: then the
 * cause is that of the session's end, and the one `Disconnect` of the same client id follows.
 */
export interface Unsubscribe {
  readonly _tag: "Unsubscribe"
  readonly clientId: ClientId
  readonly channel: Pattern
  readonly cause: Cause
  readonly withSession: boolean
}

/** A message on a channel outside `/meta` was accepted. `clientId` is null when the publisher has no session. */
export interface Publish {
  readonly _tag: "Publish"
  readonly clientId: ClientId | null
  readonly channel: Channel
  readonly data: Schema.Json
}

/** A session ended; its unsubscribes came before. */
export interface Disconnect {
  readonly _tag: "Disconnect"
  readonly clientId: ClientId
  readonly cause: Cause
}

/**
 * Creates the events of ended subscriptions, all with the same cause.
 *
 * @internal
 */
export const unsubscribes = (
  patterns: Iterable<Pattern>,
  end: Pick<Unsubscribe, "clientId" | "cause" | "withSession">
): ReadonlyArray<Unsubscribe> => Array.from(patterns, (channel) => ({ _tag: "Unsubscribe", channel, ...end }))

/** Event of the service. Each is emitted once, by the process that handled its cause. */
export type Event = Handshake | Subscribe | Unsubscribe | Publish | Disconnect

/**
 * A session that another process has served is here from now on, as it is; or it is here and another process has changed
 * its subscriptions. There is none where no other process shares the engine.
 */
export interface Arrive {
  readonly _tag: "Arrive"
  readonly clientId: ClientId
  readonly identity?: string
  /** Beginning of the session, in milliseconds since the epoch. */
  readonly createdAt: number
  readonly subscriptions: ReadonlyArray<Pattern>
}

/** A session that was here goes on in another process, or has ended there. */
export interface Depart {
  readonly _tag: "Depart"
  readonly clientId: ClientId
}

/** Event of one process: a session has come to it or left it, which is nothing new to the service. */
export type Move = Arrive | Depart

/** Whether an event is of this process only. */
export const isMove = <E extends { readonly _tag: string }>(event: E): event is Extract<E, Move> =>
  event._tag === "Arrive" || event._tag === "Depart"

/**
 * Number, time and process of an event: `sequence` has no gaps within a process and begins with 1, `at` is in
 * milliseconds since the epoch.
 */
export interface Position {
  readonly sequence: number
  readonly at: number
  readonly node: string
}

/** Event as monitors see it. */
export type MonitorEvent =
  | (Handshake & Position)
  | (Subscribe & Position)
  | (Unsubscribe & Position)
  | (Publish & Position)
  | (Disconnect & Position)
  | (Arrive & Position)
  | (Depart & Position)

/** The monitor has missed the events from `from` to `to`, both included: its buffer was full. */
export interface Lagged {
  readonly _tag: "Lagged"
  readonly from: number
  readonly to: number
}
