/**
 * Looks at all sessions for what no event tells, queues above all, a few at a time, so that a hundred thousand sessions
 * cost no more at once than a hundred.
 */
import type { ClientId } from "../core/ClientId.ts"
import type { Info } from "../core/Session.ts"
import { Top } from "./Top.ts"

/** Sessions looked at in one go. */
const step = 500

/** Sessions that are listed. */
const rows = 50

const change = (a: Info, b: Info): number => b.queueLength - a.queueLength || b.createdAt - a.createdAt

/** The sessions with the longest queues, among equals the newest, as of the last round. */
export class SessionScan {
  #waiting: Iterator<ClientId> = [].values()
  #left = 0
  #round = new Top<Info>(rows, change)
  #rows: ReadonlyArray<Info> = []

  get rows(): ReadonlyArray<Info> {
    return this.#rows
  }

  /** Whom to look at next. `all` is what a new round begins with, if the last one is over. */
  next(all: Iterable<ClientId>, count: number): ReadonlyArray<ClientId> {
    if (this.#left <= 0) {
      this.#waiting = all[Symbol.iterator]()
      this.#left = count
      this.#round = new Top(rows, change)
    }
    const next: Array<ClientId> = []
    while (next.length < step) {
      const { done, value } = this.#waiting.next()
      if (done === true) break
      next.push(value)
    }
    this.#left = next.length < step ? 0 : this.#left - step
    return next
  }

  /** What was seen of them. */
  saw(infos: Iterable<Info>): void {
    for (const info of infos) this.#round.add(info)
    if (this.#left <= 0) this.#rows = this.#round.all
  }
}
