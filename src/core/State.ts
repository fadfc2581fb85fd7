/**
 * State of the server as one immutable value, and the few changes that keep its parts in step.
 *
 * A session is in `sessions`; its subscriptions are in `routes` as well, its connection in `bindings` (and in `routes`,
 * if messages go to it at any time), its next deadline in `deadlines`. `test/core/invariants.ts` checks that they
 * agree.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Channel from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"
import type { ConnectionId } from "./Connection.ts"
import * as DeadlineTree from "./DeadlineTree.ts"
import type { EndedSessions } from "./EndedSessions.ts"
import type { ConnectReceived, StreamOpened } from "./Input.ts"
import * as MessageQueue from "./MessageQueue.ts"
import type { Disbelieved } from "./Resets.ts"
import * as Retries from "./Retries.ts"
import * as Routes from "./Routes.ts"
import * as Session from "./Session.ts"
import type { Settings } from "./Settings.ts"
import * as Subscriptions from "./Subscriptions.ts"

/** Input that waits for its session to come here. */
export type Awaiting = ConnectReceived | StreamOpened

/** The state of the machine. */
export interface State {
  readonly settings: Settings
  readonly connectionTypes: ReadonlyArray<string>
  /** Whether sessions come from other processes, and go there. */
  readonly isShared: boolean
  readonly sessions: HashMap.HashMap<ClientId, Session.Session>
  readonly routes: Routes.Routes
  /** Sessions by their connections. Each session has one connection at the most. */
  readonly bindings: HashMap.HashMap<ConnectionId, ClientId>
  readonly deadlines: DeadlineTree.DeadlineTree
  /** Number of bytes that wait for all sessions. */
  readonly queuedBytes: number
  /** Sessions that have begun over a socket, while it is open. Some may be gone. */
  readonly begun: HashMap.HashMap<ConnectionId, ReadonlyArray<ClientId>>
  /** Sessions whose held connect is to be answered at the end of this turn, because messages have come for them. */
  readonly toAnswer: ReadonlyArray<ClientId>
  /** Connects and streams of sessions that this process is about to adopt. */
  readonly awaiting: HashMap.HashMap<ClientId, ReadonlyArray<Awaiting>>
  /** Peers that reset connections of which they have read everything. */
  readonly disbelieved: Disbelieved
  /** Sessions that the application has ended, the last ones. */
  readonly kicked: EndedSessions
}

/** Creates the state of a server without sessions. */
export const make = (settings: Settings, connectionTypes: ReadonlyArray<string>, isShared = false): State => ({
  settings,
  connectionTypes,
  isShared,
  sessions: HashMap.empty(),
  routes: Routes.empty,
  bindings: HashMap.empty(),
  deadlines: DeadlineTree.empty,
  queuedBytes: 0,
  begun: HashMap.empty(),
  toAnswer: [],
  awaiting: HashMap.empty(),
  disbelieved: [],
  kicked: []
})

/** Finds a session. Any string may be asked for. */
export const session = (self: State, clientId: string): Session.Session | undefined =>
  Option.getOrUndefined(HashMap.get(self.sessions, clientId as ClientId))

/** Finds the session of a connection. */
export const sessionOf = (self: State, connection: ConnectionId): Session.Session | undefined => {
  const clientId = HashMap.get(self.bindings, connection)
  return Option.isSome(clientId) ? session(self, clientId.value) : undefined
}

/** Lists the sessions that have begun over a socket and are there. */
export const begunOver = (self: State, connection: ConnectionId): ReadonlyArray<ClientId> => {
  const begun = HashMap.get(self.begun, connection)
  return Option.isNone(begun) ? [] : begun.value.filter((clientId) => HashMap.has(self.sessions, clientId))
}

/** Notes that a session begins over a socket. */
export const begin = (self: State, connection: ConnectionId, clientId: ClientId): State => ({
  ...self,
  begun: HashMap.set(self.begun, connection, [...begunOver(self, connection), clientId])
})

/** Forgets the sessions that have begun over a socket that is gone. */
export const forget = (self: State, connection: ConnectionId): State =>
  HashMap.has(self.begun, connection) ? { ...self, begun: HashMap.remove(self.begun, connection) } : self

/** Puts a session into the state. */
export const setSession = (self: State, session: Session.Session): State => ({
  ...self,
  queuedBytes: queuedBytesWith(self, session.clientId, session.queue.bytes),
  sessions: HashMap.set(self.sessions, session.clientId, session)
})

/**
 * Number of bytes that wait for all sessions when so many wait for this one. Mostly nothing waits, and nothing is
 * looked up.
 */
const queuedBytesWith = (self: State, clientId: ClientId, bytes: number): number =>
  self.queuedBytes === 0 ? bytes : self.queuedBytes + bytes - (session(self, clientId)?.queue.bytes ?? 0)

/** State and the session that is being served. The session may be newer than in the state: the caller puts it there. */
export type WithSession = readonly [state: State, session: Session.Session]

/** Puts the session into the state if it is another one than before. */
export const update = (before: Session.Session, [self, session]: WithSession): State =>
  session === before ? self : setSession(self, session)

/** Puts a session into the state, and has it looked at when its held connect or its end is due (see `DeadlineTree`). */
export const arm = (self: State, session: Session.Session): State => {
  const next = Session.dueAt(session)
  if (session.armedAt <= next) return setSession(self, session)
  const deadlines = DeadlineTree.remove(self.deadlines, session.armedAt, session.clientId)
  return setSession(
    { ...self, deadlines: DeadlineTree.add(deadlines, next, session.clientId) },
    { ...session, armedAt: next }
  )
}

/** Does the same for a session whose entry in the deadlines has just come up. */
export const rearm = (self: State, session: Session.Session): State =>
  arm(
    { ...self, deadlines: DeadlineTree.remove(self.deadlines, session.armedAt, session.clientId) },
    { ...session, armedAt: Infinity }
  )

/** Takes the session off its connection, which stays open. A connect that is held there is not answered. */
export const detach = (self: State, session: Session.Session): WithSession => {
  if (session.link._tag === "Detached") return [self, session]
  const bindings = HashMap.remove(self.bindings, session.link.connection)
  const routes = Routes.detach(self.routes, session.clientId)
  return [{ ...self, bindings, routes }, { ...session, link: Session.detached }]
}

/** Removes a session from all parts of the state. */
export const removeSession = (before: State, session: Session.Session): State => {
  const { clientId } = session
  const [self] = detach(before, session)
  return {
    ...self,
    queuedBytes: queuedBytesWith(self, clientId, 0),
    sessions: HashMap.remove(self.sessions, clientId),
    routes: Routes.unsubscribe(self.routes, clientId, session.subscriptions),
    deadlines: DeadlineTree.remove(self.deadlines, session.armedAt, clientId)
  }
}

/** Moves everything that is due by so many milliseconds. */
export const postpone = (self: State, milliseconds: number): State => ({
  ...self,
  sessions: HashMap.map(self.sessions, (session) => Session.postpone(session, milliseconds)),
  deadlines: DeadlineTree.postpone(self.deadlines, milliseconds)
})

/** Lists all sessions, as the owner of the server sees them. */
export const infos = (self: State): ReadonlyArray<Session.Info> =>
  Array.from(HashMap.values(self.sessions), Session.info)

/** Lists the sessions that would get a message on a channel, by whatever pattern; none for an invalid channel. */
export const subscribers = (self: State, channel: string): ReadonlyArray<ClientId> => {
  const parsed = Channel.parse(channel, self.settings.maxChannelSegments)
  return Result.isFailure(parsed) ? [] : [...Subscriptions.subscribers(self.routes.subscriptions, parsed.success)]
}

/** Lists the sessions with messages that wait, each with the position of the first one. */
export const waiting = function*(self: State): Generator<readonly [clientId: ClientId, position: number]> {
  for (const { clientId, queue, retries } of HashMap.values(self.sessions)) {
    const first = Math.min(Retries.firstUnwritten(retries) ?? Infinity, MessageQueue.first(queue) ?? Infinity)
    if (first < Infinity) yield [clientId, first]
  }
}
