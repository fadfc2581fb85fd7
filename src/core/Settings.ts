/**
 * What a server may be told about the protocol: times and bounds. Plain numbers, so that a state with its settings can
 * be printed and replayed; the running service decodes them from friendlier options (`Bayeux.Options`).
 */

/** Times are milliseconds; bounds are counts, of what their names say. */
export interface Settings {
  /** The longest a `/meta/connect` is held. */
  readonly timeout: number
  /** How long a client waits before it connects again. */
  readonly interval: number
  /** A session ends when it has not connected, nor its socket been heard, for this long. Faye's rule: twice the time-out. */
  readonly sessionTimeout: number
  /** The most messages that wait for a session. */
  readonly maxQueueLength: number
  /** The most bytes of messages that wait for a session. */
  readonly maxQueueBytes: number
  /**
   * What becomes of a message for which a session has no room: the session ends with the cause `QueueOverflow`, or its
   * oldest messages are dropped, or the new one is.
   */
  readonly overflow: "end" | "dropOldest" | "dropNewest"
  /** The most bytes of messages that wait for all sessions together; beyond it the sessions with the longest queues end. */
  readonly maxQueuedBytes: number
  /**
   * The most bytes of messages that one answer or frame delivers; what is left goes with the next. A message that is longer
   * goes by itself.
   */
  readonly maxAnswerBytes: number
  /** The most sessions; those of the application do not count. */
  readonly maxSessions: number
  /** The most sessions that have begun over one socket and are there. */
  readonly maxSessionsPerSocket: number
  /** The most subscriptions of a session. */
  readonly maxSubscriptions: number
  /** The most subscriptions of all sessions together. */
  readonly maxTotalSubscriptions: number
  /** The longest channel, in characters. */
  readonly maxChannelLength: number
  /** The deepest channel: `/a/b/c` has three segments. */
  readonly maxChannelSegments: number
}

/** Faye's times and generous bounds. */
export const defaults: Settings = {
  timeout: 45_000,
  interval: 0,
  sessionTimeout: 90_000,
  maxQueueLength: 10_000,
  maxQueueBytes: 1 << 24,
  overflow: "end",
  maxQueuedBytes: 1 << 27,
  maxAnswerBytes: 1 << 20,
  maxSessions: 100_000,
  maxSessionsPerSocket: 8,
  maxSubscriptions: 1_000,
  maxTotalSubscriptions: 1_000_000,
  maxChannelLength: 1_024,
  maxChannelSegments: 64
}
