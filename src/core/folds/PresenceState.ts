/**
 * Presence as a fold of events: members by the identity of their sessions.
 *
 * A session that has ended lingers for a grace period, with the subscriptions that it had. A member is there as long as
 * one of its sessions is or lingers, and in a channel as long as one of those has subscribed to it; so a member that
 * changes the page and comes back in time never leaves, neither the server nor its channels. A member that unsubscribes
 * leaves the channel at once.
 *
 * Each {@link Step} changes one session. So a comparison of the states before and behind each step ({@link change})
 * shows exactly which member comes and goes, anywhere, and when.
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Channel from "../Channel.ts"
import type { ClientId } from "../ClientId.ts"
import * as DeadlineTree from "../DeadlineTree.ts"
import type { Cause, Event } from "../MonitorEvent.ts"
import * as Subscriptions from "../Subscriptions.ts"

/** The end of a session. The cause is missing where the end was missed. */
export interface End {
  readonly at: number
  readonly cause: Cause | undefined
}

/** Session with an identity, as it is stored. Times are milliseconds since the epoch. */
export interface IdentifiedSession {
  readonly identity: string
  /** Time of its beginning. */
  readonly since: number
  readonly subscriptions: Iterable<Channel.Pattern>
  /** Its end, within the grace period. */
  readonly end?: End
}

/** All sessions with an identity, and those that have ended within the grace period as far as they are known. */
export interface PresenceSnapshot {
  readonly _tag: "PresenceSnapshot"
  readonly at: number
  readonly sessions: ReadonlyMap<ClientId, IdentifiedSession>
}

/** Every event before that time has been given. */
export interface TimePassed {
  readonly _tag: "TimePassed"
  readonly at: number
}

/** Input of the fold. Events that a snapshot contains already do no harm behind it. */
export type PresenceInput = PresenceSnapshot | TimePassed | (Event & { readonly at: number })

/** Session that is there, or lingers behind its end. */
interface Visit {
  readonly identity: string
  readonly subscriptions: HashSet.HashSet<Channel.Pattern>
  readonly end: End | undefined
}

interface Presence {
  readonly since: number
  readonly visits: HashSet.HashSet<ClientId>
}

/** Members and their sessions. */
export interface PresenceState {
  readonly gracePeriod: number
  readonly visits: HashMap.HashMap<ClientId, Visit>
  readonly members: HashMap.HashMap<string, Presence>
  readonly subscriptions: Subscriptions.Subscriptions
  /** Times at which sessions linger no more. */
  readonly lapses: DeadlineTree.DeadlineTree
}

/** Change of one session of a member: it has come, has changed or has gone. */
export interface Step {
  readonly state: PresenceState
  readonly identity: string
  readonly at: number
  readonly cause: Cause | undefined
}

/** Creates the state without members. The grace period is milliseconds. */
export const make = (gracePeriod: number): PresenceState => ({
  gracePeriod,
  visits: HashMap.empty(),
  members: HashMap.empty(),
  subscriptions: Subscriptions.empty,
  lapses: DeadlineTree.empty
})

// ---------------------------------------------------------------------------------------------------------------------
// questions

/** Member that is there. */
export interface Member {
  readonly identity: string
  /** Time at which the member came, in milliseconds since the epoch. */
  readonly since: number
  /** Number of its sessions that are there. With 0 all have ended, and the grace period runs. */
  readonly sessions: number
}

/** Place of members: the server, or the channel that these patterns match. */
export type Place = "server" | ReadonlyArray<Channel.Pattern>

/** Creates the place of a channel; nobody is on an invalid channel. */
export const onChannel = (name: string): Place =>
  Result.match(Channel.parse(name, Infinity), { onFailure: () => [], onSuccess: Channel.expand })

const visit = (self: PresenceState, clientId: ClientId): Visit | undefined =>
  Option.getOrUndefined(HashMap.get(self.visits, clientId))

const presence = (self: PresenceState, identity: string): Presence | undefined =>
  Option.getOrUndefined(HashMap.get(self.members, identity))

/** Whether a member is there. */
export const isIn = (self: PresenceState, identity: string, place: Place): boolean => {
  const visits = presence(self, identity)?.visits
  if (place === "server" || visits === undefined) return visits !== undefined
  for (const clientId of visits) {
    const subscriptions = visit(self, clientId)?.subscriptions
    if (subscriptions !== undefined && place.some((pattern) => HashSet.has(subscriptions, pattern))) return true
  }
  return false
}

const visitsTo = (self: PresenceState, place: Place): Iterable<ClientId> => {
  if (place === "server") return HashMap.keys(self.visits)
  return new Set(place.flatMap((pattern) => [...Option.getOrElse(HashMap.get(self.subscriptions, pattern), () => [])]))
}

/** Lists the members that are there, by their identities. */
export const members = (self: PresenceState, place: Place): ReadonlyMap<string, Member> => {
  const found = new Map<string, Member>()
  for (const clientId of visitsTo(self, place)) {
    const { end, identity = "" } = visit(self, clientId) ?? {}
    const { sessions, since } = found.get(identity) ?? { sessions: 0, since: presence(self, identity)?.since ?? 0 }
    found.set(identity, { identity, since, sessions: end === undefined ? sessions + 1 : sessions })
  }
  return found
}

/**
 * Time at which a session lingers no more, if nothing happens before: a {@link TimePassed} is needed then. `Infinity`
 * if none lingers.
 */
export const nextLapse = (self: PresenceState): number => DeadlineTree.next(self.lapses)

// ---------------------------------------------------------------------------------------------------------------------
// who comes and goes

/** A member has come. */
export interface Join {
  readonly _tag: "Join"
  readonly identity: string
  readonly at: number
}

/**
 * A member has left: at the end of the grace period behind the end of the last session, or when the last one has
 * unsubscribed. The cause is that of its end; it is missing where that was missed.
 */
export interface Leave {
  readonly _tag: "Leave"
  readonly identity: string
  readonly at: number
  readonly cause: Cause | undefined
}

/** Finds what a step changes at a place. */
export const change = (
  before: PresenceState,
  { at, cause, identity, state }: Step,
  place: Place
): Join | Leave | undefined => {
  const was = isIn(before, identity, place)
  if (was === isIn(state, identity, place)) return undefined
  return was ? { _tag: "Leave", identity, at, cause } : { _tag: "Join", identity, at }
}

/**
 * Lists the members that have left and come between two states, for a consumer that has missed the steps in between.
 */
export const difference = (
  before: PresenceState,
  after: PresenceState,
  place: Place,
  at: number
): ReadonlyArray<Join | Leave> => {
  const [then, now] = [members(before, place), members(after, place)]
  const gone = [...then.keys()].filter((identity) => !now.has(identity))
  const come = [...now.keys()].filter((identity) => !then.has(identity))
  return [
    ...gone.map((identity): Leave => ({ _tag: "Leave", identity, at, cause: undefined })),
    ...come.map((identity): Join => ({ _tag: "Join", identity, at }))
  ]
}

// ---------------------------------------------------------------------------------------------------------------------
// steps

type Steps = Generator<Step, PresenceState>

/** Applies an input, one session after the other; the state of the last step is the next state. */
export const steps = function*(before: PresenceState, input: PresenceInput): Steps {
  if (input._tag === "PresenceSnapshot") return yield* read(before, input)
  const state = yield* lapse(before, input.at)
  const step = input._tag === "TimePassed" ? undefined : happen(state, input)
  return step === undefined ? state : yield* take(step)
}

const take = function*(step: Step): Steps {
  yield step
  return step.state
}

/** Ends the sessions whose grace period is over at that time. */
const lapse = function*(before: PresenceState, time: number): Steps {
  let state = before
  for (;;) {
    const clientId = DeadlineTree.due(state.lapses, time)
    const due = clientId === undefined ? undefined : visit(state, clientId)
    if (clientId === undefined || due?.end === undefined) return state
    const { end: { at, cause }, identity } = due
    state = yield* take({ state: remove(state, clientId, due), identity, at: at + state.gracePeriod, cause })
  }
}

/**
 * Applies a snapshot: sessions that have come go before those that have gone, each at its time as far as that is known.
 */
const read = function*(before: PresenceState, { at, sessions }: PresenceSnapshot): Steps {
  const arrived = yield* readArrivals(before, sessions)
  const state = yield* lapse(arrived, at)
  const missed = { at, cause: undefined }
  const known = HashMap.toEntries(before.visits).filter(([, visit]) => isThere(visit))
  const added = yield* each(
    state,
    known,
    (state, [clientId]) => resubscribe(state, clientId, sessions.get(clientId)?.subscriptions ?? [], true, missed)
  )
  const removed = yield* each(added, known, (state, [clientId, { subscriptions }]) => {
    const wanted = new Set(sessions.get(clientId)?.subscriptions ?? subscriptions)
    const gone = HashSet.filter(subscriptions, (pattern) => !wanted.has(pattern))
    return resubscribe(state, clientId, gone, false, missed)
  })
  return yield* each(removed, known, (state, [clientId]) => {
    const now = sessions.get(clientId)
    return now !== undefined && now.end === undefined ? undefined : end(state, clientId, now?.end ?? missed)
  })
}

const readArrivals = function*(before: PresenceState, sessions: PresenceSnapshot["sessions"]): Steps {
  let state = before
  const isNews = ([clientId, { end }]: readonly [ClientId, IdentifiedSession]) => {
    const known = visit(before, clientId)
    return known === undefined || (end === undefined && known.end !== undefined)
  }
  for (const [clientId, identifiedSession] of [...sessions].filter(isNews).sort(([, a], [, b]) => a.since - b.since)) {
    state = yield* lapse(state, identifiedSession.since)
    state = yield* take(arrive(state, clientId, identifiedSession))
  }
  return state
}

const each = function*<A>(
  before: PresenceState,
  all: ReadonlyArray<A>,
  change: (state: PresenceState, a: A) => Step | undefined
): Steps {
  let state = before
  for (const a of all) {
    const step = change(state, a)
    if (step !== undefined) state = yield* take(step)
  }
  return state
}

/**
 * Applies an event. An unsubscribe that comes with the end of its session does not count: the session lingers with its
 * subscriptions.
 */
const happen = (self: PresenceState, event: Event & { readonly at: number }): Step | undefined => {
  switch (event._tag) {
    case "Publish":
      return undefined
    case "Handshake": {
      const { at: since, clientId, identity } = event
      if (identity === undefined || visit(self, clientId) !== undefined) return undefined
      return arrive(self, clientId, { identity, since, subscriptions: [] })
    }
    case "Subscribe":
      return resubscribe(self, event.clientId, [event.channel], true, { at: event.at, cause: undefined })
    case "Unsubscribe":
      return event.withSession ? undefined : resubscribe(self, event.clientId, [event.channel], false, event)
    case "Disconnect":
      return end(self, event.clientId, event)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// what changes one session

type When = Pick<Step, "at" | "cause">

const isThere = (self: Visit | undefined): self is Visit => self !== undefined && self.end === undefined

const index = (
  self: Subscriptions.Subscriptions,
  patterns: Iterable<Channel.Pattern>,
  clientId: ClientId,
  by: typeof Subscriptions.add
): Subscriptions.Subscriptions => Array.from(patterns).reduce((all, pattern) => by(all, pattern, clientId), self)

/**
 * Takes a session in. One that lingers may turn out to be there: a store that has gone back knows nothing of its end.
 */
const arrive = (
  self: PresenceState,
  clientId: ClientId,
  { end, identity, since, subscriptions }: IdentifiedSession
): Step => {
  const known = presence(self, identity)
  const member = { since: known?.since ?? since, visits: HashSet.add(known?.visits ?? HashSet.empty(), clientId) }
  const former = visit(self, clientId)
  const state = former === undefined ? self : remove(self, clientId, former)
  const patterns = HashSet.fromIterable(subscriptions)
  return {
    identity,
    at: since,
    cause: undefined,
    state: {
      ...state,
      visits: HashMap.set(state.visits, clientId, { identity, subscriptions: patterns, end }),
      members: HashMap.set(state.members, identity, member),
      subscriptions: index(state.subscriptions, patterns, clientId, Subscriptions.add),
      lapses: end === undefined ? state.lapses : DeadlineTree.add(state.lapses, end.at + self.gracePeriod, clientId)
    }
  }
}

const resubscribe = (
  self: PresenceState,
  clientId: ClientId,
  patterns: Iterable<Channel.Pattern>,
  isWanted: boolean,
  { at, cause }: When
): Step | undefined => {
  const own = visit(self, clientId)
  if (!isThere(own)) return undefined
  const changed = Array.from(patterns).filter((pattern) => HashSet.has(own.subscriptions, pattern) !== isWanted)
  if (changed.length === 0) return undefined
  const [by, indexBy] = isWanted ? [HashSet.add, Subscriptions.add] : [HashSet.remove, Subscriptions.remove]
  const subscriptions = changed.reduce((all, pattern) => by(all, pattern), own.subscriptions)
  const state = {
    ...self,
    visits: HashMap.set(self.visits, clientId, { ...own, subscriptions }),
    subscriptions: index(self.subscriptions, changed, clientId, indexBy)
  }
  return { state, identity: own.identity, at, cause }
}

/** Lets a session linger. The cause of an end that was missed may become known later. */
const end = (self: PresenceState, clientId: ClientId, { at, cause }: When): Step | undefined => {
  const own = visit(self, clientId)
  if (own === undefined || (own.end !== undefined && own.end.cause !== undefined)) return undefined
  const visits = HashMap.set(self.visits, clientId, { ...own, end: { at: own.end?.at ?? at, cause } })
  const lapses = isThere(own) ? DeadlineTree.add(self.lapses, at + self.gracePeriod, clientId) : self.lapses
  return { state: { ...self, visits, lapses }, identity: own.identity, at, cause }
}

const remove = (self: PresenceState, clientId: ClientId, { end, identity, subscriptions }: Visit): PresenceState => {
  const { since = 0, visits = HashSet.empty() } = presence(self, identity) ?? {}
  const others = HashSet.remove(visits, clientId)
  return {
    ...self,
    visits: HashMap.remove(self.visits, clientId),
    members: HashSet.isEmpty(others)
      ? HashMap.remove(self.members, identity)
      : HashMap.set(self.members, identity, { since, visits: others }),
    subscriptions: index(self.subscriptions, subscriptions, clientId, Subscriptions.remove),
    lapses: end === undefined ? self.lapses : DeadlineTree.remove(self.lapses, end.at + self.gracePeriod, clientId)
  }
}
