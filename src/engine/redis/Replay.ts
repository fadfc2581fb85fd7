/**
 * What waits for a session that comes from another process. Its queue is not stored anywhere: it follows from the
 * position up to which the session has had everything, from its subscriptions, and from the log.
 */
import * as Channel from "../../core/Channel.ts"
import type * as Message from "../../core/Message.ts"
import * as LogEntry from "./LogEntry.ts"

/** The position after which the log is needed. */
export const from = ({ position, queued }: LogEntry.Adoption): number =>
  queued[0] === undefined ? position : Math.min(position, queued[0] - 1)

/** When a pattern counted: after `from`, and before `to`. */
interface Span {
  readonly from: number
  readonly to: number
}

/** The subscriptions of the session at any time after its position: those it has, and those that it had until then. */
const spansOf = (adoption: LogEntry.Adoption, own: ReadonlyArray<LogEntry.LogEntry>) => {
  const spans = new Map<Channel.Pattern, Array<Span>>()
  const add = ({ from, pattern }: LogEntry.Since, to: number) => {
    const known = spans.get(pattern)
    if (known === undefined) spans.set(pattern, [{ from, to }])
    else known.push({ from, to })
  }
  for (const since of adoption.subscriptions) add(since, Infinity)
  for (const entry of own) {
    if (entry.kind === "U") { for (const since of LogEntry.removed(entry)) add(since, entry.position) }
  }
  return spans
}

/** The messages, out of all entries after `from` and before the adoption's own. Those that came back may be among others. */
export const messages = (
  adoption: LogEntry.Adoption,
  entries: ReadonlyArray<LogEntry.LogEntry>
): ReadonlyArray<Message.Delivery> => {
  const { acknowledges, clientId, position } = adoption
  const own = entries.filter(({ kind, rest }) => (kind === "U" || kind === "G") && rest.startsWith(`${clientId} `))
  const spans = spansOf(adoption, own.filter((entry) => entry.position > position))
  const queued = new Set(adoption.queued)
  const isSubscribed = ({ channel, position: at }: Message.Delivery) =>
    Channel.expand(channel).some((pattern) => spans.get(pattern)?.some(({ from, to }) => from < at && at < to))
  const isFor = (message: Message.Delivery) =>
    queued.has(message.position) || (message.position > position && isSubscribed(message))
  const published = entries.filter(({ kind }) => kind === "P").map(LogEntry.message).filter(isFor)
  const returned = acknowledges
    ? []
    : own.filter((entry) => entry.kind === "G" && entry.position > position).flatMap(LogEntry.returned)
  return [...published, ...returned]
}
