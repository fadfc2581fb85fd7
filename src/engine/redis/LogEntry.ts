/**
 * Entries of the log: one for each change of each process, in the one order in which they were carried out. Their words
 * are written and read here, and nowhere else; the scripts write them by `lua`.
 *
 * An entry is `node number kind …`: the process whose change it was, the number of the change there (0 if nobody waits for
 * it), and what was done.
 */
import type { GiveBack } from "../../core/Change.ts"
import type * as Channel from "../../core/Channel.ts"
import type { ClientId } from "../../core/ClientId.ts"
import type { IdentifiedSession } from "../../core/folds/PresenceState.ts"
import * as Message from "../../core/Message.ts"
import type { Cause } from "../../core/MonitorEvent.ts"
import type { Retries } from "../../core/Retries.ts"
import type { Traceparent } from "../../core/Traceparent.ts"

/** An entry. The functions below read the `rest` of its kind. */
export interface LogEntry {
  readonly position: number
  readonly node: string
  readonly number: number
  readonly kind: Kind
  readonly rest: string
}

/**
 * Kinds of entries, of which the scripts write the first two words and these:
 *
 * - `P`ublished, `D`one before, `C`reated, `S`ubscribed, `U`nsubscribed, `E`nded, `G`iven back, `R`efused;
 * - `W`anted: a process asks the owner for a session; `A`dopted: a session has a new owner; `O`wned: it is there already;
 * - `J`oined: a process has come, or has come back.
 */
export type Kind = "P" | "D" | "C" | "S" | "U" | "E" | "G" | "R" | "W" | "A" | "O" | "J"

/** Reasons for which the store refuses a change. */
export type Reason = "401" | "forbidden" | "limit"

/** Move of a session to a new owner. */
export interface Adoption {
  readonly clientId: ClientId
  readonly owner: string
  readonly generation: string
  /** Position up to which the session has had or queued everything. */
  readonly position: number
  readonly left: Left
  readonly acknowledges: boolean
  readonly identity: string | undefined
  readonly createdAt: number
  readonly subscriptions: ReadonlyArray<Since>
}

/** State of a session that its last owner has given away, beyond what the store has. */
export interface Left {
  /** Positions of the queued messages. */
  readonly queued: ReadonlyArray<number>
  readonly ids: Retries["ids"]
  /** Id of the last connect. */
  readonly last: Message.Id
  /** Id of the connect that was answered last, and positions of the messages in that answer. */
  readonly answered: { readonly id: Message.Id; readonly positions: ReadonlyArray<number> } | undefined
  readonly againUpTo: number
  readonly hadStream: boolean
}

/** Subscription with the position from which it counts. */
export interface Since {
  readonly pattern: Channel.Pattern
  readonly from: number
}

/** Id of the entry at a position, in the stream of Redis. */
export const id = (position: number): string => `${position}-0`

/** Position of the entry with an id. */
export const position = (id: string): number => Number(id.slice(0, id.indexOf("-")))

/** Time of an entry, in milliseconds since the epoch; with more than 4,096 entries in a millisecond it is ahead. */
export const time = (position: number): number => Math.floor(position / 4096)

/** First position that an entry of that time can have. */
export const positionAt = (time: number): number => time * 4096

/** Reads an entry from its id and its only field. */
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

/** Writes an identity as one word, none as the empty word. */
export const writeIdentity = (identity: string | undefined): string => encodeURIComponent(identity ?? "")

const readIdentity = (word: string): string | undefined => word === "" ? undefined : decodeURIComponent(word)

/** Writes patterns as one word. */
export const writePatterns = (patterns: ReadonlyArray<Channel.Pattern>): string => patterns.join(",")

/** Writes a cause: the last words of an `E`. */
export const writeCause = (cause: Cause): string => JSON.stringify(cause)

const patterns = (text: string) => list(text) as ReadonlyArray<Channel.Pattern>

const since = (text: string): ReadonlyArray<Since> =>
  list(text).map((item) => {
    const equals = item.lastIndexOf("=")
    return { pattern: item.slice(0, equals) as Channel.Pattern, from: Number(item.slice(equals + 1)) }
  })

/** Session of an entry, of those that have one. */
export const clientId = (self: LogEntry): ClientId => cut(self.rest)[0] as ClientId

/** `P`: session of the publisher, `null` if it has none. */
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

/** `P`: message as JSON, as subscribers get it. */
export const json = (self: LogEntry): string => self.rest.slice(self.rest.indexOf(" ") + 1)

/** `P`: message. */
export const message = (self: LogEntry): Message.Delivery => {
  const text = json(self)
  const { channel, data, ext, id } = JSON.parse(text) as Written
  return new Message.Delivery(channel, data, id, self.position, { json: text, traceparent: ext?.traceparent })
}

/** `C`: identity, if it has one. */
export const identity = (self: LogEntry): string | undefined => readIdentity(cut(self.rest)[1])

/** `S`: patterns that were added. */
export const added = (self: LogEntry): ReadonlyArray<Channel.Pattern> => patterns(cut(self.rest)[1])

/** `U`: subscriptions that were removed. */
export const removed = (self: LogEntry): ReadonlyArray<Since> => since(cut(self.rest)[1])

/** `E`: subscriptions that ended with the session, and the cause. */
export const end = (self: LogEntry): { readonly patterns: ReadonlyArray<Channel.Pattern>; readonly cause: Cause } => {
  const [names, rest] = cut(cut(self.rest)[1])
  const [, cause] = cut(cut(rest)[1])
  return { patterns: patterns(names), cause: JSON.parse(cause) as Cause }
}

/** `E`: session as it was, if it had an identity. */
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

/** `W`: owner that is asked. */
export const owner = (self: LogEntry): string => cut(self.rest)[1]

/** `R`: reason, `401` for a session that does not exist, or that of the change. */
export const reason = (self: LogEntry): Reason => self.rest as Reason

/** `J`: term of the connection that has joined. */
export const term = (self: LogEntry): string => self.rest

const noIds: Left["ids"] = "Unknown"

const joined = (positions: ReadonlyArray<number>): string => positions.join(",")

const writeId = (id: Message.Id): string => id === undefined ? "" : encodeURIComponent(JSON.stringify(id))

const readId = (word: string): Message.Id =>
  word === "" ? undefined : JSON.parse(decodeURIComponent(word)) as Message.Id

/** Writes what an owner leaves as one word: `queued;ids;againUpTo;last;id;positions;stream`, or just `queued`. */
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

/** `A`: session with its new owner. */
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

/** Reads a session with an identity from the answer of `Scripts.identified`: `id position identity patterns`. */
export const identifiedSession = (text: string): IdentifiedSession & { readonly clientId: ClientId } => {
  const [clientId = "", position = "", identity = "", subscriptions = ""] = text.split(" ")
  return {
    clientId: clientId as ClientId,
    identity: decodeURIComponent(identity),
    since: time(Number(position)),
    subscriptions: patterns(subscriptions)
  }
}

/** Writes the messages of a `G`; those of an answer are marked. */
export const writeReturned = ({ isAnswer, messages }: Pick<GiveBack, "isAnswer" | "messages">): string =>
  (isAnswer ? answerMark : "") +
  JSON.stringify(messages.map(({ channel, data, ext, id, position }) => ({ channel, data, id, ext, position })))

const answerMark = "answer "

/** `G`: whether an answer carried the messages. */
export const isAnswer = (self: LogEntry): boolean => cut(self.rest)[1].startsWith(answerMark)

/** `G`: messages. */
export const returned = (self: LogEntry): ReadonlyArray<Message.Delivery> => {
  const [, rest] = cut(self.rest)
  const messages = JSON.parse(isAnswer(self) ? rest.slice(answerMark.length) : rest) as ReadonlyArray<
    Written & { readonly position: number }
  >
  return messages.map(({ channel, data, ext, id, position }) =>
    new Message.Delivery(channel, data, id, position, { traceparent: ext?.traceparent })
  )
}

const words = (...parts: ReadonlyArray<string>): string => parts.join(" .. ' ' .. ")

/** Lua expressions of what comes behind `node number `; arguments are Lua expressions of strings. */
export const lua = {
  published: (clientId: string, message: string) => words("'P'", clientId, message),
  repeated: (clientId: string) => words("'D'", clientId),
  created: (clientId: string, identity: string) => words("'C'", clientId, identity),
  subscribed: (clientId: string, patterns: string) => words("'S'", clientId, joinedIn(patterns)),
  unsubscribed: (clientId: string, since: string) => words("'U'", clientId, joinedIn(since)),
  /** `begun` is position and identity of its beginning, `0` and nothing if it has no identity. */
  ended: (clientId: string, patterns: string, begun: string, cause: string) =>
    words("'E'", clientId, joinedIn(patterns), begun, cause),
  givenBack: (clientId: string, messages: string) => words("'G'", clientId, messages),
  refused: (reason: Reason) => `'R ${reason}'`,
  wanted: (clientId: string, owner: string) => words("'W'", clientId, owner),
  adopted: (...parts: ReadonlyArray<string>) => words("'A'", ...parts),
  owned: (clientId: string) => words("'O'", clientId),
  joined: (term: string) => words("'J'", term),
  /** A subscription and the position from which it counts, as `unsubscribed` and `adopted` have them. */
  since: (pattern: string, from: string) => `${pattern} .. '=' .. ${from}`,
  /** Position of the first queued message of what `writeLeft` has written, or nil. */
  firstQueued: (left: string) => `string.match(${left}, '^%d+')`
} as const

const joinedIn = (list: string): string => `table.concat(${list}, ',')`
