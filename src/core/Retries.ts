/**
 * Ids of a client's connects, and what they prove.
 *
 * Faye's clients send a request again whose answer they have not read, with the same id, and use an id once: a connect
 * that repeats the id of the connect that was last answered has not read that answer, and a new id shows that it was
 * read. That passes through every proxy. CometD's clients use a new id each time, which proves nothing; they
 * acknowledge.
 *
 * A proxy may let the connect that was given up come after the one that was sent in its place, and nobody can tell
 * which is which. So over exchanges an id has one answer: a connect that repeats it gets the same messages, and nothing
 * that has come since.
 *
 * The ids of a session are
 *
 * - `Unknown` at the beginning;
 * - `Distinct` when two connects, one after the other, had different ids;
 * - `Unique` if its handshake names a connection type that only Faye's clients know;
 * - `Reused` when the same id has come again over the socket that carried the answer.
 *
 * {@link proofs} says what each kind proves.
 */
import type { ConnectionId } from "./Connection.ts"
import type { Connect, Delivery, Handshake, Id } from "./Message.ts"

/** Kinds of ids. */
export type Ids = "Unknown" | "Distinct" | "Unique" | "Reused"

/**
 * Answer to a session's last connect: its id and, if it went over an exchange, its messages for as long as the client
 * may ask for them again.
 */
export interface Answered {
  readonly id: Id
  readonly connection: ConnectionId
  readonly messages: ReadonlyArray<Delivery>
  /** The answer could not be written: the client is going to ask for it. */
  readonly isUnwritten?: true
}

/** Knowledge about a session's connects. */
export interface Retries {
  readonly ids: Ids
  /** Id of the last connect. */
  readonly last: Id
  readonly answered: Answered | undefined
}

/**
 * Key by which a request is recognised that was carried out before and comes again, because its answer was not read. It
 * is the same if the same content came with the same id in this slot of the key, and nothing else since.
 */
export interface IdempotencyKey {
  readonly key: string
  readonly slot: number
  readonly id: string
}

/** Connection types that only Faye's clients name. */
const ofFaye: ReadonlyArray<string> = ["in-process", "cross-origin-long-polling"]

/** Maximum length of an id that is kept, in UTF-16 code units. */
const longestId = 64

const nothing: ReadonlyArray<Delivery> = []
const unknown: Retries = { ids: "Unknown", last: undefined, answered: undefined }
const unique: Retries = { ...unknown, ids: "Unique" }

/** Creates the knowledge of a new session, by its handshake. */
export const make = (handshake: Pick<Handshake, "supportedConnectionTypes"> | undefined): Retries =>
  ofFaye.some((type) => handshake?.supportedConnectionTypes.includes(type)) ? unique : unknown

/** Conclusions about the answer to a connect. */
export interface Proofs {
  /** The next connect has the same id. */
  readonly sameId: "Nothing" | "Unread"
  /** The next connect has another id. `ReadIfSoon`: read, if it comes without the pause after a failure. */
  readonly newId: "Nothing" | "ReadIfSoon" | "Read"
  /**
   * The answer could not be written, or its peer had closed the socket before. Its messages return `Now`, or now but for
   * those that a later answer keeps, or the client asks for them by the id (`OnRequest`).
   */
  readonly unwritten: "Now" | "NowUnlessKept" | "OnRequest"
  /** The answer was written to its end, and then the connection was reset: see `Resets`. */
  readonly reset: "Now" | "AfterNextConnect"
}

/** Conclusions by the ids of a session and by what has happened to its last answer. */
export const proofs: { readonly [ids in Ids]: Proofs } = {
  Unknown: { sameId: "Nothing", newId: "Nothing", unwritten: "Now", reset: "Now" },
  Distinct: { sameId: "Unread", newId: "ReadIfSoon", unwritten: "NowUnlessKept", reset: "AfterNextConnect" },
  Unique: { sameId: "Unread", newId: "Read", unwritten: "OnRequest", reset: "AfterNextConnect" },
  Reused: { sameId: "Nothing", newId: "Nothing", unwritten: "Now", reset: "Now" }
}

/** Whether a connect with the id of the last answer shows that this was not read. */
const showsUnread = ({ ids }: Retries): boolean => proofs[ids].sameId === "Unread"

/** Whether two connects are the same one, sent twice. */
export const isSame = (self: Retries, { id }: Connect, other: Connect): boolean =>
  showsUnread(self) && id !== undefined && id === other.id

/**
 * Whether a connect shows that the last answer was not read. Over the connection that carried the answer it is given
 * once.
 */
export const isUnread = (self: Retries, request: Connect, connection: ConnectionId): boolean =>
  showsUnread(self) && request.id !== undefined && self.answered?.id === request.id &&
  self.answered.connection !== connection

/** Maximum number of ids by which a connect that was given up may be behind. */
const mostBehind = 1_000

const numberOf = (id: Id): number => id === undefined ? Number.NaN : Number.parseInt(`${id}`, 36)

/**
 * Whether a connect was sent before the last one (Faye's clients count their ids in base 36): a proxy or a network had held
 * it up. Its client does not wait for an answer any more.
 */
export const isLate = ({ ids, last }: Retries, { id }: Connect): boolean => {
  const behind = numberOf(last) - numberOf(id)
  return ids === "Unique" && behind > 0 && behind <= mostBehind
}

/** Forgets the messages of the last answer: they are delivered again by another way. */
export const forgetMessages = (self: Retries): Retries =>
  self.answered === undefined ? self : { ...self, answered: { ...self.answered, messages: nothing } }

/**
 * Selects, of the messages of an answer that could not be written, those that return to the queue now. The client asks
 * for the others, or a later answer has them.
 */
export const unwritten = (
  self: Retries,
  messages: ReadonlyArray<Delivery>,
  connection: ConnectionId | undefined
): readonly [Retries, ReadonlyArray<Delivery>] => {
  const { answered, ids } = self
  const { unwritten } = proofs[ids]
  if (unwritten === "Now" || answered?.id === undefined) return [self, messages]
  const isLast = answered.connection === connection
  if (unwritten === "OnRequest") {
    return [isLast ? { ...self, answered: { ...answered, isUnwritten: true } } : self, nothing]
  }
  if (isLast) return [forgetMessages(self), messages]
  const again = new Set(answered.messages.map(({ position }) => position))
  return [self, messages.filter(({ position }) => !again.has(position))]
}

/** Position of the first message that is kept here and that the client has not got for certain, if there is one. */
export const firstUnwritten = ({ answered }: Retries): number | undefined =>
  answered?.isUnwritten === true ? answered.messages[0]?.position : undefined

/** Conclusion from a connect whose id is another one than that of the last answer; `Nothing` if it is not. */
export const byNewId = ({ answered, ids }: Retries, { id }: Connect): Proofs["newId"] =>
  answered !== undefined && id !== undefined && answered.id !== id ? proofs[ids].newId : "Nothing"

/** Number of requests that are recognised again of a client whose ids are unique. */
const slots = 32

/**
 * Creates the key by which a repeated request is recognised. A client whose ids are unique uses each for one request;
 * of any other client whose ids were distinct only the last request is recognised, so that an id may come again for
 * another one. An empty or long id makes no key.
 */
export const once = (ids: Ids, key: string, id: Id): IdempotencyKey | undefined => {
  const text = id === undefined ? "" : `${id}`
  if (text === "" || text.length > longestId) return undefined
  if (ids === "Unique") return { key, slot: (Number.parseInt(text, 36) || 0) % slots, id: text }
  return ids === "Distinct" ? { key, slot: 0, id: text } : undefined
}

/** Notes a connect. One with another id does not ask for the last answer again. */
export const connected = (self: Retries, request: Connect, connection: ConnectionId): Retries => {
  const { answered } = self
  const last = kept(request.id)
  if (answered === undefined) return self.last === last ? self : { ...self, last }
  const ids = shown(self, answered, request, connection)
  const messages = isUnread(self, request, connection) ? answered.messages : nothing
  return { ids, last, answered: { ...answered, messages } }
}

const shown = ({ ids }: Retries, answered: Answered, { id }: Connect, connection: ConnectionId): Ids => {
  if (id === undefined || answered.id === undefined) return ids
  if (id === answered.id) return connection === answered.connection ? "Reused" : ids
  return ids === "Unknown" ? "Distinct" : ids
}

const kept = (id: Id): Id => typeof id === "string" && id.length > longestId ? undefined : id

/** Notes the answer to a connect. */
export const answered = (
  self: Retries,
  { id }: Connect,
  connection: ConnectionId,
  messages: ReadonlyArray<Delivery>
): Retries => ({
  ...self,
  answered: { id: kept(id), connection, messages: kept(id) === undefined ? nothing : messages }
})
