/**
 * Index of the sessions of this process, built from `Monitor.watch`: their pseudonyms, and the number of subscribers of
 * each pattern.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { Pattern } from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import * as Snapshot from "../core/folds/Snapshot.ts"
import type { MonitorEvent } from "../core/MonitorEvent.ts"
import * as Pseudonym from "../monitor/Pseudonym.ts"

/** The index. */
export class SessionIndex {
  readonly #key: Redacted.Redacted
  #names = new Map<ClientId, Pseudonym.Name>()
  #clientIds = new Map<Pseudonym.Name, ClientId>()
  #subscribers = new Map<string, number>()
  #subscriptions = 0
  #snapshot = Snapshot.empty

  constructor(key: Redacted.Redacted) {
    this.#key = key
  }

  // -------------------------------------------------------------------------------------------------------------------
  // questions

  /** Number of sessions. */
  get size(): number {
    return this.#names.size
  }

  /** Number of their subscriptions. */
  get subscriptions(): number {
    return this.#subscriptions
  }

  /** Number of sessions that have subscribed to exactly this pattern, by pattern. */
  get subscribers(): ReadonlyMap<string, number> {
    return this.#subscribers
  }

  get clientIds(): Iterable<ClientId> {
    return this.#names.keys()
  }

  /** Returns the pseudonym of a client id, whether its session is in this process or not. */
  readonly nameOf = (clientId: string): Pseudonym.Name =>
    this.#names.get(clientId as ClientId) ?? Pseudonym.name(clientId, this.#key)

  /** Returns the session with that pseudonym; undefined if it is not in this process. */
  clientIdOf(name: Pseudonym.Name): ClientId | undefined {
    return this.#clientIds.get(name)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // changes

  /** Replaces all sessions by those of a snapshot. */
  reset(snapshot: Snapshot.Snapshot): void {
    const { sessions } = snapshot
    const names = new Map(Array.from(HashMap.keys(sessions), (clientId) => [clientId, this.nameOf(clientId)]))
    this.#names = names
    this.#clientIds = new Map(Array.from(names, ([clientId, name]) => [name, clientId]))
    this.#subscribers = new Map()
    this.#subscriptions = 0
    this.#snapshot = snapshot
    for (const { subscriptions } of HashMap.values(sessions)) this.#count(subscriptions, 1)
  }

  /** Applies an event. Subscriptions of sessions that are in other processes are not counted. */
  apply(event: MonitorEvent): void {
    if (event._tag === "Publish") return
    const { clientId } = event
    const isLocal = this.#names.has(clientId)
    const before = this.#subscriptionsOf(clientId)
    this.#snapshot = Snapshot.fold(this.#snapshot, event)
    switch (event._tag) {
      case "Handshake":
        return this.#enter(clientId)
      case "Subscribe":
        return isLocal ? this.#count([event.channel], 1) : undefined
      case "Unsubscribe":
        return isLocal ? this.#count([event.channel], -1) : undefined
      case "Arrive":
        this.#enter(clientId)
        this.#count(before, -1)
        return this.#count(event.subscriptions, 1)
      case "Disconnect":
      case "Depart":
        this.#count(before, -1)
        return this.#leave(clientId)
    }
  }

  #subscriptionsOf(clientId: ClientId): Iterable<Pattern> {
    const session = HashMap.get(this.#snapshot.sessions, clientId)
    return Option.isSome(session) ? session.value.subscriptions : []
  }

  #enter(clientId: ClientId): void {
    const name = Pseudonym.name(clientId, this.#key)
    this.#names.set(clientId, name)
    this.#clientIds.set(name, clientId)
  }

  #leave(clientId: ClientId): void {
    this.#clientIds.delete(this.nameOf(clientId))
    this.#names.delete(clientId)
  }

  #count(patterns: Iterable<string>, change: 1 | -1): void {
    for (const pattern of patterns) {
      const after = (this.#subscribers.get(pattern) ?? 0) + change
      this.#subscriptions += change
      if (after === 0) this.#subscribers.delete(pattern)
      else this.#subscribers.set(pattern, after)
    }
  }
}
