/**
 * The sessions that the application has ended, the last of them, and why. A client that was between two connects, or
 * whose browser opens its stream again, hears of it when it comes: it is told the reason and not to come back, and not,
 * as somebody whom nobody knows, to begin again.
 */
import * as Advice from "./Advice.ts"
import * as BayeuxError from "./BayeuxError.ts"
import * as Channel from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"
import type { Reply } from "./Message.ts"
import type { Cause } from "./MonitorEvent.ts"

/** The oldest first. */
export type EndedSessions = ReadonlyArray<readonly [clientId: ClientId, reason: string]>

const most = 1_000
const longestReason = 200

/** Remembers that the application has ended a session. */
export const remember = (
  self: EndedSessions,
  clientId: ClientId,
  { reason }: Extract<Cause, { _tag: "Kicked" }>
): EndedSessions => [
  ...self.slice(1 - most),
  [clientId, reason.slice(0, longestReason)]
]

/** What somebody is told who speaks for a session that is not there; the same, unless the application has ended it. */
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
 * The disconnect that nobody has asked for, by which CometD's server tells that the application has ended a session: its
 * clients wait for it, to Faye's it is one more answer with advice.
 */
export const farewell = (clientId: string, error: BayeuxError.BayeuxError): Reply => ({
  channel: Channel.disconnect,
  successful: true,
  clientId,
  error: BayeuxError.print(error),
  advice: Advice.none
})
