/**
 * Outcomes that follow from an entry of the log alone. An entry of this process has its change, with the request that
 * waits for an answer; that of another process has what the log says of it.
 */
import type { Change, EndSession, Outcome, PublishChange, Subscribe, Unsubscribe } from "../../core/Change.ts"
import * as LogEntry from "./LogEntry.ts"

/** Outcome of a `P`. */
export const published = (entry: LogEntry.LogEntry, isOwn: boolean, own: Change | undefined): Outcome => {
  const change = own?._tag === "Publish" ? own : publishChange(entry)
  return { _tag: "Published", change, position: entry.position, isOwn, json: LogEntry.json(entry) }
}

const publishChange = (entry: LogEntry.LogEntry): PublishChange => {
  const { channel, data, ext, id } = LogEntry.message(entry)
  return {
    _tag: "Publish",
    clientId: LogEntry.publisher(entry),
    isKnown: true,
    channel,
    data,
    id,
    arrivedAt: undefined,
    traceparent: ext?.traceparent,
    once: undefined,
    origin: undefined
  }
}

/** Outcome of an `S` or a `U`. */
export const resubscribed = (entry: LogEntry.LogEntry, isOwn: boolean, own: Change | undefined): Outcome => {
  const clientId = LogEntry.clientId(entry)
  const rest = { clientId, forbidden: undefined, origin: undefined }
  if (entry.kind === "S") {
    const patterns = LogEntry.added(entry)
    const change: Subscribe = own?._tag === "Subscribe" ? own : { _tag: "Subscribe", patterns, ...rest }
    return { _tag: "Subscribed", change, patterns, isOwn }
  }
  const patterns = LogEntry.removed(entry).map(({ pattern }) => pattern)
  const change: Unsubscribe = own?._tag === "Unsubscribe" ? own : { _tag: "Unsubscribe", patterns, ...rest }
  return { _tag: "Unsubscribed", change, patterns, isOwn }
}

/** Outcome of an `E`. */
export const ended = (entry: LogEntry.LogEntry, isOwn: boolean, own: Change | undefined): Outcome => {
  const clientId = LogEntry.clientId(entry)
  const { cause, patterns } = LogEntry.end(entry)
  const change: EndSession = own?._tag === "EndSession"
    ? own
    : { _tag: "EndSession", clientId, cause, origin: undefined }
  return { _tag: "SessionEnded", change, patterns, isOwn }
}
