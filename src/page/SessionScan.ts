/**
 * A scan of all sessions for values without events, mainly the lengths of queues. It goes through them in batches, so
 * that an update costs the same with a hundred thousand sessions as with a few hundred.
 */
import type { ClientId } from "../core/ClientId.ts"
import type { Info } from "../core/Session.ts"
import { Top } from "./Top.ts"

/** Number of sessions in a batch. */
const batchSize = 500

/** Number of rows. */
const rows = 50

const compare = (a: Info, b: Info): number => b.queueLength - a.queueLength || b.createdAt - a.createdAt

/** The sessions with the longest queues, among equals the newest, as of the last full scan. */
export class SessionScan {
  #waiting: Iterator<ClientId> = [].values()
  #left = 0
  #round = new Top<Info>(rows, compare)
  #rows: ReadonlyArray<Info> = []

  get rows(): ReadonlyArray<Info> {
    return this.#rows
  }

  /** Returns the next batch. If the last scan is complete, a new one begins with the `count` sessions of `all`. */
  next(all: Iterable<ClientId>, count: number): ReadonlyArray<ClientId> {
    if (this.#left <= 0) {
      this.#waiting = all[Symbol.iterator]()
      this.#left = count
      this.#round = new Top(rows, compare)
    }
    const next: Array<ClientId> = []
    while (next.length < batchSize) {
      const { done, value } = this.#waiting.next()
      if (done === true) break
      next.push(value)
    }
    this.#left = next.length < batchSize ? 0 : this.#left - batchSize
    return next
  }

  /** Adds the sessions of a batch. */
  add(infos: Iterable<Info>): void {
    for (const info of infos) this.#round.add(info)
    if (this.#left <= 0) this.#rows = this.#round.all
  }
}
