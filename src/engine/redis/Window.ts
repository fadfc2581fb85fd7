/**
 * Newest part of the log, in memory: mostly all that a session from another process needs. It is bounded in entries and in
 * characters; the oldest go first, in blocks.
 */
import type { LogEntry } from "./LogEntry.ts"

/** Bounds of a window. */
export interface Bounds {
  readonly entries: number
  readonly characters: number
}

/** Bounds that are enough for some seconds of a busy log. */
export const defaultBounds: Bounds = { entries: 20_000, characters: 1 << 24 }

/** Entries after a position, without a gap up to the newest one. */
export class Window {
  readonly #bounds: Bounds
  #entries: Array<LogEntry> = []
  #characters = 0
  /** Position after which all entries are here. */
  #after = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /** Begins again after a position. */
  reset(after: number): void {
    this.#entries = []
    this.#characters = 0
    this.#after = after
  }

  /** Adds the next entry of the log. */
  push(entry: LogEntry): void {
    this.#entries.push(entry)
    this.#characters += entry.rest.length
    const { characters, entries } = this.#bounds
    if (this.#entries.length > entries || this.#characters > characters) this.#shrink()
  }

  #shrink(): void {
    const dropped = this.#entries.splice(0, Math.ceil(this.#entries.length / 4))
    for (const { rest } of dropped) this.#characters -= rest.length
    this.#after = dropped.at(-1)?.position ?? this.#after
  }

  /** Returns all entries after a position, undefined if some of them are not here any more. */
  since(position: number): ReadonlyArray<LogEntry> | undefined {
    if (position < this.#after) return undefined
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#entries[middle]?.position ?? 0) > position) high = middle
      else low = middle + 1
    }
    return this.#entries.slice(low)
  }
}
