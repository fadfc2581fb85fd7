/**
 * The feed of one open page: a response with server-sent events (HTML, "Server-sent events"). A page that does not read
 * gets no updates, so at most one of them waits for it; after a time-out its connection is closed.
 */
import type { ServerResponse } from "node:http"
import type { ClientId } from "../core/ClientId.ts"
import type { Cause, MonitorEvent } from "../core/MonitorEvent.ts"
import * as Filter from "./Filter.ts"
import type { EventBatch, EventRow, SessionState } from "./PageProtocol.ts"
import { Sample } from "./Sample.ts"

/** Time that a page may leave its feed unread, in milliseconds. */
const unreadTimeout = 30_000

/** Conversion of events, channels and causes for a page. */
export interface Formatter {
  readonly event: (event: MonitorEvent) => EventRow
  readonly channel: (channel: string) => string
  readonly cause: (cause: Cause) => Cause
}

type Ended = Extract<MonitorEvent, { readonly _tag: "Disconnect" }>

/** The feed of an open page. */
export class Feed {
  readonly #response: ServerResponse
  readonly #filter: Filter.Filter
  readonly #formatter: Formatter
  readonly #sample = new Sample()
  /** The session of the page; undefined on the overview, and if the session is not in this process. */
  readonly clientId: ClientId | undefined
  #ended: Ended | undefined
  #unreadSince: number | undefined

  constructor(response: ServerResponse, filter: Filter.Filter, clientId: ClientId | undefined, formatter: Formatter) {
    this.#response = response
    this.#filter = filter
    this.#formatter = formatter
    this.clientId = clientId
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no"
    })
    response.write("retry: 1000\n\n")
  }

  /** Whether it is the page of a session. */
  get isOfSession(): boolean {
    return this.#filter.session !== ""
  }

  /** Offers an event. It is sent with the next update if the filter matches. */
  offer(event: MonitorEvent): void {
    if (Filter.matches(this.#filter, event, this.clientId, this.#formatter.channel)) this.#sample.add(event)
    if (event._tag === "Disconnect" && event.clientId === this.clientId) this.#ended = event
  }

  /** Whether the page reads. Closes its connection after the time-out. */
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

  /** Sends the events since the last call, or a sample of them. */
  sendEvents(): void {
    const { events, matched } = this.#sample.take()
    if (matched === 0) return
    const rows = events.map(this.#formatter.event)
    this.send("events", JSON.stringify({ rows, matched } satisfies EventBatch))
  }

  /** Sends the state of the session of the page: `current`, unless its end has been seen. */
  sendSession(current: SessionState): void {
    const ended = this.#ended
    const state: SessionState = ended === undefined
      ? current
      : { _tag: "Ended", at: ended.at, cause: this.#formatter.cause(ended.cause) }
    this.send("session", JSON.stringify(state))
  }

  /** Ends the feed. */
  end(): void {
    this.#response.end()
  }
}
