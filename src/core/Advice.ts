/**
 * The `advice` field of the server's replies: whether and when a client comes back (specification, "advice").
 * Times are milliseconds.
 */
import type { Settings } from "./Settings.ts"

/** What a client is told. Fields that are absent leave the client's last advice in force. */
export interface Advice {
  readonly reconnect?: "retry" | "handshake" | "none"
  readonly interval?: number
  readonly timeout?: number
}

/**
 * The session goes on. A client whose messages come by EventSource connects only to show that it is there: once a
 * time-out, and it is answered at once (Faye's `_advize`).
 */
export const retry = (settings: Settings, connectionType: string): Advice =>
  connectionType === "eventsource"
    ? { reconnect: "retry", interval: settings.timeout, timeout: 0 }
    : { reconnect: "retry", interval: settings.interval, timeout: settings.timeout }

/** How long a client stays away, at the least, that is sent back without having been served. */
export const pause = 1_000

/** The session goes on, but there is no need to connect again at once. */
export const later = (settings: Settings): Advice => ({
  reconnect: "retry",
  interval: Math.max(settings.interval, pause),
  timeout: settings.timeout
})

/**
 * The session has a stream, and it is not open here. A browser opens one that has broken again after
 * `EventSourceTransport`'s second, so by the next connect it is there, unless it has been refused and is closed for good.
 */
export const awaitStream: Advice = { reconnect: "retry", interval: 1_500, timeout: 0 }

/** How long after the first connect without a stream a stream is taken for closed for good, in milliseconds. */
export const streamGrace = 1_000

/** The stream will not be opened again: a client opens another one for another session only. */
export const newStream: Advice = { reconnect: "handshake", interval: 0 }

/** The session goes on, but the server cannot do it now: come back in a moment. */
export const inAMoment: Advice = { reconnect: "retry", interval: pause }

/**
 * There is no session (any more), or there cannot be one now: begin again, in a moment. The interval is told because a
 * client may still have one as long as a time-out (see `retry`), and so that none asks many times a second.
 */
export const handshake: Advice = { reconnect: "handshake", interval: pause }

/** Do not come back. */
export const none: Advice = { reconnect: "none" }

/**
 * What comes with a refusal, of which `given` has been said. A client that is to come back is told when: nobody comes
 * back at once, again and again. One that `insists` shakes hands again by itself when it was refused; if it is told to
 * as well it does both, and each time it is refused twice as much: that one is told to go on with what it does.
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
