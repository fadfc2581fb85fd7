/**
 * Queue of a session that comes from another process. It is not stored anywhere, but follows from the position up to which
 * the session has had everything, from its subscriptions, and from the log.
 *
 * When a process dies its sessions come by the thousand, and each needs the same part of the log. It is read once; then a
 * session costs as much as there is for it.
 */
import type { Adopted } from "../../core/Change.ts"
import * as Channel from "../../core/Channel.ts"
import type { ClientId } from "../../core/ClientId.ts"
import type * as Message from "../../core/Message.ts"
import type { Retries } from "../../core/Retries.ts"
import * as LogEntry from "./LogEntry.ts"

const before = (position: number, positions: ReadonlyArray<number> = []): number =>
  positions[0] === undefined ? position : Math.min(position, positions[0] - 1)

/** Position after which the log is needed. */
export const from = ({ left, position }: LogEntry.Adoption): number => before(position, left.queued)

/** Position after which the log also has the answer that the client may ask for again. */
export const wantedFrom = (adoption: LogEntry.Adoption): number =>
  before(from(adoption), adoption.left.answered?.positions)

/** Positions between which a pattern counted, both excluded. */
interface Span {
  readonly from: number
  readonly to: number
}

/** Returns the subscriptions of a session after its position, with those that have ended since. */
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

/** Number that no connection of this process has. */
const elsewhere = 0

type Messages = ReadonlyArray<Message.Delivery>

/** Part of the log without gaps, indexed for sessions. */
export class Part {
  /** Position after which all entries up to `to` are here. */
  readonly from: number
  readonly #byPosition = new Map<number, Message.Delivery>()
  readonly #byChannel = new Map<Channel.Channel, Array<Message.Delivery>>()
  readonly #channels = new Map<Channel.Pattern, Array<Messages>>()
  /** Entries `U` and `G` of each session. */
  readonly #bySession = new Map<ClientId, Array<LogEntry.LogEntry>>()
  #to: number

  constructor(from: number) {
    this.from = from
    this.#to = from
  }

  get to(): number {
    return this.#to
  }

  /** Adds the next entries. */
  add(entries: ReadonlyArray<LogEntry.LogEntry>): void {
    for (const entry of entries) {
      this.#to = entry.position
      if (entry.kind === "P") this.#publish(LogEntry.message(entry))
      if (entry.kind === "U" || entry.kind === "G") append(this.#bySession, LogEntry.clientId(entry), entry)
    }
  }

  #publish(message: Message.Delivery): void {
    this.#byPosition.set(message.position, message)
    if (append(this.#byChannel, message.channel, message).length > 1) return
    const messages = this.#byChannel.get(message.channel) ?? []
    for (const pattern of Channel.expand(message.channel)) append(this.#channels, pattern, messages)
  }

  /** Returns the queue of a session whose adoption is the next entry, or the last one that is here. */
  messages(adoption: LogEntry.Adoption): Messages {
    const { acknowledges, clientId, left, position } = adoption
    const own = (this.#bySession.get(clientId) ?? []).filter((entry) => entry.position > position)
    const found = new Set(this.#at(left.queued))
    for (const [pattern, spans] of spansOf(adoption, own)) {
      for (const message of this.#after(position, pattern)) {
        if (spans.some(({ from, to }) => from < message.position && message.position < to)) found.add(message)
      }
    }
    const published = [...found].sort((one, other) => one.position - other.position)
    return acknowledges
      ? published
      : [...published, ...own.filter((entry) => comesBack(entry, adoption)).flatMap(LogEntry.returned)]
  }

  /** Returns a session whose adoption is the next entry, or the last one that is here. */
  session(adoption: LogEntry.Adoption): Adopted {
    const { acknowledges, clientId, createdAt, identity, left, subscriptions } = adoption
    return {
      clientId,
      acknowledges,
      identity,
      createdAt,
      subscriptions: subscriptions.map(({ pattern }) => pattern),
      queue: this.messages(adoption),
      retries: this.#retries(adoption),
      againUpTo: left.againUpTo,
      hadStream: left.hadStream
    }
  }

  /** Makes the answer that the client may ask for again. */
  #retries({ left: { answered, ids, last } }: LogEntry.Adoption): Retries {
    if (answered === undefined) return { ids, last, answered: undefined }
    return { ids, last, answered: { id: answered.id, connection: elsewhere, messages: this.#at(answered.positions) } }
  }

  #at(positions: ReadonlyArray<number>): Messages {
    return positions.flatMap((position) => this.#byPosition.get(position) ?? [])
  }

  /** Returns the messages after a position whose channels match a pattern. */
  *#after(position: number, pattern: Channel.Pattern): Generator<Message.Delivery> {
    for (const messages of this.#channels.get(pattern) ?? []) {
      for (let i = messages.length - 1; i >= 0; i--) {
        const message = messages[i]
        if (message === undefined || message.position <= position) break
        yield message
      }
    }
  }
}

/** Whether given back messages belong to the queue: the unread ones of a known answer show in the ids of the client. */
const comesBack = (entry: LogEntry.LogEntry, { left: { answered, ids } }: LogEntry.Adoption): boolean =>
  entry.kind === "G" && !(ids === "Unique" && answered !== undefined && LogEntry.isAnswer(entry))

const append = <K, A>(map: Map<K, Array<A>>, key: K, item: A): ReadonlyArray<A> => {
  const items = map.get(key)
  if (items === undefined) {
    const first = [item]
    map.set(key, first)
    return first
  }
  items.push(item)
  return items
}
