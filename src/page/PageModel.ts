/** All that is counted of what `Monitor.watch` tells, and what pages are told of it. */
import type * as Redacted from "effect/Redacted"
import type { Snapshot } from "../core/folds/Snapshot.ts"
import type { Lagged, MonitorEvent } from "../core/MonitorEvent.ts"
import type { Counts } from "../engine/Engine.ts"
import type { Now, Point, Second, Tables } from "./PageProtocol.ts"
import { History } from "./RateHistory.ts"
import { Rates } from "./Rates.ts"
import { SessionIndex } from "./SessionIndex.ts"
import { SessionScan } from "./SessionScan.ts"
import * as View from "./View.ts"

const sum = (numbers: Iterable<number>): number => Array.from(numbers).reduce((sum, number) => sum + number, 0)

/** What was counted. Times are milliseconds since the epoch. */
export class PageModel {
  readonly sessionIndex: SessionIndex
  readonly scan = new SessionScan()
  /** What the engine has in store for all processes. */
  cluster: Counts | undefined
  readonly #rates = new Rates()
  readonly #history = new History()
  #messages = 0
  #missed = 0
  #sequence = 0
  /** When the last second was noted, and how far the counts were. */
  #noted: { readonly at: number; readonly sequence: number; readonly messages: number }

  constructor(key: Redacted.Redacted, now: number) {
    this.sessionIndex = new SessionIndex(key)
    this.#noted = { at: now, sequence: 0, messages: 0 }
  }

  /** Something is told by the monitor. */
  tell(told: Snapshot | MonitorEvent | Lagged): void {
    if (told._tag === "Lagged") {
      this.#missed += told.to - told.from + 1
      return
    }
    if (told._tag === "Snapshot") {
      if (this.#sequence === 0) this.#noted = { ...this.#noted, sequence: told.sequence }
      this.sessionIndex.begin(told)
    } else this.#happened(told)
    this.#sequence = told.sequence
  }

  #happened(event: MonitorEvent): void {
    this.sessionIndex.tell(event)
    if (event._tag !== "Publish") return
    this.#messages += 1
    this.#rates.count(event.channel)
  }

  /** Notes a second that is over, if one is, and gives it. */
  note(now: number): Second | undefined {
    const { at, messages, sequence } = this.#noted
    if (Math.floor(now / 1000) === Math.floor(at / 1000)) return undefined
    const perSecond = (count: number) => Math.round(count * 1000 / Math.max(1, now - at))
    const { size, subscriptions } = this.sessionIndex
    const point: Point = [Math.floor(now / 1000), size, subscriptions, perSecond(this.#messages - messages)]
    const events = perSecond(this.#sequence - sequence)
    this.#noted = { at: now, sequence: this.#sequence, messages: this.#messages }
    this.#rates.roll()
    this.#history.add(point)
    return { point, events, missed: this.#missed }
  }

  /** The seconds that were noted. */
  get points(): ReadonlyArray<Point> {
    return this.#history.points
  }

  /** The counts as they are. */
  now(at: number): Now {
    const { size, subscribers, subscriptions } = this.sessionIndex
    return { at, sessions: size, subscriptions, channels: subscribers.size, messages: this.#messages }
  }

  /** What is worth a table. */
  tables(): Tables {
    const { cluster, sessionIndex: { nameOf, subscribers }, scan } = this
    return {
      channels: this.#rates.rows(subscribers).map((row) => ({ ...row, channel: View.text(row.channel, nameOf) })),
      sessions: scan.rows.map((info) => View.session(info, nameOf)),
      cluster: cluster === undefined
        ? null
        : { sessions: cluster.sessions, subscriptions: sum(cluster.subscribers.values()) }
    }
  }
}
