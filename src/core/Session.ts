/**
 * What the server remembers behind a `clientId`: its subscriptions, its link to a connection and what waits for it.
 */
import * as HashSet from "effect/HashSet"
import type { Pattern } from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"
import type { ConnectionId } from "./Connection.ts"
import type { Connect } from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import * as Resets from "./Resets.ts"
import type { Retries } from "./Retries.ts"

/** A `/meta/connect` that waits for its answer until there is something to deliver, `until` at the latest. */
export interface HeldConnect {
  readonly slot: number
  readonly request: Connect
  readonly until: number
}

/**
 * How a session is reached.
 *
 * - `Detached`: not at all; messages are queued.
 * - `Polling`: by answering a connect that is held over an exchange; once.
 * - `Attached`: by a socket or stream, at any time. A connect that is held beside it does not carry messages, unless
 *   the session acknowledges: then messages are queued until one is held, and leave with its answer only.
 */
export type Link =
  | { readonly _tag: "Detached" }
  | { readonly _tag: "Polling"; readonly connection: ConnectionId; readonly held: HeldConnect }
  | {
    readonly _tag: "Attached"
    readonly connection: ConnectionId
    readonly kind: "socket" | "stream"
    readonly connectionType: string
    readonly held: HeldConnect | undefined
  }

/** A session. Times are milliseconds since the epoch. */
export interface Session {
  readonly clientId: ClientId
  /** The application's own session: it needs no connects and does not time out. */
  readonly local: boolean
  /** Its messages stay in the queue until the client says that it has them (CometD's `ext.ack`). */
  readonly acknowledges: boolean
  /** Whose it is, as the application calls them; nothing where it has not said so. */
  readonly identity: string | undefined
  /** The position of the last message that was sent from here to be acknowledged; 0 when none was. */
  readonly sent: number
  /** Its client has all messages up to this position. */
  readonly acknowledged: number
  /** How many answers with messages it was given since it last acknowledged any. */
  readonly unheard: number
  readonly createdAt: number
  /** When it last shook hands or connected. */
  readonly lastSeen: number
  /** When it ends if it does not connect before, and its socket is not heard. */
  readonly expiresAt: number
  readonly subscriptions: HashSet.HashSet<Pattern>
  readonly link: Link
  readonly queue: MessageQueue.MessageQueue
  /** What its client says by the ids of its connects. */
  readonly retries: Retries
  readonly resets: Resets.Resets
  /** When its client first connected as one with a stream while none was open here; nothing since one was opened. */
  readonly streamlessSince: number | undefined
  /** It was taken from a stream of another process, which its browser is about to open again. */
  readonly isStreamComing: boolean
  /** The time of its entry in the deadlines, `Infinity` when it has none. */
  readonly armedAt: number
  /** Its end has been ordered and not yet carried out. */
  readonly ending: boolean
}

/** A session as the owner of the server sees it. Times are milliseconds since the epoch. */
export interface Info {
  readonly clientId: ClientId
  /** The application's own, of `Bayeux.subscribe`. */
  readonly local: boolean
  /** Whose it is (`Extension.identify`), if the application has said so. */
  readonly identity: string | undefined
  readonly createdAt: number
  /** When it last shook hands or connected. */
  readonly lastSeen: number
  readonly subscriptions: ReadonlyArray<string>
  /** How many messages wait for it, or to be acknowledged. */
  readonly queueLength: number
  /** How it is reached now: not at all, by a held connect, or by an open socket or stream. */
  readonly link: Link["_tag"]
  /** The connection type by which it is reached now, `in-process` for the application's own; undefined while it is not. */
  readonly connectionType: string | undefined
  /** Its messages stay in the queue until the client says that it has them. */
  readonly acknowledges: boolean
}

/** No connection. */
export const detached: Link = { _tag: "Detached" }

/** A session as it begins. */
export const make = (
  { acknowledges, clientId, identity, local, retries }: Pick<
    Session,
    "acknowledges" | "clientId" | "identity" | "local" | "retries"
  >,
  now: number,
  sessionTimeout: number
): Session => ({
  clientId,
  local,
  acknowledges,
  identity,
  sent: 0,
  acknowledged: 0,
  unheard: 0,
  createdAt: now,
  lastSeen: now,
  expiresAt: local ? Infinity : now + sessionTimeout,
  subscriptions: HashSet.empty(),
  link: detached,
  queue: MessageQueue.empty,
  retries,
  resets: Resets.none,
  streamlessSince: undefined,
  isStreamComing: false,
  armedAt: Infinity,
  ending: false
})

/** The connect that is held for it, if any. */
export const held = (self: Session): HeldConnect | undefined =>
  self.link._tag === "Detached" ? undefined : self.link.held

/** The connect that is held for it and will carry its messages, if any. */
export const carrier = (self: Session): HeldConnect | undefined =>
  self.link._tag === "Polling" || self.acknowledges ? held(self) : undefined

/** Whether the session has an open stream. */
export const isStreaming = ({ link }: Session): boolean => link._tag === "Attached" && link.kind === "stream"

/**
 * The client has all messages up to this position. One that does not acknowledge has said nothing, and so has one that
 * names a position beyond everything that can have been `sent` to it. Where several processes share an engine that may
 * still have to come here: another process has sent it.
 */
export const acknowledge = (self: Session, position: number | undefined, sent: number): Session =>
  !self.acknowledges || position === undefined || position > sent || position <= self.acknowledged
    ? self
    : { ...self, acknowledged: position, unheard: 0, queue: MessageQueue.after(self.queue, position) }

/** The session has connected: it may stay away for another `sessionTimeout`. */
export const seen = (self: Session, now: number, sessionTimeout: number): Session => ({
  ...self,
  lastSeen: now,
  expiresAt: self.local ? Infinity : now + sessionTimeout
})

/** Its client is there, although it has not connected: it may stay away for another `sessionTimeout`. */
export const heard = (self: Session, now: number, sessionTimeout: number): Session => ({
  ...self,
  expiresAt: Math.max(self.expiresAt, now + sessionTimeout)
})

/** Everything that is due for it is due later. */
export const postpone = (self: Session, milliseconds: number): Session => {
  const { armedAt, expiresAt, link } = self
  const later = { ...self, armedAt: armedAt + milliseconds, expiresAt: expiresAt + milliseconds }
  if (link._tag === "Detached" || link.held === undefined) return later
  return { ...later, link: { ...link, held: { ...link.held, until: link.held.until + milliseconds } } }
}

/** When it has to be looked at: its held connect is to be answered, or it ends. */
export const dueAt = (self: Session): number =>
  Math.min(held(self)?.until ?? Infinity, self.ending ? Infinity : self.expiresAt)

const connectionType = ({ link }: Session): string | undefined => {
  switch (link._tag) {
    case "Detached":
      return undefined
    case "Polling":
      return link.held.request.connectionType
    case "Attached":
      return link.connectionType
  }
}

/** A session as the owner of the server sees it. */
export const info = (self: Session): Info => ({
  clientId: self.clientId,
  local: self.local,
  identity: self.identity,
  createdAt: self.createdAt,
  lastSeen: self.lastSeen,
  subscriptions: [...self.subscriptions],
  queueLength: self.queue.length,
  link: self.link._tag,
  connectionType: connectionType(self),
  acknowledges: self.acknowledges
})
