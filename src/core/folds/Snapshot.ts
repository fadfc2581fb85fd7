/**
 * Sessions of a process at one moment between two events, and the fold of further events.
 *
 * The law: a snapshot into which all events are folded that follow it is the later snapshot, in everything but the
 * {@link Readings}, which no event tells.
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import type { Pattern } from "../Channel.ts"
import type { ClientId } from "../ClientId.ts"
import type { Arrive, Lagged, MonitorEvent } from "../MonitorEvent.ts"
import type * as Session from "../Session.ts"
import type { State } from "../State.ts"

/** Facts about a session that no event tells, as they were when the snapshot was taken. */
export type Readings = Pick<Session.Info, "local" | "lastSeen" | "queueLength" | "link">

/** Session as the events tell it. */
export interface Entry {
  readonly identity: string | undefined
  readonly createdAt: number
  readonly subscriptions: HashSet.HashSet<Pattern>
  /** Missing where the session has begun or come here after the snapshot. */
  readonly reading: Readings | undefined
}

/** All sessions, after the event of that number and before the next one. */
export interface Snapshot {
  readonly _tag: "Snapshot"
  readonly sequence: number
  readonly sessions: HashMap.HashMap<ClientId, Entry>
}

/** Snapshot before the first event. */
export const empty: Snapshot = { _tag: "Snapshot", sequence: 0, sessions: HashMap.empty() }

/**
 * Takes a snapshot of states, after the event of that number.
 *
 * @internal
 */
export const take = (sequence: number, states: Iterable<State>): Snapshot => ({
  _tag: "Snapshot",
  sequence,
  sessions: HashMap.mutate(HashMap.empty<ClientId, Entry>(), (sessions) => {
    for (const state of states) {
      for (const session of HashMap.values(state.sessions)) HashMap.set(sessions, session.clientId, read(session))
    }
  })
})

const read = ({ createdAt, identity, lastSeen, link, local, queue, subscriptions }: Session.Session): Entry => ({
  identity,
  createdAt,
  subscriptions,
  reading: { local, lastSeen, queueLength: queue.length, link: link._tag }
})

/**
 * Applies an item of `Monitor.watch` to a snapshot: an event gives the later snapshot, a snapshot takes its place.
 * Where events were missed it stays as it is until the snapshot that follows.
 */
export const fold = (self: Snapshot, told: Snapshot | MonitorEvent | Lagged): Snapshot => {
  if (told._tag === "Snapshot") return told
  if (told._tag === "Lagged") return self
  return { ...self, sequence: told.sequence, sessions: change(self.sessions, told) }
}

const change = (sessions: Snapshot["sessions"], event: MonitorEvent): Snapshot["sessions"] => {
  switch (event._tag) {
    case "Publish":
      return sessions
    case "Handshake": {
      const { at: createdAt, clientId, identity } = event
      return HashMap.set(sessions, clientId, {
        identity,
        createdAt,
        subscriptions: HashSet.empty(),
        reading: undefined
      })
    }
    case "Arrive":
      return HashMap.modifyAt(sessions, event.clientId, (before) => Option.some(arrived(event, before)))
    case "Subscribe":
      return changeSubscriptions(sessions, event, HashSet.add)
    case "Unsubscribe":
      return changeSubscriptions(sessions, event, HashSet.remove)
    case "Disconnect":
    case "Depart":
      return HashMap.remove(sessions, event.clientId)
  }
}

/** Takes a session in. It may have been here before, and have been changed elsewhere. */
const arrived = ({ createdAt, identity, subscriptions }: Arrive, before: Option.Option<Entry>): Entry => ({
  identity,
  createdAt,
  subscriptions: HashSet.fromIterable(subscriptions),
  reading: Option.getOrUndefined(before)?.reading
})

const changeSubscriptions = (
  sessions: Snapshot["sessions"],
  { channel, clientId }: Extract<MonitorEvent, { readonly channel: Pattern; readonly clientId: ClientId }>,
  by: (subscriptions: HashSet.HashSet<Pattern>, channel: Pattern) => HashSet.HashSet<Pattern>
): Snapshot["sessions"] =>
  HashMap.modify(sessions, clientId, (session) => ({ ...session, subscriptions: by(session.subscriptions, channel) }))
