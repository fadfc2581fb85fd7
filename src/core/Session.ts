/**
 * Sessions: the server's knowledge of a client, behind its `clientId`. `Transitions` has the states of a session and
 * what changes them.
 */
import * as HashSet from "effect/HashSet"
import type { Pattern } from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"
import type { ConnectionId } from "./Connection.ts"
import type { Connect } from "./Message.ts"
import * as MessageQueue from "./MessageQueue.ts"
import * as Resets from "./Resets.ts"
import type { Retries } from "./Retries.ts"

/**
 * Connect that waits for its answer until there is something to deliver, `until` (milliseconds since the epoch) at the
 * latest.
 */
export interface HeldConnect {
  readonly slot: number
  readonly request: Connect
  readonly until: number
}

/**
 * Connection of a session.
 *
 * - `Detached`: none; messages are queued.
 * - `Polling`: an exchange whose connect is held; its answer carries messages, once.
 * - `Attached`: a socket or stream; messages are written at any time. A connect that is held beside it does not carry
 *   messages, unless the session acknowledges: then messages are queued until one is held, and leave with its answer
 *   only.
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

/** Session. Times are milliseconds since the epoch. */
export interface Session {
  readonly clientId: ClientId
  /** Whether it is the application's own: it needs no connects and does not time out. */
  readonly local: boolean
  /** Whether its messages stay in the queue until the client acknowledges them (CometD's `ext.ack`). */
  readonly acknowledges: boolean
  /** Name of its user; nothing if the application has not given one. */
  readonly identity: string | undefined
  /** Position of the last message that was sent from here to be acknowledged; 0 if none was. */
  readonly sent: number
  /** Position up to which the client has all messages. */
  readonly acknowledged: number
  /** Number of answers with messages since the client last acknowledged any. */
  readonly unheard: number
  readonly createdAt: number
  /** Time of its last handshake or connect. */
  readonly lastSeen: number
  /** Time of its end if it does not connect before, and its socket is not heard. */
  readonly expiresAt: number
  readonly subscriptions: HashSet.HashSet<Pattern>
  readonly link: Link
  readonly queue: MessageQueue.MessageQueue
  /** Knowledge about the ids of its connects. */
  readonly retries: Retries
  readonly resets: Resets.Resets
  /** Time of the first connect of a client with a stream while none was open here; nothing since one was opened. */
  readonly streamlessSince: number | undefined
  /** Whether it was taken from a stream of another process, which its browser is about to open again. */
  readonly isStreamComing: boolean
  /** Time of its entry in the deadlines, `Infinity` if it has none. */
  readonly armedAt: number
  /** Whether its end was committed and is not carried out yet. */
  readonly ending: boolean
}

/** A session as the owner of the server sees it. Times are milliseconds since the epoch. */
export interface Info {
  readonly clientId: ClientId
  /** Whether it is the application's own, of `Bayeux.subscribe`. */
  readonly local: boolean
  /** Name of its user, if the application has given one (`Extension.identify`). */
  readonly identity: string | undefined
  readonly createdAt: number
  /** Time of its last handshake or connect. */
  readonly lastSeen: number
  readonly subscriptions: ReadonlyArray<string>
  /** Number of messages that wait for it, or to be acknowledged. */
  readonly queueLength: number
  /** Connection: none, a held connect, or an open socket or stream. */
  readonly link: Link["_tag"]
  /** Connection type of its connection, `in-process` for the application's own; undefined if it has none. */
  readonly connectionType: string | undefined
  /** Whether its messages stay in the queue until the client acknowledges them. */
  readonly acknowledges: boolean
}

/** Link of a session without a connection. */
export const detached: Link = { _tag: "Detached" }

/** Creates a session. */
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

/** Connect that is held, if there is one. */
export const held = (self: Session): HeldConnect | undefined =>
  self.link._tag === "Detached" ? undefined : self.link.held

/** Connect that is held and whose answer will carry messages, if there is one. */
export const carrier = (self: Session): HeldConnect | undefined =>
  self.link._tag === "Polling" || self.acknowledges ? held(self) : undefined

/** Whether the session has an open stream. */
export const isStreaming = ({ link }: Session): boolean => link._tag === "Attached" && link.kind === "stream"

/**
 * Notes that the client has all messages up to a position. Without effect for a session that does not acknowledge, and
 * for a position beyond everything that can have been `sent` to it. Where several processes share an engine a message
 * may still have to come here that another process has sent.
 */
export const acknowledge = (self: Session, position: number | undefined, sent: number): Session =>
  !self.acknowledges || position === undefined || position > sent || position <= self.acknowledged
    ? self
    : { ...self, acknowledged: position, unheard: 0, queue: MessageQueue.after(self.queue, position) }

/** Notes a connect: the session lives for another `sessionTimeout` (milliseconds). */
export const seen = (self: Session, now: number, sessionTimeout: number): Session => ({
  ...self,
  lastSeen: now,
  expiresAt: self.local ? Infinity : now + sessionTimeout
})

/** Notes a sign of life that is no connect: the session lives for another `sessionTimeout` (milliseconds). */
export const heard = (self: Session, now: number, sessionTimeout: number): Session => ({
  ...self,
  expiresAt: Math.max(self.expiresAt, now + sessionTimeout)
})

/** Moves everything that is due for the session by so many milliseconds. */
export const postpone = (self: Session, milliseconds: number): Session => {
  const { armedAt, expiresAt, link } = self
  const later = { ...self, armedAt: armedAt + milliseconds, expiresAt: expiresAt + milliseconds }
  if (link._tag === "Detached" || link.held === undefined) return later
  return { ...later, link: { ...link, held: { ...link.held, until: link.held.until + milliseconds } } }
}

/** Time at which its held connect is to be answered, or it ends. */
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
