/** A server with a monitor page, and the requests of the page's script by plain HTTP. */
import { assert } from "@effect/vitest"
import { Layer } from "effect"
import * as Http from "node:http"
import * as MonitorPage from "../../src/page/MonitorPage.ts"
import type { EventBatch, Hello, Now, Second, SessionState, Tables } from "../../src/page/PageProtocol.ts"
import {
  atEnd,
  request,
  type RequestOptions,
  serveLayer,
  type ServeOptions,
  serverLayer,
  until
} from "../transport/support.ts"

export interface PageOptions extends ServeOptions {
  readonly page?: MonitorPage.MonitorPageOptions
}

/** A server with its monitor page, at `page`, which ends with a slash. */
export const servePage = async ({ page, ...options }: PageOptions = {}) => {
  const server = await serveLayer(MonitorPage.layer(page).pipe(Layer.provideMerge(serverLayer(options))))
  return { ...server, page: new URL(`${page?.path ?? "/monitor"}/`, server.url).href }
}

/** Data of the server's events. */
export interface Told {
  readonly hello: Hello
  readonly now: Now
  readonly second: Second
  readonly tables: Tables
  readonly events: EventBatch
  readonly session: SessionState
}

/** The feed of a page, read to the last byte. */
export class FeedReader {
  status: number | undefined
  isOver = false
  /** Everything received. */
  text = ""

  constructor(page: string, query = "", headers: Http.OutgoingHttpHeaders = {}) {
    const sent = Http.get(`${page}feed?${query}`, { headers, agent: false }, (response) => {
      this.status = response.statusCode
      response.setEncoding("utf8").on("data", (text: string) => this.text += text)
      response.on("close", () => this.isOver = true)
    })
    sent.on("error", () => this.isOver = true)
    atEnd(() => sent.destroy())
  }

  /** All complete events of a kind. */
  all<K extends keyof Told>(kind: K): ReadonlyArray<Told[K]> {
    return this.text.split("\n\n").slice(0, -1).map((block) => block.trim().split("\n"))
      .filter(([event]) => event === `event: ${kind}`)
      .map(([, data = ""]) => JSON.parse(data.slice("data: ".length)) as Told[K])
  }

  /** Waits for an event of a kind that satisfies a condition. */
  expect<K extends keyof Told>(kind: K, is: (told: Told[K]) => boolean = () => true): Promise<Told[K]> {
    return until(() => `${kind}; there was ${this.text.slice(-600)}`, () => this.all(kind).find(is))
  }

  /** The rows of the events so far. */
  get rows() {
    return this.all("events").flatMap(({ rows }) => rows)
  }
}

/** Opens a feed and waits until it has begun. */
export const openFeed = async (
  page: string,
  query = "",
  headers: Http.OutgoingHttpHeaders = {}
): Promise<FeedReader> => {
  const feed = new FeedReader(page, query, headers)
  await feed.expect("hello")
  return feed
}

/** The pseudonym of the only session. */
export const onlyName = async (page: string): Promise<string> => {
  const feed = await openFeed(page)
  const { sessions } = await feed.expect("tables", ({ sessions }) => sessions.length > 0)
  assert.strictEqual(sessions.length, 1)
  return sessions[0]?.name ?? ""
}

/** Asks for the end of a session as the page does. */
export const askEnd = (page: string, name: string, reason: unknown, options: RequestOptions = {}) =>
  request(`${page}sessions/${name}/end`, {
    method: "POST",
    body: JSON.stringify({ reason }),
    ...options,
    headers: { "Content-Type": "application/json", ...options.headers }
  })
