/**
 * The orders of this process on their way to the log: in one line, each with a number, answered when the log tells of it.
 *
 * An order that was sent over a connection that broke has been carried out, or not. The next connection begins with an
 * entry of its own in the log (see `Scripts.join`), after which nothing of the old one can come: what the log has not told
 * of by then was not carried out, and is sent again. So no order is lost and none is carried out twice.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Change } from "../../core/Change.ts"

/** An order that waits. */
export interface Pending {
  readonly number: number
  readonly change: Change
  /** When it was handed in, in milliseconds. */
  readonly since: number
  /** What must not have changed in the store meanwhile: the generation of the session. */
  readonly generation: string
  /** An adoption that does not wait for the session's owner any more. */
  readonly isForced: boolean
  /** It was sent, and nobody waits for it any more. */
  readonly isAbandoned: boolean
}

/** Bounds of a batch: a script holds up everything else in the store. */
const most = { changes: 500, characters: 1 << 20 }

/** Orders of the engine and for it must not get lost; there are few of them. */
const isInternal = (change: Change): boolean =>
  change._tag === "Yield" || change._tag === "GiveBack" ||
  (change._tag === "EndSession" && change.cause._tag === "EngineLost")

/** The line. */
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

  /** Done when something waits to be sent. */
  readonly awaitSome = this.#wake.await

  /** Done when everything that was handed in until now is answered. */
  get awaitSettled(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const watcher = { number: this.#last, latch: Latch.makeUnsafe(false) }
      this.#watchers.push(watcher)
      this.#tellWatchers()
      return watcher.latch.await
    })
  }

  #tellWatchers(): void {
    if (this.#watchers.length === 0) return
    const [oldestSent = Infinity] = this.#sent.keys()
    const oldest = Math.min(oldestSent, this.#waiting[0]?.number ?? Infinity)
    for (const { latch, number } of this.#watchers) if (number < oldest) latch.openUnsafe()
    this.#watchers = this.#watchers.filter(({ number }) => number >= oldest)
  }

  /** Puts an order at the end of the line; false if the line is full. */
  add(change: Change, since: number, generation = "", isForced = false): boolean {
    if (this.#waiting.length >= this.#maxWaiting && !isInternal(change)) return false
    this.#waiting.push({ number: ++this.#last, change, since, generation, isForced, isAbandoned: false })
    if (this.#waiting.length === 1) this.#wake.openUnsafe()
    return true
  }

  /** Takes the next orders that fit in a batch, as `write` writes them. They count as sent. */
  take(write: (pending: Pending) => ReadonlyArray<string>): ReadonlyArray<string> {
    const batch: Array<string> = []
    let taken = 0
    let characters = 0
    for (const pending of this.#waiting) {
      if (taken === most.changes || characters > most.characters) break
      const words = write(pending)
      for (const word of words) characters += word.length
      batch.push(...words)
      this.#sent.set(pending.number, pending)
      taken += 1
    }
    this.#waiting = this.#waiting.slice(taken)
    if (this.#waiting.length === 0) this.#wake.closeUnsafe()
    return batch
  }

  /** The log tells of an order: it has left the line. */
  settle(number: number): Pending | undefined {
    const pending = this.#sent.get(number)
    this.#sent.delete(number)
    this.#tellWatchers()
    return pending
  }

  /** What was sent and has not been told of was not carried out: it is first in the line again, unless nobody wants it any more. */
  resend(): void {
    const again = [...this.#sent.values()].filter(({ isAbandoned }) => !isAbandoned)
    this.#sent.clear()
    this.#waiting = [...again, ...this.#waiting]
    if (this.#waiting.length > 0) this.#wake.openUnsafe()
    this.#tellWatchers()
  }

  /**
   * Gives up orders that were handed in before a time. What was not sent yet is out of the line; what was sent may be
   * carried out still, but nobody waits for it any more.
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
    this.#tellWatchers()
    return [...sent, ...late].map(({ change }) => change)
  }
}
