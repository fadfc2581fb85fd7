/** Why a session or subscription has ended. The compiler names the places that a new cause needs. */

/**
 * Causes of the end of a session or subscription. `docs/monitoring.md` says what to do about each.
 *
 * - `ClientRequest`: the client asked for it, or the application for a session of its own.
 * - `Timeout`: the session did not connect for the session time-out; it last did at `lastSeen` (milliseconds).
 * - `Kicked`: the application ended the session.
 * - `QueueOverflow`: more messages waited for the session than its queue may hold.
 * - `Shutdown`: the server stopped.
 * - `EngineLost`: the engine has lost the session, or messages that it was to get.
 * - `ProcessLost`: it was the session of an application, and the process of the application is gone.
 */
export type Cause =
  | { readonly _tag: "ClientRequest" }
  | { readonly _tag: "Timeout"; readonly lastSeen: number }
  | { readonly _tag: "Kicked"; readonly reason: string }
  | { readonly _tag: "QueueOverflow" }
  | { readonly _tag: "Shutdown" }
  | { readonly _tag: "EngineLost" }
  | { readonly _tag: "ProcessLost" }

/**
 * Cause of an end that the client asked for.
 *
 * @internal
 */
export const clientRequest: Cause = { _tag: "ClientRequest" }
