/**
 * Positions of sessions in the log, as far as the store has to know them.
 *
 * A process has a mark in the store: everything before it has left the process. A session that lies behind the mark has a
 * position of its own, after which another process would continue it if this one died.
 */
import type { ClientId } from "../../core/ClientId.ts"
import * as State from "../../core/State.ts"
import type { Listener } from "../Engine.ts"

/** Sources of the positions. */
export interface Sources extends Pick<Listener, "state" | "unconfirmed"> {
  /** Sessions that this process owns, each with its generation. */
  readonly owned: ReadonlyMap<ClientId, string>
  /** Sessions that are being given away, each with the position up to which it has had everything. */
  readonly leaving: ReadonlyMap<ClientId, number>
}

/** Positions of the sessions of one process. */
export class SessionPositions {
  readonly #sources: Sources
  /** Positions that the store has; `NaN` where that is not certain. */
  readonly #stored = new Map<ClientId, number>()
  /** Positions at the last renewal of the lease. */
  #before = new Map<ClientId, number>()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  /** Enters a session that comes from another process, at its position in the store. */
  adopt(clientId: ClientId, position: number): void {
    this.#stored.set(clientId, position)
    this.#before.set(clientId, position)
  }

  /** Removes a session that has ended or has gone to another process. */
  forget(clientId: ClientId): void {
    this.#stored.delete(clientId)
    this.#before.delete(clientId)
  }

  /** Takes note that the store may have lost positions: all of them are written the next time. */
  forgetStored(): void {
    for (const clientId of this.#sources.owned.keys()) this.#stored.set(clientId, Number.NaN)
  }

  /**
   * Returns the changes for `keepPositions` of the scripts, as client id, generation and position (empty to remove it) of
   * each: sessions that have not had everything before the mark, now or at the last renewal. Messages that have left since
   * may still be on their way out of this process, unless it stops gracefully (`isLast`).
   */
  changes(mark: number, isLast = false): ReadonlyArray<string> {
    const now = this.#now()
    const words: Array<string> = []
    for (const clientId of new Set([...now.keys(), ...this.#before.keys(), ...this.#stored.keys()])) {
      const before = isLast ? Infinity : this.#before.get(clientId) ?? Infinity
      const position = Math.min(now.get(clientId) ?? Infinity, before)
      const kept = position < mark ? position : undefined
      const generation = this.#sources.owned.get(clientId)
      if (generation === undefined || this.#stored.get(clientId) === kept) continue
      if (kept === undefined) this.#stored.delete(clientId)
      else this.#stored.set(clientId, kept)
      words.push(clientId, generation, kept === undefined ? "" : `${kept}`)
    }
    this.#before = now
    return words
  }

  /**
   * Position up to which each session has certainly had everything, of those for which there is more. Unconfirmed messages
   * of a session that acknowledges are in its queue.
   */
  #now(): Map<ClientId, number> {
    const { leaving, owned, unconfirmed } = this.#sources
    const state = this.#sources.state()
    const now = new Map(leaving)
    const hasUpTo = (clientId: ClientId, position: number): void => {
      if (position < (now.get(clientId) ?? Infinity)) now.set(clientId, position)
    }
    for (const [clientId, first] of State.waiting(state)) hasUpTo(clientId, first - 1)
    for (const [clientId, first] of unconfirmed()) {
      const acknowledges = State.session(state, clientId)?.acknowledges === true
      if (!acknowledges && owned.has(clientId)) hasUpTo(clientId, first - 1)
    }
    for (const [clientId, position] of this.#before) if (this.#isArriving(clientId)) hasUpTo(clientId, position)
    return now
  }

  /** Whether this process owns the session, but the service does not have it yet. */
  #isArriving(clientId: ClientId): boolean {
    const { leaving, owned, state } = this.#sources
    return owned.has(clientId) && !leaving.has(clientId) && State.session(state(), clientId) === undefined
  }
}
