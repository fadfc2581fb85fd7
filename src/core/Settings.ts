/**
 * Settings of the protocol: times and bounds. Plain numbers, so that a state with its settings can be printed and
 * replayed; the running service decodes them from friendlier options (`Bayeux.BayeuxOptions`).
 */

/** Times and bounds. Times are milliseconds. */
export interface Settings {
  /** Longest hold time of a `/meta/connect`. */
  readonly timeout: number
  /** Pause of a client before it connects again. */
  readonly interval: number
  /**
   * Time after which a session ends that has not connected and whose socket was not heard. Faye's rule: twice the
   * time-out.
   */
  readonly sessionTimeout: number
  /** Maximum number of messages that wait for a session. */
  readonly maxQueueLength: number
  /** Maximum number of bytes of messages that wait for a session. */
  readonly maxQueueBytes: number
  /**
   * Fate of a message for which a session has no room: the session ends with the cause `QueueOverflow`, or its oldest
   * messages are dropped, or the new one is.
   */
  readonly overflow: "end" | "dropOldest" | "dropNewest"
  /**
   * Maximum number of bytes of messages that wait for all sessions together; beyond it the sessions with the longest
   * queues end.
   */
  readonly maxQueuedBytes: number
  /**
   * Maximum number of bytes of messages in one answer or frame; the rest goes with the next. A message that is longer
   * goes by itself.
   */
  readonly maxAnswerBytes: number
  /** Maximum number of sessions; those of the application do not count. */
  readonly maxSessions: number
  /** Maximum number of sessions that have begun over one socket and are there. */
  readonly maxSessionsPerSocket: number
  /** Maximum number of subscriptions of a session. */
  readonly maxSubscriptions: number
  /** Maximum number of subscriptions of all sessions together. */
  readonly maxTotalSubscriptions: number
  /** Maximum length of a channel, in characters. */
  readonly maxChannelLength: number
  /** Maximum number of segments of a channel: `/a/b/c` has three. */
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
