/**
 * State of this process as of the log: its changes under way, the sessions that it owns, and the position up to which it has
 * read.
 *
 * `read` makes outcomes of entries. Nothing here reads or writes Redis: that is left to `Member`.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as BayeuxError from "../../core/BayeuxError.ts"
import type { Adopt, Change, EndSession, Outcome, Yield } from "../../core/Change.ts"
import type { ClientId } from "../../core/ClientId.ts"
import * as Message from "../../core/Message.ts"
import * as State from "../../core/State.ts"
import type { Listener } from "../Engine.ts"
import * as CommitArguments from "./CommitArguments.ts"
import * as EntryOutcome from "./EntryOutcome.ts"
import * as LogEntry from "./LogEntry.ts"
import { Outbox, type Pending } from "./Outbox.ts"
import * as QueueReplay from "./QueueReplay.ts"
import { SessionPositions } from "./SessionPositions.ts"
import { defaultBounds, Window } from "./Window.ts"

/** A session that this process owns from now on: its queue has to be made before the service gets it. */
export interface Arrival {
  readonly _tag: "Arrival"
  readonly adoption: LogEntry.Adoption
}

/** State of one process. Times are milliseconds since the epoch, by a clock that does not go back. */
export class LogState {
  /** Name of the process in the store. */
  readonly name: string
  readonly outbox: Outbox
  /** The newest entries. */
  readonly window = new Window(defaultBounds)
  readonly positions: SessionPositions
  readonly #state: Listener["state"]
  /** Sessions that this process owns, each with its generation: how often it has changed its owner. */
  readonly #owned = new Map<ClientId, string>()
  /** Sessions that are being given away, each with the position up to which it has had everything. */
  readonly #leaving = new Map<ClientId, number>()
  /** Adoptions under way: entries about these sessions that come before the answer are older than the question. */
  readonly #asking = new Map<ClientId, Change>()
  /** Adoptions for which the owner was asked, and since when. */
  readonly #wanted = new Map<ClientId, { readonly change: Adopt; readonly since: number }>()
  /** Position up to which the log was read. */
  tail = 0
  /** Time until which no other process takes this one for dead. */
  leasedUntil = -Infinity

  constructor(name: string, maxQueued: number, { state, unconfirmed }: Pick<Listener, "unconfirmed" | "state">) {
    this.name = name
    this.outbox = new Outbox(maxQueued)
    this.#state = state
    this.positions = new SessionPositions({ state, unconfirmed, owned: this.#owned, leaving: this.#leaving })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // changes

  /** Takes a change; returns the refusal if it cannot be taken. No session times out while its owner is not certain. */
  commit(change: Change, now: number): Outcome | undefined {
    if (change._tag === "EndSession" && change.cause._tag === "Timeout" && now > this.leasedUntil) {
      return refusal(change)
    }
    const generation = isOfOwner(change) ? this.#owned.get(change.clientId) : undefined
    if (!this.outbox.add(change, now, generation)) return refusal(change)
    if (change._tag === "Adopt") this.#asking.set(change.clientId, change)
    if (change._tag === "Yield") this.#leaving.set(change.clientId, hadUpTo(change))
    return undefined
  }

  /** Refuses the changes that have waited since before a time. */
  expire(before: number): ReadonlyArray<Outcome> {
    const late = this.outbox.expire(before)
    for (const change of late) if (change._tag === "Adopt") this.#asking.delete(change.clientId)
    return late.map(refusal)
  }

  /** Takes the sessions whose owner has not answered for a lease. */
  insist(now: number, lease: number): void {
    for (const [clientId, { change, since }] of this.#wanted) {
      if (now - since < lease) continue
      this.#wanted.delete(clientId)
      this.#ask(change, now, true)
    }
  }

  /** Adopts a session that this process owns in the store, but does not have. */
  reclaim(clientId: ClientId, now: number): void {
    this.#ask({ _tag: "Adopt", clientId, acknowledged: undefined, origin: undefined }, now, true)
  }

  /** Continues a session with the generation that the store has. */
  keep(clientId: ClientId, generation: string): void {
    this.#owned.set(clientId, generation)
  }

  /** Gives up a session that another process owns in the store. */
  release(clientId: ClientId): Outcome {
    this.#forget(clientId)
    return { _tag: "SessionTaken", clientId }
  }

  #ask(change: Adopt, now: number, isForced: boolean): void {
    if (this.outbox.add(change, now, "", isForced)) this.#asking.set(change.clientId, change)
  }

  /** Returns the next batch of changes as arguments of `Scripts.commit`. */
  batch(): ReadonlyArray<string> {
    return this.outbox.take(CommitArguments.of)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // entries

  /** Takes the next entry of the log. Returns its outcome for the service, if any. */
  read(entry: LogEntry.LogEntry, now: number): Outcome | Arrival | undefined {
    this.tail = entry.position
    this.window.push(entry)
    const isOwn = entry.node === this.name
    const pending = isOwn ? this.outbox.settle(entry.number) : undefined
    if (pending?.change._tag === "Adopt") this.#asked(pending.change)
    switch (entry.kind) {
      case "P":
        return EntryOutcome.published(entry, isOwn, pending?.change)
      case "D":
        return pending?.change._tag === "Publish" ? { _tag: "Repeated", change: pending.change } : undefined
      case "C":
        return pending && this.#created(pending.change)
      case "S":
      case "U":
        return isOwn || this.#owned.has(LogEntry.clientId(entry))
          ? EntryOutcome.resubscribed(entry, isOwn, pending?.change)
          : undefined
      case "E":
        return this.#ended(entry, isOwn, pending?.change)
      case "G":
        return this.#givenBack(entry)
      case "W":
        return this.#wantedFrom(entry, pending, now)
      case "A":
        return this.#adopted(LogEntry.adoption(entry))
      case "O":
        return pending?.change._tag === "Adopt" ? this.#isHere(pending.change, now) : undefined
      case "R":
        return pending && this.#refused(LogEntry.reason(entry), pending.change)
      case "J":
        return undefined
    }
  }

  #created(change: Change): Outcome | undefined {
    if (change._tag !== "CreateSession") return undefined
    this.#owned.set(change.clientId, "1")
    return { _tag: "SessionCreated", change }
  }

  #ended(entry: LogEntry.LogEntry, isOwn: boolean, own: Change | undefined): Outcome {
    const clientId = LogEntry.clientId(entry)
    this.#forget(clientId)
    return EntryOutcome.ended(entry, isOwn, own)
  }

  #forget(clientId: ClientId): void {
    this.#owned.delete(clientId)
    this.positions.forget(clientId)
    this.#leaving.delete(clientId)
    this.#wanted.delete(clientId)
  }

  #givenBack(entry: LogEntry.LogEntry): Outcome | undefined {
    const clientId = LogEntry.clientId(entry)
    return this.#owned.has(clientId)
      ? { _tag: "GivenBack", clientId, messages: LogEntry.returned(entry), isAnswer: LogEntry.isAnswer(entry) }
      : undefined
  }

  #wantedFrom(entry: LogEntry.LogEntry, pending: Pending | undefined, now: number): Outcome | undefined {
    const clientId = LogEntry.clientId(entry)
    if (LogEntry.owner(entry) === this.name && this.#owned.has(clientId)) {
      return { _tag: "SessionWanted", clientId, position: entry.position }
    }
    if (pending?.change._tag !== "Adopt") return this.#takenBy(clientId)
    this.#wanted.set(clientId, { change: pending.change, since: now })
    return undefined
  }

  #adopted(adoption: LogEntry.Adoption): Outcome | Arrival | undefined {
    const { clientId, generation, owner } = adoption
    if (owner === this.name) {
      this.#owned.set(clientId, generation)
      this.positions.adopt(clientId, QueueReplay.from(adoption))
      this.#leaving.delete(clientId)
      this.#wanted.delete(clientId)
      return { _tag: "Arrival", adoption }
    }
    return this.#takenBy(clientId)
  }

  /**
   * Another process has the session, or is about to get it: the last one that asks gets it. Connects that wait here for a
   * question younger than this entry go on waiting.
   */
  #takenBy(clientId: ClientId): Outcome | undefined {
    const isOwned = this.#owned.has(clientId)
    const isSuperseded = this.#wanted.has(clientId) && !this.#asking.has(clientId)
    this.#forget(clientId)
    if (isSuperseded) return { _tag: "AdoptionSuperseded", clientId }
    return isOwned ? { _tag: "SessionTaken", clientId } : undefined
  }

  #asked(change: Adopt): void {
    if (this.#asking.get(change.clientId) === change) this.#asking.delete(change.clientId)
  }

  /**
   * The store says that this process owns the session. If the service does not have it, it is being given away, and is
   * asked for after that; or it was lost, and is made anew.
   */
  #isHere(change: Adopt, now: number): Outcome | undefined {
    const { clientId } = change
    if (State.session(this.#state(), clientId) !== undefined) return { _tag: "SessionHere", clientId }
    this.#ask(change, now, !this.#owned.has(clientId))
    return undefined
  }

  #refused(reason: LogEntry.Reason, change: Change): Outcome {
    if (change._tag === "Adopt") this.#wanted.delete(change.clientId)
    return { _tag: "Refused", change, error: this.#errorOf(reason, change) }
  }

  #errorOf(reason: LogEntry.Reason, change: Change): BayeuxError.BayeuxError {
    if (reason === "limit") return BayeuxError.tooManySubscriptions(this.#state().settings.maxSubscriptions)
    const forbidden = reason === "forbidden" && "forbidden" in change ? change.forbidden : undefined
    return forbidden ?? BayeuxError.clientUnknown(change.clientId ?? "")
  }

  // -------------------------------------------------------------------------------------------------------------------
  // progress

  /** Waits until the log was read up to a position. */
  readonly reached = (position: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.tail >= position) return Effect.void
      const latch = Latch.makeUnsafe(false)
      this.#watchers.push({ position, latch })
      return latch.await
    })

  #watchers: Array<{ readonly position: number; readonly latch: Latch.Latch }> = []

  /** Wakes those that wait for a position, once the service knows the entries that were read. */
  settled(): void {
    if (this.#watchers.length === 0) return
    for (const { latch, position } of this.#watchers) if (position <= this.tail) latch.openUnsafe()
    this.#watchers = this.#watchers.filter(({ position }) => position > this.tail)
  }
}

/** Whether only the owner of a session may make the change: the store refuses it from another process. */
const isOfOwner = (change: Change): change is Yield | EndSession =>
  change._tag === "Yield" ||
  (change._tag === "EndSession" && (change.cause._tag === "Timeout" || change.cause._tag === "QueueOverflow"))

/** Position up to which a session that is given away has had everything. */
const hadUpTo = ({ position, queued }: Yield): number => Math.min(position, (queued[0] ?? Infinity) - 1)

/** Refuses a change that cannot be sent now. */
const refusal = (change: Change): Outcome => {
  const channel = change.origin === undefined ? undefined : Message.channelOf(change.origin.request)
  return { _tag: "Refused", change, error: BayeuxError.unavailable(channel ?? "") }
}
