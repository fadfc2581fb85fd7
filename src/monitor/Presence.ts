/**
 * Presence: the members that are online, by the identity that the application gives their sessions
 * (`Extension.identify`). Somebody with three open pages is one member, and a change of page is not a leave.
 *
 * Its input is the monitor, or the log of a shared engine; then it is exact over all processes. The rules are in
 * `PresenceState`, the watchers in `PresenceHub`.
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
  /** Grace period: the time that a member stays after the end of its last session. Default: 10 seconds. */
  gracePeriod: Schema.optionalKey(Options.Time)
})
/** The options of {@link layer}. */
export type PresenceOptions = typeof PresenceOptions.Type

/** Members of the server or, if a channel is given, those that would get a message on it, over all patterns that match. */
export class Presence extends Context.Service<Presence, {
  /** The members now, by identity. */
  readonly members: (channel?: string) => Effect.Effect<ReadonlyMap<string, PresenceState.Member>>
  /**
   * The members (`Present`), then each `Join` and `Leave` from then on, without gaps and repeats; joins and leaves of an
   * identity alternate. The stream ends with the service.
   */
  readonly watch: (channel?: string) => Stream.Stream<PresenceEvent>
}>()("effect-bayeux/monitor/Presence") {}

/** Name among the consumers of the monitor. */
const consumerName = "effect-bayeux/Presence"

const snapshotOf = ({ sessions }: Snapshot, at: number): PresenceState.PresenceSnapshot => {
  const identified = new Map<ClientId, PresenceState.IdentifiedSession>()
  for (const [clientId, { createdAt, identity, subscriptions }] of sessions) {
    if (identity !== undefined) identified.set(clientId, { identity, since: createdAt, subscriptions })
  }
  return { _tag: "PresenceSnapshot", at, sessions: identified }
}

/** Longest time for which a timer is set, in milliseconds. */
const maxSleep = 3_600_000

/**
 * Feeds the hub from the monitor of this process. `caughtUp` completes when all earlier events are applied.
 *
 * Time passes only after that, so a member that is back just in time does not leave. When the scope closes, all grace
 * periods end, because nobody could report a leave later.
 */
const feedOwn = Effect.fnUntraced(function*(monitor: Monitor["Service"], hub: PresenceHub) {
  const now = MonotonicClock.make(yield* Clock.Clock)
  const hasLingering = Latch.makeUnsafe(false)

  const apply = (inputs: ReadonlyArray<Snapshot | MonitorEvent | Lagged>) =>
    Effect.sync(() => {
      for (const input of inputs) {
        if (input._tag === "Snapshot") hub.apply(snapshotOf(input, now()))
        else if (input._tag !== "Lagged" && !isMove(input)) hub.apply(input)
      }
      if (PresenceState.nextLapse(hub.state) < Infinity) hasLingering.openUnsafe()
    })

  const caughtUp: Effect.Effect<void> = Effect.flatMap(monitor.consumers, (consumers) => {
    const behind = consumers.find(({ name }) => name === consumerName)?.behind ?? 0
    return behind === 0 ? Effect.void : Effect.andThen(Effect.yieldNow, caughtUp)
  })

  const advance = Effect.fnUntraced(function*(at: number) {
    yield* caughtUp
    hub.apply({ _tag: "TimePassed", at })
  })

  const keepTime = Effect.gen(function*() {
    for (;;) {
      const left = PresenceState.nextLapse(hub.state) - now()
      if (left <= 0) yield* advance(now())
      else if (left < Infinity) yield* Effect.sleep(Duration.millis(Math.min(left, maxSleep)))
      else {
        hasLingering.closeUnsafe()
        yield* hasLingering.await
      }
    }
  })

  const watching = Stream.runForEachArray(monitor.watch({ name: consumerName }), apply)
  yield* Effect.forkScoped(watching, { startImmediately: true })
  yield* Effect.forkScoped(keepTime)
  yield* Effect.addFinalizer(() => advance(Infinity))
  return { caughtUp }
})

/** Feeds the hub from the log of a shared engine. */
const feedAll = (presenceFeed: Stream.Stream<PresenceState.PresenceInput>, hub: PresenceHub) =>
  Stream.runForEach(presenceFeed, (input) => Effect.sync(() => hub.apply(input))).pipe(
    Effect.forkScoped,
    Effect.as({ caughtUp: Effect.void })
  )

const make = Effect.fnUntraced(function*(input: unknown) {
  const options = yield* Options.decode("Presence.layer", PresenceOptions, input)
  const gracePeriod = Duration.toMillis(options.gracePeriod ?? "10 seconds")
  const hub = new PresenceHub(gracePeriod)
  const { presenceFeed } = yield* Engine
  yield* Effect.addFinalizer(() => Effect.sync(() => hub.end()))
  const { caughtUp } = presenceFeed === undefined
    ? yield* feedOwn(yield* Monitor, hub)
    : yield* feedAll(presenceFeed(gracePeriod), hub)
  const place = (channel: string | undefined) => channel === undefined ? "server" : PresenceState.onChannel(channel)
  return Presence.of({
    members: (channel) => Effect.andThen(caughtUp, hub.members(place(channel))),
    watch: (channel) => Stream.unwrap(Effect.as(caughtUp, hub.watch(place(channel))))
  })
})

/** Provides presence. Options that are not valid fail with `OptionsInvalid`. */
export const layer = (
  options: PresenceOptions = {}
): Layer.Layer<Presence, Options.OptionsInvalid, Engine | Monitor> => Layer.effect(Presence, make(options))
