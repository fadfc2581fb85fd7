/** The pages that are open, and what each of them is told: what happens at once, the rest about four times a second. */
import type { ServerResponse } from "node:http"
import type { Snapshot } from "../core/folds/Snapshot.ts"
import type { Lagged, MonitorEvent } from "../core/MonitorEvent.ts"
import { Feed, type Show } from "./Feed.ts"
import type * as Filter from "./Filter.ts"
import type { PageModel } from "./PageModel.ts"
import type { Hello } from "./PageProtocol.ts"
import * as View from "./View.ts"

/** The most pages that are open at once. */
const most = 100

const showing = ({ sessionIndex: { nameOf } }: PageModel, showData: boolean): Show => ({
  event: (event) => View.event(event, nameOf, showData),
  channel: (channel) => View.text(channel, nameOf),
  cause: (cause) => View.cause(cause, nameOf)
})

/** The pages that are open. Times are milliseconds since the epoch. */
export class Pages {
  readonly #model: PageModel
  readonly #show: Show
  readonly #feeds = new Set<Feed>()
  /** A page has been opened that has no tables yet. */
  #hasNew = false

  constructor(model: PageModel, showData: boolean) {
    this.#model = model
    this.#show = showing(model, showData)
  }

  get areOpen(): boolean {
    return this.#feeds.size > 0
  }

  /** Tells a page of everything from now on, and of what it would have seen if it had been open before. */
  open(response: ServerResponse, filter: Filter.Filter, about: Omit<Hello, "points">): boolean {
    if (this.#feeds.size >= most) return false
    const feed = new Feed(response, filter, this.#model.sessionIndex.clientIdOf(filter.session), this.#show)
    feed.send("hello", JSON.stringify({ ...about, points: this.#model.points } satisfies Hello))
    feed.send("now", JSON.stringify(this.#model.now(about.at)))
    this.#feeds.add(feed)
    this.#hasNew = true
    response.on("close", () => this.#feeds.delete(feed))
    return true
  }

  /** Something is told by the monitor. */
  tell(told: Snapshot | MonitorEvent | Lagged): void {
    this.#model.tell(told)
    if (told._tag === "Snapshot" || told._tag === "Lagged") return
    for (const feed of this.#feeds) feed.tell(told)
  }

  /** Brings the pages up to date; gives those that read. */
  update(now: number): ReadonlyArray<Feed> {
    const noted = this.#model.note(now)
    const reading = [...this.#feeds].filter((feed) => feed.isReading(now))
    if (reading.length === 0) return reading
    const counts = JSON.stringify(this.#model.now(now))
    const second = noted && JSON.stringify(noted)
    const tables = noted === undefined && !this.#hasNew ? undefined : JSON.stringify(this.#model.tables())
    this.#hasNew = false
    for (const feed of reading) {
      feed.send("now", counts)
      if (second !== undefined) feed.send("second", second)
      if (tables !== undefined) feed.send("tables", tables)
      feed.sendEvents()
    }
    return reading
  }

  /** Nothing more comes. */
  end(): void {
    for (const feed of this.#feeds) feed.end()
  }
}
