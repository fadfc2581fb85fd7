/**
 * Sessions that come from other processes. The queue of each is made from the log before the service gets it.
 *
 * The part of the log that a session needs is kept for the next ones: when a process dies its sessions come by the
 * thousand, and most need the same part.
 */
import * as Effect from "effect/Effect"
import type { ClientId } from "../../core/ClientId.ts"
import type { Listener } from "../Engine.ts"
import type * as LogEntry from "./LogEntry.ts"
import type { LogState } from "./LogState.ts"
import * as QueueReplay from "./QueueReplay.ts"
import type * as RedisConnection from "./RedisConnection.ts"
import * as Store from "./Store.ts"

/** Surroundings of arrivals. */
export interface Parts {
  /** Key of the log. */
  readonly log: string
  readonly logState: LogState
  readonly now: () => number
  readonly onOutcome: Listener["onOutcome"]
  /** Ends a session whose queue cannot be made. */
  readonly lose: (clientId: ClientId) => void
}

/** Arrivals at one process. */
export class Arrivals {
  readonly #parts: Parts
  /** Session that was read of and that the service does not have yet: the connection may break in between. */
  #adoption: LogEntry.Adoption | undefined
  #part: QueueReplay.Part | undefined
  #partSince = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Gives a session to the service. */
  begin(adoption: LogEntry.Adoption, reader: RedisConnection.Connection) {
    this.#adoption = adoption
    return this.resume(reader)
  }

  /** Gives the session to the service that was on its way when the last connection broke, if any. */
  readonly resume = Effect.fnUntraced(function*(this: Arrivals, reader: RedisConnection.Connection) {
    const adoption = this.#adoption
    if (adoption === undefined) return
    const part = (yield* this.#partAfter(QueueReplay.wantedFrom(adoption), reader)) ??
      (yield* this.#partAfter(QueueReplay.from(adoption), reader))
    this.#adoption = undefined
    if (part === undefined) return this.#parts.lose(adoption.clientId)
    this.#parts.onOutcome({ _tag: "SessionAdopted", session: part.session(adoption) })
  })

  /** Returns the log after a position, undefined if it does not reach back that far. */
  readonly #partAfter = Effect.fnUntraced(
    function*(this: Arrivals, from: number, reader: RedisConnection.Connection) {
      const { log, logState, now } = this.#parts
      const kept = this.#part
      const rest = kept !== undefined && kept.from <= from ? logState.window.since(kept.to) : undefined
      if (kept !== undefined && rest !== undefined) {
        kept.add(rest)
        return kept
      }
      const entries = logState.window.since(from) ?? (yield* Store.between(reader, log, from, logState.tail))
      if (entries === undefined) return undefined
      this.#part = new QueueReplay.Part(from)
      this.#partSince = now()
      this.#part.add(entries)
      return this.#part
    }
  )

  /** Forgets the part of the log that is kept, if it is from before a time. */
  forget(before = Infinity): void {
    if (this.#partSince < before) this.#part = undefined
  }
}
