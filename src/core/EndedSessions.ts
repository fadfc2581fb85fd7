/**
 * The last sessions that the application has ended, and why. A client that was between two connects, or whose browser
 * opens its stream again, is told when it comes: the reason, and not to come back. Otherwise it would be an unknown
 * client, and told to begin again.
 */
import * as Advice from "./Advice.ts"
import * as BayeuxError from "./BayeuxError.ts"
import * as Channel from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"
import type { Reply } from "./Message.ts"
import type { Cause } from "./MonitorEvent.ts"

/** Ended sessions with the reasons, the oldest first. */
export type EndedSessions = ReadonlyArray<readonly [clientId: ClientId, reason: string]>

const most = 1_000
const longestReason = 200

/** Adds a session that the application has ended. A thousand are kept, with 200 characters of the reason. */
export const remember = (
  self: EndedSessions,
  clientId: ClientId,
  { reason }: Extract<Cause, { _tag: "Kicked" }>
): EndedSessions => [
  ...self.slice(1 - most),
  [clientId, reason.slice(0, longestReason)]
]

/**
 * Finds the error for a client whose session is not there: the given one, unless the application has ended the session.
 */
export const errorOf = (
  self: EndedSessions,
  clientId: string | null | undefined,
  error: BayeuxError.BayeuxError
): BayeuxError.BayeuxError => {
  if (self.length === 0 || !BayeuxError.isClientUnknown(error)) return error
  const found = self.find(([name]) => name === clientId)
  return found === undefined ? error : BayeuxError.sessionEnded(...found)
}

/**
 * Creates the unasked disconnect by which CometD's server tells that the application has ended a session. CometD's
 * clients wait for it; to Faye's it is one more answer with advice.
 */
export const farewell = (clientId: string, error: BayeuxError.BayeuxError): Reply => ({
  channel: Channel.disconnect,
  successful: true,
  clientId,
  error: BayeuxError.print(error),
  advice: Advice.none
})
