/**
 * What the server of the monitor page tells the page, as JSON in server-sent events. Times are milliseconds since the
 * epoch; in the place of a client id stands its name, a keyed hash (see `Pseudonym`).
 */
import type { Cause, MonitorEvent } from "../core/MonitorEvent.ts"
import type { Link } from "../core/Session.ts"

/** The kinds of events. */
export type Kind = MonitorEvent["_tag"]

/** One second: `at` in seconds since the epoch, what there was at its end, and at which rate messages were published. */
export type Point = readonly [at: number, sessions: number, subscriptions: number, messages: number]

/** Event `hello`: the first thing on a connection. */
export interface Hello {
  readonly at: number
  /** The process. */
  readonly node: string
  /** Other processes share the engine: what is shown is this process alone, but for {@link Tables.cluster}. */
  readonly isShared: boolean
  /** There is a token, so one can log out. */
  readonly hasToken: boolean
  /** The last minutes, the oldest second first. */
  readonly points: ReadonlyArray<Point>
}

/** Event `now`, about four times a second. */
export interface Now {
  readonly at: number
  readonly sessions: number
  readonly subscriptions: number
  /** Patterns with a subscriber. */
  readonly channels: number
  /** Messages that were published since the page is served. */
  readonly messages: number
}

/** A channel or pattern. */
export interface ChannelRow {
  readonly channel: string
  /** Sessions that have subscribed to exactly this. */
  readonly subscribers: number
  /** Messages a second that this matches, over the last five seconds. */
  readonly rate: number
}

/** A session in the table. */
export interface SessionRow {
  readonly name: string
  readonly local: boolean
  readonly createdAt: number
  readonly lastSeen: number
  readonly subscriptions: number
  readonly queueLength: number
  readonly connectionType: string | null
}

/** Event `second`, once a second: what it was like. */
export interface Second {
  readonly point: Point
  /** Events of any kind a second. */
  readonly events: number
  /** Events that were lost before they were counted, since the page is served. */
  readonly missed: number
}

/** Event `tables`, soon after the beginning and then once a second. */
export interface Tables {
  /** The channels with the most subscribers and those with the most messages. */
  readonly channels: ReadonlyArray<ChannelRow>
  /** The sessions with the longest queues; among equals the newest. */
  readonly sessions: ReadonlyArray<SessionRow>
  /** What the engine has in store for all processes, if there are several and it can be asked. */
  readonly cluster: { readonly sessions: number; readonly subscriptions: number } | null
}

/** An event. */
export interface EventRow {
  readonly sequence: number
  readonly at: number
  readonly kind: Kind
  /** Null for a message without a session. */
  readonly session: string | null
  readonly channel?: string
  readonly cause?: Cause
  /** The subscription ended with its session. */
  readonly withSession?: boolean
  /** What the message carries: what kind of value, or the beginning of it. */
  readonly data?: string
}

/** Event `events`, at most about four times a second: what has happened since the last one, or a sample of it. */
export interface Events {
  readonly rows: ReadonlyArray<EventRow>
  /** How many events the filter has let through; more than there are rows where those are a sample. */
  readonly matched: number
}

/** Event `session`, once a second: the session that the page was opened for. */
export type SessionState =
  | {
    readonly _tag: "Here"
    readonly row: SessionRow
    readonly link: Link["_tag"]
    readonly acknowledges: boolean
    /** The first of its subscriptions; `row.subscriptions` says how many there are. */
    readonly subscriptions: ReadonlyArray<string>
  }
  | { readonly _tag: "Ended"; readonly at: number; readonly cause: Cause }
  /** Not with this process: it never was, or has ended before the page asked, or is served by another process now. */
  | { readonly _tag: "Absent" }
