/**
 * What is behind all open pages: one watch of the monitor, of which each page is told about four times a second. With no
 * page open an event costs its counting, and nothing else is done but to note each second.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ServerResponse } from "node:http"
import type { ClientId } from "../core/ClientId.ts"
import { Engine } from "../engine/Engine.ts"
import { Monitor } from "../monitor/Monitor.ts"
import type { Feed } from "./Feed.ts"
import type * as Filter from "./Filter.ts"
import { PageModel } from "./PageModel.ts"
import type { SessionState } from "./PageProtocol.ts"
import { Pages } from "./Pages.ts"
import * as View from "./View.ts"

/** How often pages are told. */
const interval = "250 millis"

/** How often an engine that is shared is asked for its own counts. */
const comparison = "5 seconds"

const name = "monitor page"

/** What the pages are to know and show. */
export interface WatchOptions {
  readonly key: Redacted.Redacted
  readonly node: string
  readonly showData: boolean
  readonly hasToken: boolean
}

/** The open pages, seen from the server. */
export interface Watch {
  /** Tells a page of everything from now on; false if there are too many. */
  readonly open: (response: ServerResponse, filter: Filter.Filter) => boolean
  /** The session of that name, if it is here. */
  readonly clientIdOf: (name: string) => ClientId | undefined
}

/** How a session is now. */
const sessionState = (monitor: Monitor["Service"], { sessionIndex }: PageModel, { clientId }: Feed) =>
  clientId === undefined
    ? Effect.succeed<SessionState>({ _tag: "Absent" })
    : Effect.map(
      monitor.session(clientId),
      Option.match({
        onNone: (): SessionState => ({ _tag: "Absent" }),
        onSome: (info) => View.sessionState(info, sessionIndex.nameOf)
      })
    )

/** Looks at some of the sessions. */
const scan = (monitor: Monitor["Service"], { sessionIndex, scan }: PageModel) =>
  Effect.suspend(() => Effect.forEach(scan.next(sessionIndex.clientIds, sessionIndex.size), monitor.session)).pipe(
    Effect.map((seen) => scan.saw(seen.flatMap(Option.toArray)))
  )

/** Asks the engine for what there is in all processes. */
const ask = (engine: Engine["Service"], model: PageModel, pages: Pages) =>
  Effect.gen(function*() {
    if (pages.areOpen) model.cluster = yield* Effect.orElseSucceed(engine.counts, () => undefined)
  })

/** Counts from now on, for as long as the scope is open; then the pages are ended. */
export const make = Effect.fnUntraced(function*(
  { hasToken, key, node, showData }: WatchOptions
): Effect.fn.Return<Watch, never, Engine | Monitor | Scope.Scope> {
  const monitor = yield* Monitor
  const engine = yield* Engine
  const clock = yield* Clock.Clock
  const model = new PageModel(key, clock.currentTimeMillisUnsafe())
  const pages = new Pages(model, showData)

  const count = Stream.runForEachArray(monitor.watch({ name, strategy: "sampling" }), (told) =>
    Effect.sync(() => {
      for (const one of told) pages.tell(one)
    }))

  const update = Effect.gen(function*() {
    if (pages.areOpen) yield* scan(monitor, model)
    for (const feed of pages.update(clock.currentTimeMillisUnsafe())) {
      if (feed.isOfSession) feed.sendSession(yield* sessionState(monitor, model, feed))
    }
  })

  yield* Effect.addFinalizer(() => Effect.sync(() => pages.end()))
  yield* Effect.forkScoped(count)
  yield* Effect.forkScoped(Effect.repeat(update, Schedule.spaced(interval)))
  if (engine.isShared) {
    yield* Effect.forkScoped(Effect.repeat(ask(engine, model, pages), Schedule.spaced(comparison)))
  }

  return {
    clientIdOf: (name) => model.sessionIndex.clientIdOf(name),
    open: (response, filter) =>
      pages.open(response, filter, {
        at: clock.currentTimeMillisUnsafe(),
        node,
        hasToken,
        isShared: engine.isShared
      })
  }
})
