/** Which events a page wants to see. It names sessions and channels as they are shown, never as they are. */
import * as Channel from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import type { MonitorEvent } from "../core/MonitorEvent.ts"

/** What is empty lets everything through. */
export interface Filter {
  readonly kinds: ReadonlySet<string>
  /** A part of a channel's name; or a pattern, which stands for what it matches. */
  readonly channel: string
  readonly cause: string
  /** The session, where the page is one's. */
  readonly session: string
}

/** Reads it from the query of the feed's URL. */
export const parse = (query: URLSearchParams): Filter => ({
  kinds: new Set(query.getAll("kind")),
  channel: query.get("channel") ?? "",
  cause: query.get("cause") ?? "",
  session: query.get("session") ?? ""
})

/**
 * Whether the filter lets an event through. `clientId` is the session that it names, if there is one; `show` gives a
 * channel as it is shown.
 */
export const matches = (
  self: Filter,
  event: MonitorEvent,
  clientId: ClientId | undefined,
  show: (channel: string) => string
): boolean => {
  if (self.kinds.size > 0 && !self.kinds.has(event._tag)) return false
  if (self.session !== "" && (clientId === undefined || event.clientId !== clientId)) return false
  if (self.cause !== "" && (!("cause" in event) || event.cause._tag !== self.cause)) return false
  return self.channel === "" || ("channel" in event && isMeant(self.channel, show(event.channel)))
}

const isMeant = (wanted: string, channel: string): boolean =>
  channel.includes(wanted) ||
  (wanted.includes("*") && (Channel.expand(channel as Channel.Channel) as ReadonlyArray<string>).includes(wanted))
