/**
 * As many of the events between two updates of a page as can be shown. Each kind is sampled apart, evenly over the time, so
 * that the one session that timed out is not lost among a thousand messages.
 */
import type { MonitorEvent } from "../core/MonitorEvent.ts"
import type { Kind } from "./PageProtocol.ts"

/** The most events of a kind that one update shows. */
const most = 20

interface Kept {
  seen: number
  stride: number
  events: Array<MonitorEvent>
}

/** What is kept for the next update. */
export class Sample {
  #kinds = new Map<Kind, Kept>()
  #matched = 0

  /** An event that the page wants to see. Of a kind every event is kept, then every second one, every fourth and so on. */
  add(event: MonitorEvent): void {
    this.#matched += 1
    const kept = this.#keptOf(event._tag)
    if (kept.seen++ % kept.stride !== 0) return
    kept.events.push(event)
    if (kept.events.length <= most) return
    kept.stride *= 2
    kept.events = kept.events.filter((_, at) => at % 2 === 0)
  }

  #keptOf(kind: Kind): Kept {
    const before = this.#kinds.get(kind)
    if (before !== undefined) return before
    const kept = { seen: 0, stride: 1, events: [] }
    this.#kinds.set(kind, kept)
    return kept
  }

  /** Gives what was kept, in order, and how many there were, and begins anew. */
  take(): { readonly events: ReadonlyArray<MonitorEvent>; readonly matched: number } {
    const events = [...this.#kinds.values()].flatMap(({ events }) => events).sort((a, b) => a.sequence - b.sequence)
    const matched = this.#matched
    this.#kinds = new Map()
    this.#matched = 0
    return { events, matched }
  }
}
