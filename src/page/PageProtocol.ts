/**
 * Messages from the server of the monitor page to the browser: JSON in server-sent events. Times are milliseconds since
 * the epoch. Client ids are replaced by keyed hashes (`Pseudonym`).
 */
import type { Cause, MonitorEvent } from "../core/MonitorEvent.ts"
import type { Link } from "../core/Session.ts"

/** Kind of an event. */
export type EventKind = MonitorEvent["_tag"]

/** One second: `at` in seconds since the epoch, the counts at its end, and messages published in it. */
export type Point = readonly [at: number, sessions: number, subscriptions: number, messages: number]

/** Event `hello`: the first one on a connection. */
export interface Hello {
  readonly at: number
  /** Name of the process. */
  readonly node: string
  /** Whether other processes share the engine. The page shows this process only, but for {@link Tables.cluster}. */
  readonly isShared: boolean
  /** Whether the page has a token, so that users can log out. */
  readonly hasToken: boolean
  /** The last minutes, the oldest second first. */
  readonly points: ReadonlyArray<Point>
}

/** Event `now`, about four times a second. */
export interface Now {
  readonly at: number
  readonly sessions: number
  readonly subscriptions: number
  /** Number of patterns with subscribers. */
  readonly channels: number
  /** Number of messages since the start of the page's server. */
  readonly messages: number
}

/** A row of the table of channels: a channel or pattern. */
export interface ChannelRow {
  readonly channel: string
  /** Number of sessions that have subscribed to exactly this. */
  readonly subscribers: number
  /** Messages a second that it matches, over the last five seconds. */
  readonly rate: number
}

/** A row of the table of sessions. */
export interface SessionRow {
  readonly name: string
  readonly local: boolean
  readonly createdAt: number
  readonly lastSeen: number
  readonly subscriptions: number
  readonly queueLength: number
  readonly connectionType: string | null
}

/** Event `second`, once a second. */
export interface Second {
  readonly point: Point
  /** Number of events of any kind in this second. */
  readonly events: number
  /** Number of events that were lost before they were counted, since the start of the page's server. */
  readonly missed: number
}

/** Event `tables`, soon after `hello` and then once a second. */
export interface Tables {
  /** The channels with the most subscribers and those with the most messages. */
  readonly channels: ReadonlyArray<ChannelRow>
  /** The sessions with the longest queues; among equals the newest. */
  readonly sessions: ReadonlyArray<SessionRow>
  /** Counts of all processes; null if the engine is not shared or does not answer. */
  readonly cluster: { readonly sessions: number; readonly subscriptions: number } | null
}

/** A row of the table of events. */
export interface EventRow {
  readonly sequence: number
  readonly at: number
  readonly kind: EventKind
  /** Null for a message without a session. */
  readonly session: string | null
  readonly channel?: string
  readonly cause?: Cause
  /** Whether the subscription ended with its session. */
  readonly withSession?: boolean
  /** Type of the data, or its beginning. */
  readonly data?: string
}

/** Event `events`, at most about four times a second: the events since the last one, or a sample of them. */
export interface EventBatch {
  readonly rows: ReadonlyArray<EventRow>
  /** Number of events that match the filter. The rows are a sample if there are fewer of them. */
  readonly matched: number
}

/** Event `session`, about four times a second on the page of a session: its state. */
export type SessionState =
  | {
    readonly _tag: "Here"
    readonly row: SessionRow
    readonly link: Link["_tag"]
    readonly acknowledges: boolean
    /** The first of its subscriptions; `row.subscriptions` is their number. */
    readonly subscriptions: ReadonlyArray<string>
  }
  | { readonly _tag: "Ended"; readonly at: number; readonly cause: Cause }
  /** Not in this process: it never was, it ended before the page was opened, or another process serves it now. */
  | { readonly _tag: "Absent" }
