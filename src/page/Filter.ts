/** The filter of the events of a page. Its sessions are pseudonyms, its channels are in the form that the page shows. */
import * as Channel from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import type { MonitorEvent } from "../core/MonitorEvent.ts"

/** A filter. An empty field matches everything. */
export interface Filter {
  readonly kinds: ReadonlySet<string>
  /** Part of the name of a channel, or a pattern. */
  readonly channel: string
  readonly cause: string
  /** Pseudonym of the session, on the page of a session. */
  readonly session: string
}

/** Reads a filter from the query of the feed's URL. */
export const parse = (query: URLSearchParams): Filter => ({
  kinds: new Set(query.getAll("kind")),
  channel: query.get("channel") ?? "",
  cause: query.get("cause") ?? "",
  session: query.get("session") ?? ""
})

/**
 * Whether an event matches. `clientId` is the session that the filter names, if it exists; `format` returns a channel in
 * the form that the page shows.
 */
export const matches = (
  self: Filter,
  event: MonitorEvent,
  clientId: ClientId | undefined,
  format: (channel: string) => string
): boolean => {
  if (self.kinds.size > 0 && !self.kinds.has(event._tag)) return false
  if (self.session !== "" && (clientId === undefined || event.clientId !== clientId)) return false
  if (self.cause !== "" && (!("cause" in event) || event.cause._tag !== self.cause)) return false
  return self.channel === "" || ("channel" in event && matchesChannel(self.channel, format(event.channel)))
}

const matchesChannel = (wanted: string, channel: string): boolean =>
  channel.includes(wanted) ||
  (wanted.includes("*") && (Channel.expand(channel as Channel.Channel) as ReadonlyArray<string>).includes(wanted))
