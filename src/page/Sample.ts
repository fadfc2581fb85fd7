/**
 * A sample of the events between two updates of a page. Each kind is sampled separately and evenly over time, so that a
 * single time-out does not drown in a thousand messages.
 */
import type { MonitorEvent } from "../core/MonitorEvent.ts"
import type { EventKind } from "./PageProtocol.ts"

/** Highest number of events of a kind in an update. */
const maxPerKind = 20

interface KindSample {
  seen: number
  stride: number
  events: Array<MonitorEvent>
}

/** The sample for the next update. */
export class Sample {
  #kinds = new Map<EventKind, KindSample>()
  #matched = 0

  /** Adds an event. Of each kind every event is kept, then every second one, every fourth and so on. */
  add(event: MonitorEvent): void {
    this.#matched += 1
    const sample = this.#ofKind(event._tag)
    if (sample.seen++ % sample.stride !== 0) return
    sample.events.push(event)
    if (sample.events.length <= maxPerKind) return
    sample.stride *= 2
    sample.events = sample.events.filter((_, at) => at % 2 === 0)
  }

  #ofKind(kind: EventKind): KindSample {
    const before = this.#kinds.get(kind)
    if (before !== undefined) return before
    const sample = { seen: 0, stride: 1, events: [] }
    this.#kinds.set(kind, sample)
    return sample
  }

  /** Returns the sample in order and the number of all events, and resets both. */
  take(): { readonly events: ReadonlyArray<MonitorEvent>; readonly matched: number } {
    const events = [...this.#kinds.values()].flatMap(({ events }) => events).sort((a, b) => a.sequence - b.sequence)
    const matched = this.#matched
    this.#kinds = new Map()
    this.#matched = 0
    return { events, matched }
  }
}
