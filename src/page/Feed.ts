/**
 * One open page: a response that takes server-sent events for as long as it is read. A page that does not read gets no
 * further updates until it does, so there is never more than one waiting for it, and is left after a while.
 */
import type { ServerResponse } from "node:http"
import type { ClientId } from "../core/ClientId.ts"
import type { Cause, MonitorEvent } from "../core/MonitorEvent.ts"
import * as Filter from "./Filter.ts"
import type { EventRow, Events, SessionState } from "./PageProtocol.ts"
import { Sample } from "./Sample.ts"

/** How long a page may go without reading, in milliseconds. */
const unreadTimeout = 30_000

/** How events are shown. */
export interface Show {
  readonly event: (event: MonitorEvent) => EventRow
  readonly channel: (channel: string) => string
  readonly cause: (cause: Cause) => Cause
}

type Ended = Extract<MonitorEvent, { readonly _tag: "Disconnect" }>

/** A page that is open. */
export class Feed {
  readonly #response: ServerResponse
  readonly #filter: Filter.Filter
  readonly #show: Show
  readonly #sample = new Sample()
  /** The session that the page is about, if it is one's and is known. */
  readonly clientId: ClientId | undefined
  #ended: Ended | undefined
  #unreadSince: number | undefined

  constructor(response: ServerResponse, filter: Filter.Filter, clientId: ClientId | undefined, show: Show) {
    this.#response = response
    this.#filter = filter
    this.#show = show
    this.clientId = clientId
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no"
    })
    response.write("retry: 1000\n\n")
  }

  /** Whether it is about a session. */
  get isOfSession(): boolean {
    return this.#filter.session !== ""
  }

  /** Something has happened. */
  tell(event: MonitorEvent): void {
    if (Filter.matches(this.#filter, event, this.clientId, this.#show.channel)) this.#sample.add(event)
    if (event._tag === "Disconnect" && event.clientId === this.clientId) this.#ended = event
  }

  /** Whether the page takes more; one that has not for too long is left. */
  isReading(now: number): boolean {
    if (!this.#response.writableNeedDrain) this.#unreadSince = undefined
    else if (this.#unreadSince === undefined) this.#unreadSince = now
    else if (now - this.#unreadSince > unreadTimeout) this.#response.destroy()
    return this.#unreadSince === undefined
  }

  /** Sends an event; `json` is its data. */
  send(event: string, json: string): void {
    this.#response.write(`event: ${event}\ndata: ${json}\n\n`)
  }

  /** Sends what has happened since it was sent the last time. */
  sendEvents(): void {
    const { events, matched } = this.#sample.take()
    if (matched === 0) return
    const rows = events.map(this.#show.event)
    this.send("events", JSON.stringify({ rows, matched } satisfies Events))
  }

  /** Sends how the session is that the page is about; `here` is what is known of it. */
  sendSession(here: SessionState): void {
    const ended = this.#ended
    const state: SessionState = ended === undefined
      ? here
      : { _tag: "Ended", at: ended.at, cause: this.#show.cause(ended.cause) }
    this.send("session", JSON.stringify(state))
  }

  /** Nothing more comes. */
  end(): void {
    this.#response.end()
  }
}
