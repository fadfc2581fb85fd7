/**
 * Changes of this process on their way to the log: a queue, in which each has a number. An entry of the log answers it.
 *
 * A change that was sent over a connection that broke may have been carried out. The next connection begins with an entry of
 * its own (`Scripts.join`), after which none of the old connection can follow. Changes without an entry by then were not
 * carried out and are sent again, so none is lost and none is carried out twice.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Change } from "../../core/Change.ts"

/** A change under way. */
export interface Pending {
  readonly number: number
  readonly change: Change
  /** Time at which it was committed, in milliseconds. */
  readonly since: number
  /** Generation that its session must still have in the store; empty if any will do. */
  readonly generation: string
  /** Whether it is an adoption that does not ask the owner. */
  readonly isForced: boolean
  /** Whether it was sent and then refused: the client was told, its entry has no request to answer. */
  readonly isAbandoned: boolean
}

/** Bounds of a batch: a script blocks the store. */
const most = { changes: 500, characters: 1 << 20 }

/** Whether a change is the engine's own. Such changes are few, and are never refused. */
const isInternal = (change: Change): boolean =>
  change._tag === "Yield" || change._tag === "GiveBack" ||
  (change._tag === "EndSession" && change.cause._tag === "EngineLost")

/** Queue of changes. */
export class Outbox {
  #last = 0
  #waiting: Array<Pending> = []
  readonly #sent = new Map<number, Pending>()
  readonly #maxWaiting: number
  readonly #wake = Latch.makeUnsafe(false)
  #watchers: Array<{ readonly number: number; readonly latch: Latch.Latch }> = []

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
  }

  /** Waits until a change waits to be sent. */
  readonly awaitSome = this.#wake.await

  /** Waits until every change that was added before is answered. */
  get awaitSettled(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const watcher = { number: this.#last, latch: Latch.makeUnsafe(false) }
      this.#watchers.push(watcher)
      this.#wakeWatchers()
      return watcher.latch.await
    })
  }

  #wakeWatchers(): void {
    if (this.#watchers.length === 0) return
    const [oldestSent = Infinity] = this.#sent.keys()
    const oldest = Math.min(oldestSent, this.#waiting[0]?.number ?? Infinity)
    for (const { latch, number } of this.#watchers) if (number < oldest) latch.openUnsafe()
    this.#watchers = this.#watchers.filter(({ number }) => number >= oldest)
  }

  /** Adds a change. Returns false if the queue is full. */
  add(change: Change, since: number, generation = "", isForced = false): boolean {
    if (this.#waiting.length >= this.#maxWaiting && !isInternal(change)) return false
    this.#waiting.push({ number: ++this.#last, change, since, generation, isForced, isAbandoned: false })
    if (this.#waiting.length === 1) this.#wake.openUnsafe()
    return true
  }

  /** Takes the next changes that fit into a batch, as `write` writes them. They count as sent. */
  take(write: (pending: Pending) => ReadonlyArray<string>): ReadonlyArray<string> {
    const batch: Array<string> = []
    let count = 0
    let characters = 0
    for (const pending of this.#waiting) {
      if (count === most.changes || characters > most.characters) break
      const words = write(pending)
      for (const word of words) characters += word.length
      batch.push(...words)
      this.#sent.set(pending.number, pending)
      count += 1
    }
    this.#waiting = this.#waiting.slice(count)
    if (this.#waiting.length === 0) this.#wake.closeUnsafe()
    return batch
  }

  /** Removes the change that an entry answers. Returns undefined if there is none of that number. */
  settle(number: number): Pending | undefined {
    const pending = this.#sent.get(number)
    this.#sent.delete(number)
    this.#wakeWatchers()
    return pending
  }

  /** Puts the changes that were sent and not answered at the head of the queue, without those that were refused meanwhile. */
  resend(): void {
    const again = [...this.#sent.values()].filter(({ isAbandoned }) => !isAbandoned)
    this.#sent.clear()
    this.#waiting = [...again, ...this.#waiting]
    if (this.#waiting.length > 0) this.#wake.openUnsafe()
    this.#wakeWatchers()
  }

  /**
   * Returns the changes that were added before a time, to be refused. Those that wait are removed; those that were sent may
   * still be carried out, and their entries then have no request to answer.
   */
  expire(before: number): ReadonlyArray<Change> {
    const isLate = ({ change, since }: Pending) => since < before && !isInternal(change)
    const late = this.#waiting.filter(isLate)
    if (late.length > 0) this.#waiting = this.#waiting.filter((pending) => !isLate(pending))
    const sent = [...this.#sent.values()].filter((pending) => isLate(pending) && !pending.isAbandoned)
    for (const pending of sent) {
      const change = { ...pending.change, origin: undefined }
      this.#sent.set(pending.number, { ...pending, change, isAbandoned: true })
    }
    if (this.#waiting.length === 0) this.#wake.closeUnsafe()
    this.#wakeWatchers()
    return [...sent, ...late].map(({ change }) => change)
  }
}
