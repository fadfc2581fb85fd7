/**
 * The open pages. Each event is offered to the feeds at once; counts, tables and events are sent with the updates, about
 * four times a second, which `PageUpdates` triggers.
 */
import type { ServerResponse } from "node:http"
import type { Snapshot } from "../core/folds/Snapshot.ts"
import type { Lagged, MonitorEvent } from "../core/MonitorEvent.ts"
import { Feed, type Formatter } from "./Feed.ts"
import type * as Filter from "./Filter.ts"
import type { PageModel } from "./PageModel.ts"
import type { Hello } from "./PageProtocol.ts"
import * as Rows from "./Rows.ts"

/** Highest number of open pages. */
const maxPages = 100

const makeFormatter = ({ sessionIndex: { nameOf } }: PageModel, showData: boolean): Formatter => ({
  event: (event) => Rows.event(event, nameOf, showData),
  channel: (channel) => Rows.text(channel, nameOf),
  cause: (cause) => Rows.cause(cause, nameOf)
})

/** The open pages. Times are milliseconds since the epoch. */
export class Pages {
  readonly #model: PageModel
  readonly #formatter: Formatter
  readonly #feeds = new Set<Feed>()
  /** Whether a page was opened since the last update, so it has no tables yet. */
  #hasNew = false

  constructor(model: PageModel, showData: boolean) {
    this.#model = model
    this.#formatter = makeFormatter(model, showData)
  }

  get areOpen(): boolean {
    return this.#feeds.size > 0
  }

  /** Opens a feed, with the history at its beginning. Returns false if too many pages are open. */
  open(response: ServerResponse, filter: Filter.Filter, about: Omit<Hello, "points">): boolean {
    if (this.#feeds.size >= maxPages) return false
    const feed = new Feed(response, filter, this.#model.sessionIndex.clientIdOf(filter.session), this.#formatter)
    feed.send("hello", JSON.stringify({ ...about, points: this.#model.points } satisfies Hello))
    feed.send("now", JSON.stringify(this.#model.now(about.at)))
    this.#feeds.add(feed)
    this.#hasNew = true
    response.on("close", () => this.#feeds.delete(feed))
    return true
  }

  /** Applies an item of `Monitor.watch`. */
  apply(input: Snapshot | MonitorEvent | Lagged): void {
    this.#model.apply(input)
    if (input._tag === "Snapshot" || input._tag === "Lagged") return
    for (const feed of this.#feeds) feed.offer(input)
  }

  /** Sends an update to the pages that read, and returns their feeds. */
  update(now: number): ReadonlyArray<Feed> {
    const second = this.#model.endSecond(now)
    const reading = [...this.#feeds].filter((feed) => feed.isReading(now))
    if (reading.length === 0) return reading
    const counts = JSON.stringify(this.#model.now(now))
    const secondJson = second && JSON.stringify(second)
    const tables = second === undefined && !this.#hasNew ? undefined : JSON.stringify(this.#model.tables())
    this.#hasNew = false
    for (const feed of reading) {
      feed.send("now", counts)
      if (secondJson !== undefined) feed.send("second", secondJson)
      if (tables !== undefined) feed.send("tables", tables)
      feed.sendEvents()
    }
    return reading
  }

  /** Ends all feeds. */
  end(): void {
    for (const feed of this.#feeds) feed.end()
  }
}
