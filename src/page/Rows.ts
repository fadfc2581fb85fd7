/** Views of events, sessions and channels for the page: cut to a length, and with pseudonyms instead of client ids. */
import type * as Schema from "effect/Schema"
import type { Cause, MonitorEvent } from "../core/MonitorEvent.ts"
import type * as Session from "../core/Session.ts"
import * as Pseudonym from "../monitor/Pseudonym.ts"
import type { EventRow, SessionRow, SessionState } from "./PageProtocol.ts"

type PseudonymOf = (clientId: string) => Pseudonym.Name

/** Longest text of clients or the application, in characters. */
const maxText = 200

/** Highest number of subscriptions that are listed for a session. */
const maxSubscriptions = 500

/** View of a channel or any other text. */
export const text = (whole: string, nameOf: PseudonymOf): string => Pseudonym.text(whole, maxText, nameOf)

/** Row of an event, with the beginning of its data or only the type. */
export const event = (event: MonitorEvent, nameOf: PseudonymOf, showData: boolean): EventRow => ({
  sequence: event.sequence,
  at: event.at,
  kind: event._tag,
  session: event.clientId === null ? null : nameOf(event.clientId),
  ...("channel" in event && { channel: text(event.channel, nameOf) }),
  ...("cause" in event && { cause: cause(event.cause, nameOf) }),
  ...("withSession" in event && { withSession: event.withSession }),
  ...("data" in event && { data: showData ? excerpt(event.data, maxText, nameOf) : typeOf(event.data) })
})

/** View of a cause. The reason of `Kicked` is a text of the application. */
export const cause = (cause: Cause, nameOf: PseudonymOf): Cause =>
  cause._tag === "Kicked" ? { ...cause, reason: text(cause.reason, nameOf) } : cause

/** Row of a session. */
export const session = (info: Session.Info, nameOf: PseudonymOf): SessionRow => ({
  name: nameOf(info.clientId),
  local: info.local,
  createdAt: info.createdAt,
  lastSeen: info.lastSeen,
  subscriptions: info.subscriptions.length,
  queueLength: info.queueLength,
  connectionType: info.connectionType ?? null
})

/** State of a session for its own page. */
export const sessionState = (info: Session.Info, nameOf: PseudonymOf): SessionState => ({
  _tag: "Here",
  row: session(info, nameOf),
  link: info.link,
  acknowledges: info.acknowledges,
  subscriptions: info.subscriptions.slice(0, maxSubscriptions).map((channel) => text(channel, nameOf)).sort()
})

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`

/** Type and size of a value: enough to recognise a message, without its contents. */
const typeOf = (data: Schema.Json): string => {
  if (data === null) return "null"
  if (typeof data === "string") return `text, ${plural(data.length, "character")}`
  if (typeof data !== "object") return typeof data
  return Array.isArray(data)
    ? `list, ${plural(data.length, "element")}`
    : `object, ${plural(Object.keys(data).length, "field")}`
}

/** The beginning of a value as JSON. No more than that is serialised. */
const excerpt = (data: Schema.Json, room: number, nameOf: PseudonymOf): string => {
  const quote = (value: string) => JSON.stringify(Pseudonym.text(value, room, nameOf))
  if (typeof data === "string") return quote(data)
  if (typeof data !== "object" || data === null) return String(data)
  let written = ""
  for (const key of Object.keys(data)) {
    if (written.length >= room) {
      written += ", …"
      break
    }
    const value = excerpt((data as { readonly [key: string]: Schema.Json })[key] ?? null, room - written.length, nameOf)
    written += `${written === "" ? "" : ", "}${Array.isArray(data) ? value : `${quote(key)}: ${value}`}`
  }
  return Array.isArray(data) ? `[${written}]` : `{${written}}`
}
