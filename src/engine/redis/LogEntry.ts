/**
 * The log: one entry for each order of each process, in the one order in which they were carried out. This file knows
 * how an entry is written; `Scripts` writes them.
 *
 * An entry is `node number kind …`: whose order it was, the number that the node gave it (0 if it was no order of the
 * service), and what was done.
 */
import type { GiveBack } from "../../core/Change.ts"
import type * as Channel from "../../core/Channel.ts"
import type { ClientId } from "../../core/ClientId.ts"
import type { IdentifiedSession } from "../../core/folds/PresenceState.ts"
import * as Message from "../../core/Message.ts"
import type { Cause } from "../../core/MonitorEvent.ts"
import type { Retries } from "../../core/Retries.ts"
import type { Traceparent } from "../../core/Traceparent.ts"

/** An entry of the log. Its details are read by its kind's function. */
export interface LogEntry {
  readonly position: number
  readonly node: string
  readonly number: number
  readonly kind: Kind
  readonly rest: string
}

/**
 * - `P`ublished, `D`one before, `C`reated, `S`ubscribed, `U`nsubscribed, `E`nded, `G`iven back, `R`efused;
 * - `W`anted: a node asks the owner for a session; `A`dopted: a session has a new owner; `O`wned: it is there already;
 * - `J`oined: a node has come, or has come back.
 */
export type Kind = "P" | "D" | "C" | "S" | "U" | "E" | "G" | "R" | "W" | "A" | "O" | "J"

/** A session's way to a new owner. */
export interface Adoption {
  readonly clientId: ClientId
  readonly owner: string
  readonly generation: string
  /** It has had, or has queued, everything up to here. */
  readonly position: number
  readonly left: Left
  readonly acknowledges: boolean
  readonly identity: string | undefined
  readonly createdAt: number
  readonly subscriptions: ReadonlyArray<Since>
}

/** What a process leaves of a session that it gives away. */
export interface Left {
  /** The positions of what is queued. */
  readonly queued: ReadonlyArray<number>
  readonly ids: Retries["ids"]
  /** The id of the last connect. */
  readonly last: Message.Id
  /** The id of the connect that was last answered, and the positions of what that answer delivered. */
  readonly answered: { readonly id: Message.Id; readonly positions: ReadonlyArray<number> } | undefined
  readonly againUpTo: number
  readonly hadStream: boolean
}

/** A subscription, and the position from which it counts. */
export interface Since {
  readonly pattern: Channel.Pattern
  readonly from: number
}

/** The name of an entry in the stream. */
export const id = (position: number): string => `${position}-0`

/** The position of an entry of that name. */
export const position = (id: string): number => Number(id.slice(0, id.indexOf("-")))

/** When an entry was made, in milliseconds since the epoch; one of a crowded millisecond may be told as a later one's. */
export const time = (position: number): number => Math.floor(position / 4096)

/** The first position that an entry of that time can have. */
export const positionAt = (time: number): number => time * 4096

/** Reads an entry as the server gives it: its id and its only field. */
export const read = (id: string, text: string): LogEntry => {
  const first = text.indexOf(" ")
  const second = text.indexOf(" ", first + 1)
  return {
    position: position(id),
    node: text.slice(0, first),
    number: Number(text.slice(first + 1, second)),
    kind: text[second + 1] as Kind,
    rest: text.slice(second + 3)
  }
}

const cut = (text: string): readonly [head: string, rest: string] => {
  const space = text.indexOf(" ")
  return space < 0 ? [text, ""] : [text.slice(0, space), text.slice(space + 1)]
}

const list = (text: string): ReadonlyArray<string> => text === "" ? [] : text.split(",")

/** An identity as one word; none is the empty word. */
export const writeIdentity = (identity: string | undefined): string => encodeURIComponent(identity ?? "")

const readIdentity = (word: string): string | undefined => word === "" ? undefined : decodeURIComponent(word)

const patterns = (text: string) => list(text) as ReadonlyArray<Channel.Pattern>

const since = (text: string): ReadonlyArray<Since> =>
  list(text).map((item) => {
    const equals = item.lastIndexOf("=")
    return { pattern: item.slice(0, equals) as Channel.Pattern, from: Number(item.slice(equals + 1)) }
  })

/** The session that an entry speaks of. */
export const clientId = (self: LogEntry): ClientId => cut(self.rest)[0] as ClientId

/** `P`: who has published it, `null` for somebody without a session. */
export const publisher = (self: LogEntry): ClientId | null => {
  const name = clientId(self)
  return name === "-" ? null : name
}

interface Written {
  readonly channel: Channel.Channel
  readonly data: Message.Delivery["data"]
  readonly id?: string | number
  readonly ext?: { readonly traceparent: Traceparent }
}

/** `P`: the message as JSON, which is what subscribers get. */
export const json = (self: LogEntry): string => self.rest.slice(self.rest.indexOf(" ") + 1)

/** `P`: the message. */
export const message = (self: LogEntry): Message.Delivery => {
  const text = json(self)
  const { channel, data, ext, id } = JSON.parse(text) as Written
  return new Message.Delivery(channel, data, id, self.position, { json: text, traceparent: ext?.traceparent })
}

/** `C`: whose session it is. */
export const identity = (self: LogEntry): string | undefined => readIdentity(cut(self.rest)[1])

/** `S`: the patterns that were added. */
export const added = (self: LogEntry): ReadonlyArray<Channel.Pattern> => patterns(cut(self.rest)[1])

/** `U`: the subscriptions that were removed. */
export const removed = (self: LogEntry): ReadonlyArray<Since> => since(cut(self.rest)[1])

/** `E`: what ended, and why. */
export const end = (self: LogEntry): { readonly patterns: ReadonlyArray<Channel.Pattern>; readonly cause: Cause } => {
  const [names, rest] = cut(cut(self.rest)[1])
  const [, cause] = cut(cut(rest)[1])
  return { patterns: patterns(names), cause: JSON.parse(cause) as Cause }
}

/** `E`: the session as it was, if it had an identity. */
export const ended = (self: LogEntry): IdentifiedSession | undefined => {
  const [, names = "", since = "", identity = ""] = self.rest.split(" ")
  if (identity === "") return undefined
  const { cause } = end(self)
  return {
    identity: decodeURIComponent(identity),
    since: time(Number(since)),
    subscriptions: patterns(names),
    end: { at: time(self.position), cause }
  }
}

/** `W`: the owner that is asked. */
export const owner = (self: LogEntry): string => cut(self.rest)[1]

const noIds: Left["ids"] = "Unknown"

const joined = (positions: ReadonlyArray<number>): string => positions.join(",")

const writeId = (id: Message.Id): string => id === undefined ? "" : encodeURIComponent(JSON.stringify(id))

const readId = (word: string): Message.Id =>
  word === "" ? undefined : JSON.parse(decodeURIComponent(word)) as Message.Id

/** What is left of a session, in one word: `queued;ids;againUpTo;last;id;positions;stream`, or nothing but `queued`. */
export const writeLeft = ({ againUpTo, answered, hadStream, ids, last, queued }: Left): string => {
  if (againUpTo === 0 && answered === undefined && ids === noIds && !hadStream) return joined(queued)
  const positions = joined(answered?.positions ?? [])
  return [joined(queued), ids, againUpTo, writeId(last), writeId(answered?.id), positions, Number(hadStream)].join(";")
}

const positions = (text: string): ReadonlyArray<number> => list(text).map(Number)

const readLeft = (word: string, hasUniqueIds: boolean): Left => {
  const [queued = "", ids, againUpTo = "0", last = "", id = "", answered = "", stream] = word.split(";")
  return {
    hadStream: stream === "1",
    queued: positions(queued),
    ids: (ids ?? (hasUniqueIds ? "Unique" : noIds)) as Left["ids"],
    againUpTo: Number(againUpTo),
    last: readId(last),
    answered: id === "" ? undefined : { id: readId(id), positions: positions(answered) }
  }
}

/** `A`: the session with its new owner. */
export const adoption = (self: LogEntry): Adoption => {
  const words = self.rest.split(" ")
  const [clientId, owner, generation, position, flags = "", createdAt, subscriptions, left, identity] = words
  return {
    clientId: clientId as ClientId,
    owner: owner ?? "",
    generation: generation ?? "",
    position: Number(position),
    left: readLeft(left ?? "", flags.endsWith("u")),
    acknowledges: flags.startsWith("1"),
    identity: readIdentity(identity ?? ""),
    createdAt: Number(createdAt),
    subscriptions: since(subscriptions ?? "")
  }
}

/** A session with an identity as `Scripts.roll` gives it: `id position identity patterns`. */
export const identifiedSession = (text: string): IdentifiedSession & { readonly clientId: ClientId } => {
  const [clientId = "", position = "", identity = "", subscriptions = ""] = text.split(" ")
  return {
    clientId: clientId as ClientId,
    identity: decodeURIComponent(identity),
    since: time(Number(position)),
    subscriptions: patterns(subscriptions)
  }
}

/** Messages as `G` has them: those of an answer are marked. */
export const writeReturned = ({ isAnswer, messages }: Pick<GiveBack, "isAnswer" | "messages">): string =>
  (isAnswer ? answerMark : "") +
  JSON.stringify(messages.map(({ channel, data, ext, id, position }) => ({ channel, data, id, ext, position })))

const answerMark = "answer "

/** `G`: whether an answer carried them. */
export const isAnswer = (self: LogEntry): boolean => cut(self.rest)[1].startsWith(answerMark)

/** `G`: the messages. */
export const returned = (self: LogEntry): ReadonlyArray<Message.Delivery> => {
  const [, rest] = cut(self.rest)
  const messages = JSON.parse(isAnswer(self) ? rest.slice(answerMark.length) : rest) as ReadonlyArray<
    Written & { readonly position: number }
  >
  return messages.map(({ channel, data, ext, id, position }) =>
    new Message.Delivery(channel, data, id, position, { traceparent: ext?.traceparent })
  )
}
