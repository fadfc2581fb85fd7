/**
 * Who is there: members by the identity that the application gives their sessions (`Extension.identify`), whatever
 * becomes of sessions and connections. Somebody with three open pages is one member, and a page change is no leave.
 *
 * It reads what the monitor tells, or with an engine that is shared what the log tells; then it is exact over all
 * processes. What is made of that is in `PresenceState`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as MonotonicClock from "../base/MonotonicClock.ts"
import * as Options from "../base/Options.ts"
import type { ClientId } from "../core/ClientId.ts"
import * as PresenceState from "../core/folds/PresenceState.ts"
import type { Snapshot } from "../core/folds/Snapshot.ts"
import { isMove, type Lagged, type MonitorEvent } from "../core/MonitorEvent.ts"
import { Engine } from "../engine/Engine.ts"
import { Monitor } from "./Monitor.ts"
import { type PresenceEvent, PresenceHub } from "./PresenceHub.ts"

export type { Join, Leave, Member } from "../core/folds/PresenceState.ts"
export type { PresenceEvent, Present } from "./PresenceHub.ts"

/** The options of {@link layer}; each may be left out. Times are `"10 seconds"`, milliseconds or a `Duration`. */
export const PresenceOptions = Schema.Struct({
  /** How long a member stays whose last session has ended, unless it comes back. Default: 10 seconds. */
  gracePeriod: Schema.optionalKey(Options.Time)
})
/** The options of {@link layer}. */
export type PresenceOptions = typeof PresenceOptions.Type

/** Who is there. Without a channel that is: on the server; with one: who would get a message on it, by whatever pattern. */
export class Presence extends Context.Service<Presence, {
  /** The members that are there now, by their identities. */
  readonly members: (channel?: string) => Effect.Effect<ReadonlyMap<string, PresenceState.Member>>
  /**
   * First who is there (`Present`), then each `Join` and `Leave` from then on: no gap, nothing twice, and for each
   * identity one after the other in turn. The stream ends with the service.
   */
  readonly watch: (channel?: string) => Stream.Stream<PresenceEvent>
}>()("effect-bayeux/monitor/Presence") {}

/** What it is called among the consumers of the monitor. */
const consumerName = "effect-bayeux/Presence"

const snapshotOf = ({ sessions }: Snapshot, at: number): PresenceState.PresenceSnapshot => {
  const found = new Map<ClientId, PresenceState.IdentifiedSession>()
  for (const [clientId, { createdAt, identity, subscriptions }] of sessions) {
    if (identity !== undefined) found.set(clientId, { identity, since: createdAt, subscriptions })
  }
  return { _tag: "Reading", at, sessions: found }
}

/** No timer is set for longer. */
const longest = 3_600_000

/**
 * Tells what happens in this process. `allIsTold` is done when everything is told that has happened before.
 *
 * When a member may have to leave, that comes first: who is back just in time does not leave. At the end those leave who
 * linger, since nobody would be there to tell it later.
 */
const attend = Effect.fnUntraced(function*(monitor: Monitor["Service"], hub: PresenceHub) {
  const now = MonotonicClock.make(yield* Clock.Clock)
  const isLingering = Latch.makeUnsafe(false)

  const tell = (all: ReadonlyArray<Snapshot | MonitorEvent | Lagged>) =>
    Effect.sync(() => {
      for (const told of all) {
        if (told._tag === "Snapshot") hub.tell(snapshotOf(told, now()))
        else if (told._tag !== "Lagged" && !isMove(told)) hub.tell(told)
      }
      if (PresenceState.nextLapse(hub.state) < Infinity) isLingering.openUnsafe()
    })

  const allIsTold: Effect.Effect<void> = Effect.flatMap(monitor.consumers, (consumers) => {
    const behind = consumers.find(({ name }) => name === consumerName)?.behind ?? 0
    return behind === 0 ? Effect.void : Effect.andThen(Effect.yieldNow, allIsTold)
  })

  const pass = Effect.fnUntraced(function*(at: number) {
    yield* allIsTold
    hub.tell({ _tag: "Passed", at })
  })

  const keepTime = Effect.gen(function*() {
    for (;;) {
      const left = PresenceState.nextLapse(hub.state) - now()
      if (left <= 0) yield* pass(now())
      else if (left < Infinity) yield* Effect.sleep(Duration.millis(Math.min(left, longest)))
      else {
        isLingering.closeUnsafe()
        yield* isLingering.await
      }
    }
  })

  const watching = Stream.runForEachArray(monitor.watch({ name: consumerName }), tell)
  yield* Effect.forkScoped(watching, { startImmediately: true })
  yield* Effect.forkScoped(keepTime)
  yield* Effect.addFinalizer(() => pass(Infinity))
  return { allIsTold }
})

/** Tells what happens in all processes, when this one gets to know of it. */
const feedAll = (presenceFeed: Stream.Stream<PresenceState.PresenceInput>, hub: PresenceHub) =>
  Stream.runForEach(presenceFeed, (told) => Effect.sync(() => hub.tell(told))).pipe(
    Effect.forkScoped,
    Effect.as({ allIsTold: Effect.void })
  )

const make = Effect.fnUntraced(function*(input: unknown) {
  const options = yield* Options.decode("Presence.layer", PresenceOptions, input)
  const gracePeriod = Duration.toMillis(options.gracePeriod ?? "10 seconds")
  const hub = new PresenceHub(gracePeriod)
  const { presenceFeed } = yield* Engine
  yield* Effect.addFinalizer(() => Effect.sync(() => hub.end()))
  const { allIsTold } = presenceFeed === undefined
    ? yield* attend(yield* Monitor, hub)
    : yield* feedAll(presenceFeed(gracePeriod), hub)
  const place = (channel: string | undefined) => channel === undefined ? "server" : PresenceState.onChannel(channel)
  return Presence.of({
    members: (channel) => Effect.andThen(allIsTold, hub.members(place(channel))),
    watch: (channel) => Stream.unwrap(Effect.as(allIsTold, hub.watch(place(channel))))
  })
})

/** Tells who is there. Options that make no sense fail with `OptionsInvalid`. */
export const layer = (
  options: PresenceOptions = {}
): Layer.Layer<Presence, Options.OptionsInvalid, Engine | Monitor> => Layer.effect(Presence, make(options))
