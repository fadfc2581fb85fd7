/**
 * The monitoring stream: each event of the machine with a number, the time and the node.
 *
 * The service collects the events of a turn and publishes them together to one sliding `PubSub`. A fiber per consumer
 * moves them to the bounded buffer of that consumer (`Consumer`). So a slow consumer loses only its own events, reported
 * as `Lagged`, and delays neither delivery nor other consumers. Without consumers an event costs one increment.
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { processName } from "../base/ProcessName.ts"
import * as ClientId from "../core/ClientId.ts"
import * as Snapshot from "../core/folds/Snapshot.ts"
import type { Event, Lagged, MonitorEvent, Move } from "../core/MonitorEvent.ts"
import type * as State from "../core/State.ts"
import { type ClusterEvent, Engine, type EngineError } from "../engine/Engine.ts"
import { Consumer, type ConsumerSource, type Lag, type SubscribeOptions } from "./Consumer.ts"
import * as Pseudonym from "./Pseudonym.ts"

export type { ClusterEvent } from "../engine/Engine.ts"
export type { Lag, Strategy, SubscribeOptions } from "./Consumer.ts"

/** The monitoring stream. */
export class Monitor extends Context.Service<Monitor, {
  /**
   * Every event from the moment that the stream is run, with a sliding buffer of 16,384 events. The stream ends when the
   * service has stopped and all events are read.
   */
  readonly events: Stream.Stream<MonitorEvent | Lagged>
  /**
   * Adds a consumer: its stream has every event from now on, whenever it is run. It ends with the scope.
   */
  readonly subscribe: (
    options?: SubscribeOptions
  ) => Effect.Effect<Stream.Stream<MonitorEvent | Lagged>, never, Scope.Scope>
  /**
   * The sessions of this process when the stream is run, after event n, then every event from n + 1. Behind a `Lagged`
   * there is a new snapshot at once, so `Snapshot.fold` is always right.
   */
  readonly watch: (
    options?: SubscribeOptions
  ) => Stream.Stream<Snapshot.Snapshot | MonitorEvent | Lagged>
  /** Progress of each consumer, the oldest first. */
  readonly consumers: Effect.Effect<ReadonlyArray<Lag>>
  /** Name of this process in its events. */
  readonly node: string
  /** Returns the number of the last event, 0 before the first one. */
  readonly newest: () => number
  /**
   * Numbers an event. For the service.
   *
   * @internal
   */
  readonly emit: (event: Event | Move, at: number) => void
  /**
   * Publishes the events since the last flush. For the service, at the end of each turn.
   *
   * @internal
   */
  readonly flush: () => void
  /**
   * Makes the state of a service readable while the scope is open. For the service.
   *
   * @internal
   */
  readonly observe: (state: () => State.State) => Effect.Effect<void, never, Scope.Scope>
}>()("effect-bayeux/monitor/Monitor") {}

/** The options of {@link cluster}. */
export interface ClusterOptions {
  /** The `position` of the last event that was processed. Default: the end of the log. */
  readonly from?: string
  /** Key of the hashes (HMAC-SHA-256) that replace client ids, which are secrets. Default: client ids stay. */
  readonly key?: Redacted.Redacted
}

/**
 * Every event of all processes that share the engine, exactly once, in the order of the log. A consumer that stores the
 * `position` of the last event it has processed continues behind it after a restart. Interruptions of the connection do
 * not end the stream; it fails if the log has been trimmed beyond the position.
 */
export const cluster = ({ from, key }: ClusterOptions = {}): Stream.Stream<ClusterEvent, EngineError, Engine> =>
  Stream.unwrap(Engine.useSync((engine) => {
    const events = engine.cluster(from)
    return key === undefined ? events : Stream.map(events, (event) => pseudonymise(event, key))
  }))

const pseudonymise = (event: ClusterEvent, key: Redacted.Redacted): ClusterEvent => {
  if (event.clientId === null) return event
  return { ...event, clientId: ClientId.make(Pseudonym.hash(event.clientId, key)) }
}

/** The events of a turn, or the end of the service. */
type Turn = Arr.NonEmptyReadonlyArray<MonitorEvent> | typeof end

const end = Symbol("end")

/**
 * Number of turns in the hub. Fibers of consumers run once a turn, so the hub fills only if something blocks the event
 * loop.
 */
const hubCapacity = 256

/** Offers turns to a consumer, whether its stream is run or not. Never waits for it. */
const deliver = (turns: ReadonlyArray<Turn>, consumer: AnyConsumer): void => {
  for (const turn of turns) {
    if (turn === end) consumer.end()
    else consumer.offer(turn)
  }
}

type AnyConsumer = Pick<Consumer, "end" | "lag" | "offer">

const make = Effect.fnUntraced(function*(node: string) {
  const hub = yield* PubSub.sliding<Turn>(hubCapacity)
  const consumers = new Set<AnyConsumer>()
  const states = new Set<() => State.State>()
  let sequence = 0
  let subscribed = 0
  let isOver = false
  let pending: Array<MonitorEvent> = []

  const flush = (): void => {
    const events = pending
    if (!Arr.isArrayNonEmpty(events)) return
    pending = []
    Effect.runSync(PubSub.publish(hub, events))
  }

  const currentStates = () => Array.from(states, (state) => state())
  const takeSnapshot = () => Snapshot.take(sequence, currentStates())

  const add = <S extends Snapshot.Snapshot>(options: SubscribeOptions, snapshot: ConsumerSource<S>["snapshot"]) => {
    subscribed += 1
    const consumer = new Consumer(options.name ?? `consumer ${subscribed}`, options, {
      newest: () => sequence,
      flush,
      snapshot
    })
    if (isOver) consumer.end()
    consumers.add(consumer)
    return consumer
  }

  /** Adds a consumer. In the middle of a turn it gets nothing from before; at its end it gets everything until then. */
  const subscribe = Effect.fnUntraced(function*<S extends Snapshot.Snapshot>(
    options: SubscribeOptions = {},
    snapshot?: ConsumerSource<S>["snapshot"]
  ) {
    const turns = yield* PubSub.subscribe(hub)
    flush()
    const consumer = add(options, snapshot)
    yield* Effect.addFinalizer(() =>
      Effect.gen(function*() {
        flush()
        deliver(yield* PubSub.takeUpTo(turns, hubCapacity), consumer)
        consumer.end()
        consumers.delete(consumer)
      })
    )
    const forward = Effect.map(PubSub.takeAll(turns), (turns) => deliver(turns, consumer))
    yield* Effect.forkScoped(Effect.forever(forward), { startImmediately: true })
    return consumer.stream
  })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      flush()
      isOver = true
      return PubSub.publish(hub, end)
    })
  )

  return Monitor.of({
    events: Stream.unwrap(subscribe<never>()),
    subscribe: (options) => subscribe<never>(options),
    watch: (options) => Stream.unwrap(subscribe(options, takeSnapshot)),
    consumers: Effect.sync(() => {
      flush()
      return Array.from(consumers, ({ lag }) => lag)
    }),
    node,
    newest: () => sequence,
    emit: (event, at) => {
      sequence += 1
      if (consumers.size > 0) pending.push({ ...event, sequence, at, node })
    },
    flush,
    observe: (state) =>
      Effect.acquireRelease(Effect.sync(() => void states.add(state)), () => Effect.sync(() => states.delete(state)))
  })
})

/** Provides the monitor. `node` names this process in its events. Default: host name and process id. */
export const layer = (options: { readonly node?: string } = {}): Layer.Layer<Monitor> =>
  Layer.effect(Monitor, make(options.node ?? processName))
