/**
 * The model of the monitor page: sessions, rates and history, counted from `Monitor.watch`, and the messages of
 * `PageProtocol` made of them. It has no clock and no fiber; `PageUpdates` drives it.
 */
import type * as Redacted from "effect/Redacted"
import type { Snapshot } from "../core/folds/Snapshot.ts"
import type { Lagged, MonitorEvent } from "../core/MonitorEvent.ts"
import type { Counts } from "../engine/Engine.ts"
import type { Now, Point, Second, Tables } from "./PageProtocol.ts"
import { RateHistory } from "./RateHistory.ts"
import { Rates } from "./Rates.ts"
import * as Rows from "./Rows.ts"
import { SessionIndex } from "./SessionIndex.ts"
import { SessionScan } from "./SessionScan.ts"

const sum = (numbers: Iterable<number>): number => Array.from(numbers).reduce((sum, number) => sum + number, 0)

/** The model. Times are milliseconds since the epoch. */
export class PageModel {
  readonly sessionIndex: SessionIndex
  readonly scan = new SessionScan()
  /** Counts of all processes, from the store of a shared engine. */
  cluster: Counts | undefined
  readonly #rates = new Rates()
  readonly #history = new RateHistory()
  #messages = 0
  #missed = 0
  #sequence = 0
  /** Time and counts at the end of the last second. */
  #lastSecond: { readonly at: number; readonly sequence: number; readonly messages: number }

  constructor(key: Redacted.Redacted, now: number) {
    this.sessionIndex = new SessionIndex(key)
    this.#lastSecond = { at: now, sequence: 0, messages: 0 }
  }

  /** Applies an item of `Monitor.watch`. */
  apply(input: Snapshot | MonitorEvent | Lagged): void {
    if (input._tag === "Lagged") {
      this.#missed += input.to - input.from + 1
      return
    }
    if (input._tag === "Snapshot") {
      if (this.#sequence === 0) this.#lastSecond = { ...this.#lastSecond, sequence: input.sequence }
      this.sessionIndex.reset(input)
    } else this.#count(input)
    this.#sequence = input.sequence
  }

  #count(event: MonitorEvent): void {
    this.sessionIndex.apply(event)
    if (event._tag !== "Publish") return
    this.#messages += 1
    this.#rates.count(event.channel)
  }

  /** Ends the current second and returns it, if it is over. */
  endSecond(now: number): Second | undefined {
    const { at, messages, sequence } = this.#lastSecond
    if (Math.floor(now / 1000) === Math.floor(at / 1000)) return undefined
    const perSecond = (count: number) => Math.round(count * 1000 / Math.max(1, now - at))
    const { size, subscriptions } = this.sessionIndex
    const point: Point = [Math.floor(now / 1000), size, subscriptions, perSecond(this.#messages - messages)]
    const events = perSecond(this.#sequence - sequence)
    this.#lastSecond = { at: now, sequence: this.#sequence, messages: this.#messages }
    this.#rates.endSecond()
    this.#history.add(point)
    return { point, events, missed: this.#missed }
  }

  /** The last minutes by seconds, the oldest first. */
  get points(): ReadonlyArray<Point> {
    return this.#history.points
  }

  /** The current counts. */
  now(at: number): Now {
    const { size, subscribers, subscriptions } = this.sessionIndex
    return { at, sessions: size, subscriptions, channels: subscribers.size, messages: this.#messages }
  }

  /** The rows of the tables. */
  tables(): Tables {
    const { cluster, sessionIndex: { nameOf, subscribers }, scan } = this
    return {
      channels: this.#rates.rows(subscribers).map((row) => ({ ...row, channel: Rows.text(row.channel, nameOf) })),
      sessions: scan.rows.map((info) => Rows.session(info, nameOf)),
      cluster: cluster === undefined
        ? null
        : { sessions: cluster.sessions, subscriptions: sum(cluster.subscribers.values()) }
    }
  }
}
