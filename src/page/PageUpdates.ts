/**
 * Updates of the open pages: one `Monitor.watch` feeds the model, and each page gets an update about four times a second.
 * Without open pages each event is counted and each second is recorded, nothing more.
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
import { Bayeux } from "../service/Bayeux.ts"
import type { Feed } from "./Feed.ts"
import type * as Filter from "./Filter.ts"
import { PageModel } from "./PageModel.ts"
import type { SessionState } from "./PageProtocol.ts"
import { Pages } from "./Pages.ts"
import * as Rows from "./Rows.ts"

/** Interval of updates. */
const interval = "250 millis"

/** Interval at which the counts of a shared engine are read. */
const countsInterval = "5 seconds"

const name = "monitor page"

/** The options of {@link make}. */
export interface PageUpdatesOptions {
  readonly key: Redacted.Redacted
  readonly showData: boolean
  readonly hasToken: boolean
}

/** The open pages, for the routes. */
export interface PageUpdates {
  /** Opens a feed. Returns false if too many pages are open. */
  readonly open: (response: ServerResponse, filter: Filter.Filter) => boolean
  /** Returns the session with that pseudonym; undefined if it is not in this process. */
  readonly clientIdOf: (name: string) => ClientId | undefined
}

/** Reads the current state of the session of a feed. */
const sessionState = (bayeux: Bayeux["Service"], { sessionIndex }: PageModel, { clientId }: Feed) =>
  clientId === undefined
    ? Effect.succeed<SessionState>({ _tag: "Absent" })
    : Effect.map(
      bayeux.session(clientId),
      Option.match({
        onNone: (): SessionState => ({ _tag: "Absent" }),
        onSome: (info) => Rows.sessionState(info, sessionIndex.nameOf)
      })
    )

/** Scans the next batch of sessions. */
const scan = (bayeux: Bayeux["Service"], { sessionIndex, scan }: PageModel) =>
  Effect.suspend(() => Effect.forEach(scan.next(sessionIndex.clientIds, sessionIndex.size), bayeux.session)).pipe(
    Effect.map((seen) => scan.add(seen.flatMap(Option.toArray)))
  )

/** Reads the counts of all processes. */
const readCounts = ({ counts }: Bayeux["Service"], model: PageModel, pages: Pages) =>
  Effect.gen(function*() {
    if (pages.areOpen) model.cluster = yield* Effect.orElseSucceed(counts, () => undefined)
  })

/** Counts and updates while the scope is open, then ends the feeds. */
export const make = Effect.fnUntraced(function*(
  { hasToken, key, showData }: PageUpdatesOptions
): Effect.fn.Return<PageUpdates, never, Bayeux | Engine | Monitor | Scope.Scope> {
  const monitor = yield* Monitor
  const bayeux = yield* Bayeux
  const engine = yield* Engine
  const clock = yield* Clock.Clock
  const model = new PageModel(key, clock.currentTimeMillisUnsafe())
  const pages = new Pages(model, showData)

  const count = Stream.runForEachArray(monitor.watch({ name, strategy: "sampling" }), (inputs) =>
    Effect.sync(() => {
      for (const input of inputs) pages.apply(input)
    }))

  const update = Effect.gen(function*() {
    if (pages.areOpen) yield* scan(bayeux, model)
    for (const feed of pages.update(clock.currentTimeMillisUnsafe())) {
      if (feed.isOfSession) feed.sendSession(yield* sessionState(bayeux, model, feed))
    }
  })

  yield* Effect.addFinalizer(() => Effect.sync(() => pages.end()))
  yield* Effect.forkScoped(count)
  yield* Effect.forkScoped(Effect.repeat(update, Schedule.spaced(interval)))
  if (engine.isShared) {
    yield* Effect.forkScoped(Effect.repeat(readCounts(bayeux, model, pages), Schedule.spaced(countsInterval)))
  }

  return {
    clientIdOf: (name) => model.sessionIndex.clientIdOf(name),
    open: (response, filter) =>
      pages.open(response, filter, {
        at: clock.currentTimeMillisUnsafe(),
        node: monitor.node,
        hasToken,
        isShared: engine.isShared
      })
  }
})
