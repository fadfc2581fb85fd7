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
  /** The longest queue of a session; a session that outgrows it ends with the cause `QueueOverflow`. */
  readonly maxQueueLength: number
  /**
   * The most bytes of messages that one answer or frame delivers; what is left goes with the next. A message that is longer
   * goes by itself.
   */
  readonly maxAnswerBytes: number
  /** The most subscriptions of a session. */
  readonly maxSubscriptions: number
  /** The deepest channel: `/a/b/c` has three segments. */
  readonly maxChannelSegments: number
}

/** Faye's times and generous bounds. */
export const defaults: Settings = {
  timeout: 45_000,
  interval: 0,
  sessionTimeout: 90_000,
  maxQueueLength: 10_000,
  maxAnswerBytes: 1 << 20,
  maxSubscriptions: 10_000,
  maxChannelSegments: 64
}
