/**
 * This process among those that share the store: the orders that it has under way, the sessions that it owns, and how
 * far it has read the log. Each entry of the log becomes what the service is to know of it.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as BayeuxError from "../../core/BayeuxError.ts"
import type {
  Adopt,
  Change,
  EndSession,
  Outcome,
  PublishChange,
  Subscribe,
  Unsubscribe,
  Yield
} from "../../core/Change.ts"
import type { ClientId } from "../../core/ClientId.ts"
import * as Message from "../../core/Message.ts"
import * as Retries from "../../core/Retries.ts"
import * as State from "../../core/State.ts"
import type { Listener } from "../Engine.ts"
import * as Idempotency from "../Idempotency.ts"
import * as LogEntry from "./LogEntry.ts"
import { Outbox, type Pending } from "./Outbox.ts"
import * as QueueReplay from "./QueueReplay.ts"
import { defaultBounds, Window } from "./Window.ts"

/** A session whose new owner this process is: its queue has to be made before the service gets it. */
export interface Arrival {
  readonly _tag: "Arrival"
  readonly adoption: LogEntry.Adoption
}

/** This process. Times are milliseconds since the epoch, by a clock that does not go back. */
export class Node {
  readonly name: string
  readonly outbox: Outbox
  readonly window = new Window(defaultBounds)
  readonly #state: () => State.State
  readonly #unconfirmed: Listener["unconfirmed"]
  /** The sessions that it owns, each with its generation: how often it has changed its owner. */
  readonly #owned = new Map<ClientId, string>()
  /** The positions that are in store because they lie before this process's mark. */
  readonly #stored = new Map<ClientId, number>()
  /** Up to where sessions had had everything at the last beat, if there was more. */
  #before = new Map<ClientId, number>()
  /** Sessions that are being given away, with the positions up to which they have had everything. */
  readonly #leaving = new Map<ClientId, number>()
  /** Sessions that this process is about to ask for: what the log tells of them by then is older than that. */
  readonly #asking = new Map<ClientId, Change>()
  /** Sessions that their owners have been asked for, and since when. */
  readonly #wanted = new Map<ClientId, { readonly change: Adopt; readonly since: number }>()
  /** It has read the log up to here. */
  tail = 0
  /** Until then nobody takes it for dead. */
  leasedUntil = -Infinity

  constructor(name: string, maxQueued: number, { unconfirmed, state }: Pick<Listener, "unconfirmed" | "state">) {
    this.name = name
    this.outbox = new Outbox(maxQueued)
    this.#state = state
    this.#unconfirmed = unconfirmed
  }

  // -------------------------------------------------------------------------------------------------------------------
  // orders

  /** Takes an order, or refuses it at once. Nobody's time is up while it is not certain who owns whom. */
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

  /** Orders that have waited since before a time are refused. */
  expire(before: number): ReadonlyArray<Outcome> {
    const late = this.outbox.expire(before)
    for (const change of late) if (change._tag === "Adopt") this.#asking.delete(change.clientId)
    return late.map(refusal)
  }

  /** An owner that has not answered for a lease is not waited for any longer. */
  insist(now: number, lease: number): void {
    for (const [clientId, { change, since }] of this.#wanted) {
      if (now - since < lease) continue
      this.#wanted.delete(clientId)
      this.#ask(change, now, true)
    }
  }

  /** Takes a session anew that the store has here and this process has not. */
  reclaim(clientId: ClientId, now: number): void {
    this.#ask({ _tag: "Adopt", clientId, acknowledged: undefined, origin: undefined }, now, true)
  }

  /** Goes on with a session, of which the store may have another generation now. */
  keep(clientId: ClientId, generation: string): void {
    this.#owned.set(clientId, generation)
  }

  /** Lets go of a session that the store has at another process. */
  release(clientId: ClientId): Outcome {
    this.#forget(clientId)
    return { _tag: "SessionTaken", clientId }
  }

  #ask(change: Adopt, now: number, isForced: boolean): void {
    if (this.outbox.add(change, now, "", isForced)) this.#asking.set(change.clientId, change)
  }

  /** The next batch of orders, as the script takes it. */
  batch(): ReadonlyArray<string> {
    return this.outbox.take(write)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // the log

  /** Takes the next entry of the log; gives what the service has to know, if anything. */
  read(entry: LogEntry.LogEntry, now: number): Outcome | Arrival | undefined {
    this.tail = entry.position
    this.window.push(entry)
    const isOwn = entry.node === this.name
    const pending = isOwn ? this.outbox.settle(entry.number) : undefined
    if (pending?.change._tag === "Adopt") this.#asked(pending.change)
    switch (entry.kind) {
      case "P":
        return published(entry, isOwn, pending?.change)
      case "D":
        return pending?.change._tag === "Publish" ? { _tag: "Repeated", change: pending.change } : undefined
      case "C":
        return pending && this.#created(pending.change)
      case "S":
      case "U":
        return isOwn || this.#owned.has(LogEntry.clientId(entry)) ? changed(entry, isOwn, pending?.change) : undefined
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
        return pending && this.#refused(entry.rest, pending.change)
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
    const { cause, patterns } = LogEntry.end(entry)
    this.#forget(clientId)
    const change: EndSession = own?._tag === "EndSession"
      ? own
      : { _tag: "EndSession", clientId, cause, origin: undefined }
    return { _tag: "SessionEnded", change, patterns, isOwn }
  }

  #forget(clientId: ClientId): void {
    this.#owned.delete(clientId)
    this.#stored.delete(clientId)
    this.#before.delete(clientId)
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
      this.#stored.set(clientId, QueueReplay.from(adoption))
      this.#before.set(clientId, QueueReplay.from(adoption))
      this.#leaving.delete(clientId)
      this.#wanted.delete(clientId)
      return { _tag: "Arrival", adoption }
    }
    return this.#takenBy(clientId)
  }

  /**
   * Another process has the session, or is to have it: who asks last gets it. What waits here for a question that is
   * younger than this entry goes on waiting.
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
   * The store says that the session is here. If it is not, it is just being given away, and is asked for after that; or
   * it has got lost, and is made anew.
   */
  #isHere(change: Adopt, now: number): Outcome | undefined {
    const { clientId } = change
    if (State.session(this.#state(), clientId) !== undefined) return { _tag: "SessionHere", clientId }
    this.#ask(change, now, !this.#owned.has(clientId))
    return undefined
  }

  #refused(code: string, change: Change): Outcome {
    if (change._tag === "Adopt") this.#wanted.delete(change.clientId)
    return { _tag: "Refused", change, error: this.#errorOf(code, change) }
  }

  #errorOf(code: string, change: Change): BayeuxError.BayeuxError {
    if (code === "limit") return BayeuxError.tooManySubscriptions(this.#state().settings.maxSubscriptions)
    const forbidden = code === "forbidden" && "forbidden" in change ? change.forbidden : undefined
    return forbidden ?? BayeuxError.clientUnknown(change.clientId ?? "")
  }

  // -------------------------------------------------------------------------------------------------------------------
  // positions

  /** It is not certain what the store has: the next time all are told. */
  forgetStored(): void {
    for (const clientId of this.#owned.keys()) this.#stored.set(clientId, Number.NaN)
  }

  /**
   * The positions that have to be kept, and those that need not be kept any more, as `keepPositions` of the scripts takes
   * them: of sessions that have not had everything that lies before the mark, now or at the last beat. What has left since
   * may still be on its way out of this process, unless it ends in good order (`isLast`).
   */
  positions(mark: number, isLast = false): ReadonlyArray<string> {
    const now = this.#positionsNow()
    const words: Array<string> = []
    for (const clientId of new Set([...now.keys(), ...this.#before.keys(), ...this.#stored.keys()])) {
      const before = isLast ? Infinity : this.#before.get(clientId) ?? Infinity
      const position = Math.min(now.get(clientId) ?? Infinity, before)
      const kept = position < mark ? position : undefined
      const generation = this.#owned.get(clientId)
      if (generation === undefined || this.#stored.get(clientId) === kept) continue
      if (kept === undefined) this.#stored.delete(clientId)
      else this.#stored.set(clientId, kept)
      words.push(clientId, generation, kept === undefined ? "" : `${kept}`)
    }
    this.#before = now
    return words
  }

  /**
   * Up to where each session has had everything for sure, if there is more. What one acknowledges is in its queue for as
   * long as it is in doubt.
   */
  #positionsNow(): Map<ClientId, number> {
    const now = new Map(this.#leaving)
    const state = this.#state()
    const hasUpTo = (clientId: ClientId, position: number): void => {
      if (position < (now.get(clientId) ?? Infinity)) now.set(clientId, position)
    }
    for (const [clientId, first] of State.waiting(state)) hasUpTo(clientId, first - 1)
    for (const [clientId, first] of this.#unconfirmed()) {
      const acknowledges = State.session(state, clientId)?.acknowledges === true
      if (!acknowledges && this.#owned.has(clientId)) hasUpTo(clientId, first - 1)
    }
    for (const [clientId, position] of this.#before) if (this.#isArriving(clientId)) hasUpTo(clientId, position)
    return now
  }

  /** Whether the service does not have it yet. */
  #isArriving(clientId: ClientId): boolean {
    const isHere = State.session(this.#state(), clientId) !== undefined
    return this.#owned.has(clientId) && !isHere && !this.#leaving.has(clientId)
  }

  /** Done when it has read the log up to a position. */
  readonly reached = (position: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.tail >= position) return Effect.void
      const latch = Latch.makeUnsafe(false)
      this.#watchers.push({ position, latch })
      return latch.await
    })

  #watchers: Array<{ readonly position: number; readonly latch: Latch.Latch }> = []

  /** Some entries have been read, and told. */
  settled(): void {
    if (this.#watchers.length === 0) return
    for (const { latch, position } of this.#watchers) if (position <= this.tail) latch.openUnsafe()
    this.#watchers = this.#watchers.filter(({ position }) => position > this.tail)
  }
}

/** Whether only the owner of a session may order this: if it is not the owner any more, it is not to be done. */
const isOfOwner = (change: Change): change is Yield | EndSession =>
  change._tag === "Yield" ||
  (change._tag === "EndSession" && (change.cause._tag === "Timeout" || change.cause._tag === "QueueOverflow"))

const hadUpTo = ({ position, queued }: Yield): number => Math.min(position, (queued[0] ?? Infinity) - 1)

/** The order cannot be handed on now. */
const refusal = (change: Change): Outcome => {
  const channel = change.origin === undefined ? undefined : Message.channelOf(change.origin.request)
  return { _tag: "Refused", change, error: BayeuxError.unavailable(channel ?? "") }
}

const published = (entry: LogEntry.LogEntry, isOwn: boolean, own: Change | undefined): Outcome => {
  const change = own?._tag === "Publish" ? own : publishChange(entry)
  return { _tag: "Published", change, position: entry.position, isOwn, json: LogEntry.json(entry) }
}

const publishChange = (entry: LogEntry.LogEntry): PublishChange => {
  const { channel, data, ext, id } = LogEntry.message(entry)
  return {
    _tag: "Publish",
    clientId: LogEntry.publisher(entry),
    isKnown: true,
    channel,
    data,
    id,
    arrivedAt: undefined,
    traceparent: ext?.traceparent,
    once: undefined,
    origin: undefined
  }
}

const changed = (entry: LogEntry.LogEntry, isOwn: boolean, own: Change | undefined): Outcome => {
  const clientId = LogEntry.clientId(entry)
  const rest = { clientId, forbidden: undefined, origin: undefined }
  if (entry.kind === "S") {
    const patterns = LogEntry.added(entry)
    const change: Subscribe = own?._tag === "Subscribe" ? own : { _tag: "Subscribe", patterns, ...rest }
    return { _tag: "Subscribed", change, patterns, isOwn }
  }
  const patterns = LogEntry.removed(entry).map(({ pattern }) => pattern)
  const change: Unsubscribe = own?._tag === "Unsubscribe" ? own : { _tag: "Unsubscribe", patterns, ...rest }
  return { _tag: "Unsubscribed", change, patterns, isOwn }
}

/** An order as the script takes it: number, kind, session, two more words, generation. */
const write = ({ generation, isForced, number, change, since }: Pending): ReadonlyArray<string> => {
  const [kind, ...words] = wordsOf(change, isForced, since)
  return [`${number}`, kind, change.clientId ?? "-", ...words, generation]
}

const leftOf = ({ againUpTo, hadStream, queued, retries: { answered, ids, last } }: Yield): LogEntry.Left => {
  const positions = answered?.messages.map(({ position }) => position) ?? []
  return { queued, againUpTo, hadStream, ids, last, answered: answered && { id: answered.id, positions } }
}

type Words = readonly [kind: LogEntry.Kind | "Y", first: string, second: string]

const flag = (is: boolean): string => is ? "1" : ""

const wordsOf = (change: Change, isForced: boolean, since: number): Words => {
  switch (change._tag) {
    case "Publish": {
      const message = Message.write(change)
      const { once } = change
      return ["P", message, once === undefined ? "" : `${once.slot} ${Idempotency.markOf(once, message)}`]
    }
    case "CreateSession": {
      const hasUniqueIds = Retries.make(change.origin?.request).ids === "Unique"
      const flags = `${Number(change.local)}${Number(change.acknowledges)}${Number(hasUniqueIds)}`
      return ["C", flags + LogEntry.writeIdentity(change.identity), `${since}`]
    }
    case "Subscribe":
      return ["S", change.patterns.join(","), flag(change.forbidden !== undefined)]
    case "Unsubscribe":
      return ["U", change.patterns.join(","), flag(change.forbidden !== undefined)]
    case "EndSession":
      return ["E", JSON.stringify(change.cause), flag(change.cause._tag === "EngineLost")]
    case "Adopt":
      return ["A", change.acknowledged === undefined ? "" : `${change.acknowledged}`, flag(isForced)]
    case "Yield":
      return ["Y", `${change.position}`, LogEntry.writeLeft(leftOf(change))]
    case "GiveBack":
      return ["G", LogEntry.writeReturned(change), ""]
  }
}
