/**
 * Who is there, as `Monitor.watch` tells it: the sessions with the names under which they are shown, and how many of them
 * have subscribed to each pattern.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { Pattern } from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import * as Snapshot from "../core/folds/Snapshot.ts"
import type { MonitorEvent } from "../core/MonitorEvent.ts"
import * as Pseudonym from "../monitor/Pseudonym.ts"

/** The sessions of the process. */
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

  /** How many sessions there are. */
  get size(): number {
    return this.#names.size
  }

  /** How many subscriptions all of them have. */
  get subscriptions(): number {
    return this.#subscriptions
  }

  /** Each pattern with a subscriber, with how many have subscribed to exactly it. */
  get subscribers(): ReadonlyMap<string, number> {
    return this.#subscribers
  }

  get clientIds(): Iterable<ClientId> {
    return this.#names.keys()
  }

  /** The name under which a client id is shown, whether its session is here or not. */
  readonly nameOf = (clientId: string): Pseudonym.Name =>
    this.#names.get(clientId as ClientId) ?? Pseudonym.name(clientId, this.#key)

  /** The session of that name, if it is here. */
  clientIdOf(name: Pseudonym.Name): ClientId | undefined {
    return this.#clientIds.get(name)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // changes

  /** Everything is as the snapshot says. */
  begin(snapshot: Snapshot.Snapshot): void {
    const { sessions } = snapshot
    const names = new Map(Array.from(HashMap.keys(sessions), (clientId) => [clientId, this.nameOf(clientId)]))
    this.#names = names
    this.#clientIds = new Map(Array.from(names, ([clientId, name]) => [name, clientId]))
    this.#subscribers = new Map()
    this.#subscriptions = 0
    this.#snapshot = snapshot
    for (const { subscriptions } of HashMap.values(sessions)) this.#count(subscriptions, 1)
  }

  /** An event has happened. What it says of sessions that are with other processes changes nothing here. */
  tell(event: MonitorEvent): void {
    if (event._tag === "Publish") return
    const { clientId } = event
    const isHere = this.#names.has(clientId)
    const before = this.#subscriptionsOf(clientId)
    this.#snapshot = Snapshot.fold(this.#snapshot, event)
    switch (event._tag) {
      case "Handshake":
        return this.#enter(clientId)
      case "Subscribe":
        return isHere ? this.#count([event.channel], 1) : undefined
      case "Unsubscribe":
        return isHere ? this.#count([event.channel], -1) : undefined
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
