/**
 * The `advice` field of the server's replies: whether and when a client comes back (specification, "advice").
 * Times are milliseconds.
 */
import type { Settings } from "./Settings.ts"

/** Instructions to a client. Fields that are absent leave the client's last advice in force. */
export interface Advice {
  readonly reconnect?: "retry" | "handshake" | "none"
  readonly interval?: number
  readonly timeout?: number
}

/**
 * Advice to connect again: the session goes on. A client whose messages come by EventSource connects only to show that
 * it is there: once a time-out, and it is answered at once (Faye's `_advize`).
 */
export const retry = (settings: Settings, connectionType: string): Advice =>
  connectionType === "eventsource"
    ? { reconnect: "retry", interval: settings.timeout, timeout: 0 }
    : { reconnect: "retry", interval: settings.interval, timeout: settings.timeout }

/** Shortest pause of a client that is sent back without having been served, in milliseconds. */
export const pause = 1_000

/** Advice to connect again, but not at once. */
export const later = (settings: Settings): Advice => ({
  reconnect: "retry",
  interval: Math.max(settings.interval, pause),
  timeout: settings.timeout
})

/**
 * Advice to a client whose stream is not open here. A browser opens a stream that has broken again after
 * `EventSourceTransport`'s second, so by the next connect it is there, unless it has been refused and is closed for
 * good.
 */
export const awaitStream: Advice = { reconnect: "retry", interval: 1_500, timeout: 0 }

/** Time after the first connect without a stream from which the stream counts as closed for good, in milliseconds. */
export const streamGrace = 1_000

/** Advice to a client whose stream will not be opened again: it opens another one for another session only. */
export const newStream: Advice = { reconnect: "handshake", interval: 0 }

/** Advice to come back in a moment: the session goes on, but the server cannot serve it now. */
export const inAMoment: Advice = { reconnect: "retry", interval: pause }

/**
 * Advice to begin again, in a moment: there is no session, or there cannot be one now. It has an interval because a
 * client may still have one as long as a time-out (see `retry`), and so that none asks many times a second.
 */
export const handshake: Advice = { reconnect: "handshake", interval: pause }

/** Advice not to come back. */
export const none: Advice = { reconnect: "none" }

/**
 * Completes the advice of a refusal. A client that comes back gets an interval: none comes back at once, again and
 * again. A client that `insists` shakes hands again by itself when it was refused. If it is told to as well it does
 * both, and each time it is refused twice as much: so it is told to go on with what it does.
 */
export const afterRefusal = (
  given: Advice | undefined,
  comesBack: boolean,
  insists: boolean
): Advice | undefined => {
  if (given?.reconnect === "none" || !(comesBack || given?.reconnect === "handshake")) return given
  const advice = { ...handshake, ...given }
  return insists && advice.reconnect === "handshake" ? { ...advice, reconnect: "retry" } : advice
}
