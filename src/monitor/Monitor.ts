/**
 * What goes on inside, as a stream: each event of the machine, numbered, with the time and the node.
 *
 * The service collects the events of a turn and publishes them together to one sliding `PubSub`. Each consumer drains it
 * into a bounded buffer of its own (`Consumer`), so one that is slow or stuck loses events of its own and delays neither
 * delivery nor another consumer; what it has lost it is told as `Lagged`. With nobody listening an event costs a number.
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { hostname } from "node:os"
import * as ClientId from "../core/ClientId.ts"
import * as Snapshot from "../core/folds/Snapshot.ts"
import type { Event, Lagged, MonitorEvent, Move } from "../core/MonitorEvent.ts"
import * as Session from "../core/Session.ts"
import * as State from "../core/State.ts"
import { type ClusterEvent, type Counts, Engine, type EngineError } from "../engine/Engine.ts"
import { Consumer, type Lag, type Source, type SubscribeOptions } from "./Consumer.ts"
import * as Pseudonym from "./Pseudonym.ts"

export type { Lag, Strategy, SubscribeOptions } from "./Consumer.ts"

/** The monitoring stream. */
export class Monitor extends Context.Service<Monitor, {
  /**
   * Every event from the moment the stream is run, with a sliding buffer of 16,384 events. The stream ends when the
   * service has stopped and all is read.
   */
  readonly events: Stream.Stream<MonitorEvent | Lagged>
  /**
   * Every event from now on: the consumer is in place when the effect ends, whenever the stream is run. With its scope
   * it ends.
   */
  readonly subscribe: (
    options?: SubscribeOptions
  ) => Effect.Effect<Stream.Stream<MonitorEvent | Lagged>, never, Scope.Scope>
  /**
   * The sessions of this process as they are when the stream is run, after event n, and then every event from n + 1.
   * Where events were missed a new snapshot follows the `Lagged` at once, so `Snapshot.fold` always gives the truth.
   */
  readonly watch: (
    options?: SubscribeOptions
  ) => Stream.Stream<Snapshot.Snapshot | MonitorEvent | Lagged>
  /** All sessions of this process. */
  readonly sessions: Effect.Effect<ReadonlyArray<Session.Info>>
  /** The session of that name, if it is with this process. */
  readonly session: (clientId: string) => Effect.Effect<Option.Option<Session.Info>>
  /** The sessions of this process that would get a message on the channel, each once, by whatever pattern. */
  readonly subscribers: (channel: string) => Effect.Effect<ReadonlyArray<ClientId.ClientId>>
  /** How each consumer keeps up, in the order in which they came. */
  readonly consumers: Effect.Effect<ReadonlyArray<Lag>>
  /** How this process is called in its events. */
  readonly node: string
  /** The number of the last event, 0 before the first one. */
  readonly newest: () => number
  /** Numbers an event that has just happened. For the service. */
  readonly emit: (event: Event | Move, at: number) => void
  /** Hands the events since the last flush to the consumers. For the service, at the end of each turn. */
  readonly flush: () => void
  /** Lets the state of a service be looked at for as long as the scope is open. For the service. */
  readonly observe: (state: () => State.State) => Effect.Effect<void, never, Scope.Scope>
}>()("effect-bayeux/monitor/Monitor") {}

/** What is in store now, over all processes that share the engine: exact, whatever this process has seen of it. */
export const counts: Effect.Effect<Counts, EngineError, Engine> = Engine.use((engine) => engine.counts)

/** Which events of the cluster are wanted, and how. */
export interface ClusterOptions {
  /** The `position` of the last event that the consumer has dealt with; without one it begins now. */
  readonly from?: string
  /** With a key, client ids are shown as keyed hashes (HMAC-SHA-256): who holds a client id can act as its client. */
  readonly key?: Redacted.Redacted
}

/**
 * Every event of all processes that share the engine, each exactly once, in the order of the log. A consumer that has kept
 * the `position` of the last event it dealt with goes on behind it after a restart. The stream outlives interruptions of
 * the connection; it fails when the log has been trimmed past the position.
 */
export const cluster = ({ from, key }: ClusterOptions = {}): Stream.Stream<ClusterEvent, EngineError, Engine> =>
  Stream.unwrap(Engine.useSync((engine) => {
    const events = engine.cluster(from)
    return key === undefined ? events : Stream.map(events, (event) => hide(event, key))
  }))

const hide = (event: ClusterEvent, key: Redacted.Redacted): ClusterEvent => {
  if (event.clientId === null) return event
  return { ...event, clientId: ClientId.make(Pseudonym.hash(event.clientId, key)) }
}

/** The events of a turn, or the end of the service. */
type Turn = Arr.NonEmptyReadonlyArray<MonitorEvent> | typeof end

const end = Symbol("end")

/**
 * How many turns the hub holds for consumers whose fibers do not get their turn, because somebody keeps the event loop
 * to himself. They get it once a turn otherwise, so this is far more than it ever has to hold.
 */
const hubCapacity = 256

/** Hands what is in the hub to the consumer, whether its stream is run or not; it never waits for the consumer. */
const hand = (turns: ReadonlyArray<Turn>, consumer: Drain): void => {
  for (const turn of turns) {
    if (turn === end) consumer.end()
    else consumer.offer(turn)
  }
}

type Drain = Pick<Consumer, "end" | "lag" | "offer">

const make = Effect.fnUntraced(function*(node: string) {
  const hub = yield* PubSub.sliding<Turn>(hubCapacity)
  const consumers = new Set<Drain>()
  const states = new Set<() => State.State>()
  let sequence = 0
  let entered = 0
  let isOver = false
  let pending: Array<MonitorEvent> = []

  const flush = (): void => {
    const events = pending
    if (!Arr.isArrayNonEmpty(events)) return
    pending = []
    Effect.runSync(PubSub.publish(hub, events))
  }

  const look = () => Array.from(states, (state) => state())
  const takeSnapshot = () => Snapshot.take(sequence, look())

  const add = <S extends Snapshot.Snapshot>(options: SubscribeOptions, snapshot: Source<S>["snapshot"]) => {
    entered += 1
    const consumer = new Consumer(options.name ?? `consumer ${entered}`, options, {
      newest: () => sequence,
      flush,
      snapshot
    })
    if (isOver) consumer.end()
    consumers.add(consumer)
    return consumer
  }

  /** Whoever enters in the middle of a turn gets nothing of what has happened before, and whoever leaves all until then. */
  const enter = Effect.fnUntraced(function*<S extends Snapshot.Snapshot>(
    options: SubscribeOptions = {},
    snapshot?: Source<S>["snapshot"]
  ) {
    const turns = yield* PubSub.subscribe(hub)
    flush()
    const consumer = add(options, snapshot)
    yield* Effect.addFinalizer(() =>
      Effect.gen(function*() {
        flush()
        hand(yield* PubSub.takeUpTo(turns, hubCapacity), consumer)
        consumer.end()
        consumers.delete(consumer)
      })
    )
    const drain = Effect.map(PubSub.takeAll(turns), (turns) => hand(turns, consumer))
    yield* Effect.forkScoped(Effect.forever(drain), { startImmediately: true })
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
    events: Stream.unwrap(enter<never>()),
    subscribe: (options) => enter<never>(options),
    watch: (options) => Stream.unwrap(enter(options, takeSnapshot)),
    sessions: Effect.sync(() => look().flatMap(State.infos)),
    session: (clientId) =>
      Effect.sync(() =>
        Arr.findFirst(look(), (state) => Option.fromUndefinedOr(State.session(state, clientId))).pipe(
          Option.map(Session.info)
        )
      ),
    subscribers: (channel) => Effect.sync(() => look().flatMap((state) => State.subscribers(state, channel))),
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

/** `node` names this process in its events; default: the host's name and the process id. */
export const layer = (options: { readonly node?: string } = {}): Layer.Layer<Monitor> =>
  Layer.effect(Monitor, make(options.node ?? `${hostname()}:${process.pid}`))
