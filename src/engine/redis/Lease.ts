/**
 * Lease of a process: as long as it is renewed, no other process takes its sessions. Each renewal also stores how far
 * everything has left the process.
 */
import * as Effect from "effect/Effect"
import type { LogState } from "./LogState.ts"
import type * as RedisConnection from "./RedisConnection.ts"
import * as Store from "./Store.ts"

/** Share of the lease on which a process relies: clocks differ, and a renewal takes time. */
const certain = 0.8

/** Parts of a lease; times are milliseconds. */
export interface Parts {
  readonly duration: number
  readonly retention: number
  readonly logState: LogState
  readonly now: () => number
}

/** Lease of one process. */
export class Lease {
  readonly #parts: Parts
  /** Position before which everything has left this process, as far as it can know: read at the renewal before the last. */
  #mark = 0
  #tailBefore = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Begins at a position of the log. */
  begin(position: number): void {
    this.#mark = this.#tailBefore = position
  }

  /** Renews the lease. Returns whether there are more sessions of a dead process to claim, by the next renewal. */
  readonly renew = Effect.fnUntraced(
    function*(this: Lease, commands: RedisConnection.Connection, membership: Store.Membership) {
      const { duration, logState, now, retention } = this.#parts
      const began = now()
      const positions = logState.positions.changes(this.#mark)
      const isMore = yield* Store.beat(commands, membership, duration, this.#mark, retention, positions)
      logState.leasedUntil = began + certain * duration
      this.#mark = this.#tailBefore
      this.#tailBefore = logState.tail
      logState.insist(now(), duration)
      return isMore
    }
  )
}
