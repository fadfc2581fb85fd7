/**
 * What goes on inside, as a stream: each event of the machine, numbered, with the time and the node.
 *
 * The service collects the events of a turn and publishes them together to one `PubSub`. Each consumer drains it into
 * a buffer of its own, so a consumer that is slow or stuck loses events of its own and delays neither delivery nor
 * another consumer; what it has lost it is told as `Lagged`. With nobody listening an event costs a number.
 */
import { Array as Arr, type Cause, Context, Effect, Layer, PubSub, Queue, Redacted, type Scope, Stream } from "effect"
import { createHmac } from "node:crypto"
import { hostname } from "node:os"
import * as ClientId from "../core/ClientId.ts"
import type { Event, Lagged, MonitorEvent } from "../core/MonitorEvent.ts"
import { type ClusterEvent, type Counts, Engine, type EngineError } from "../engine/Engine.ts"

/** How much a consumer may fall behind, and what it loses then. */
export interface SubscribeOptions {
  /** The number of events its buffer holds. Default: 16,384. */
  readonly capacity?: number
  /** `sliding` loses the oldest events, `dropping` the newest, `unbounded` none (and may use up the memory). */
  readonly strategy?: "sliding" | "dropping" | "unbounded"
}

/** The monitoring stream. */
export class Monitor extends Context.Service<Monitor, {
  /**
   * Every event from the moment the stream is run, with a sliding buffer of 16,384 events. The stream ends when the
   * service has stopped and all is read.
   */
  readonly events: Stream.Stream<MonitorEvent | Lagged>
  /** Every event from now on: the consumer is in place when the effect ends, whenever the stream is run. */
  readonly subscribe: (
    options?: SubscribeOptions
  ) => Effect.Effect<Stream.Stream<MonitorEvent | Lagged>, never, Scope.Scope>
  /** Numbers an event that has just happened. For the service. */
  readonly emit: (event: Event, at: number) => void
  /** Hands the events since the last flush to the consumers. For the service, at the end of each turn. */
  readonly flush: () => void
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
  const hash = createHmac("sha256", Redacted.value(key)).update(event.clientId).digest("hex")
  return { ...event, clientId: ClientId.make(hash) }
}

const defaultCapacity = 16_384

const makeBuffer = (
  { capacity = defaultCapacity, strategy = "sliding" }: SubscribeOptions
): Effect.Effect<Queue.Queue<MonitorEvent, Cause.Done>> =>
  strategy === "unbounded" ? Queue.unbounded() : Queue.make({ capacity, strategy })

/** Stands at the end of the stream: the service has stopped. */
const end = Symbol("end")

/** Tells the consumer of each hole in the numbers, one at the end of the stream included. */
const withLags = (
  events: Stream.Stream<MonitorEvent>,
  after: number,
  newest: () => number
): Stream.Stream<MonitorEvent | Lagged> => {
  let last = after
  const missed = (next: number): Lagged => ({ _tag: "Lagged", from: last + 1, to: next - 1 })
  const tell = (event: MonitorEvent): Arr.NonEmptyReadonlyArray<MonitorEvent | Lagged> => {
    const told: Arr.NonEmptyReadonlyArray<MonitorEvent | Lagged> = event.sequence === last + 1
      ? [event]
      : [missed(event.sequence), event]
    last = event.sequence
    return told
  }
  return events.pipe(
    Stream.mapArray((batch) => {
      const next = last + batch.length
      if (Arr.lastNonEmpty(batch).sequence !== next) return Arr.flatMap(batch, tell)
      last = next
      return batch
    }),
    Stream.concat(Stream.suspend(() => newest() === last ? Stream.empty : Stream.make(missed(newest() + 1))))
  )
}

/** Moves events to the buffer of a consumer as fast as they come; it never waits for the consumer. */
const drain = Effect.fnUntraced(function*(
  subscription: PubSub.Subscription<MonitorEvent | typeof end>,
  buffer: Queue.Queue<MonitorEvent, Cause.Done>
) {
  for (;;) {
    const batch = yield* PubSub.takeAll(subscription)
    Queue.offerAllUnsafe(buffer, batch.filter((event) => event !== end))
    if (batch.includes(end)) return yield* Queue.end(buffer)
  }
})

const make = Effect.fnUntraced(function*(node: string) {
  const hub = yield* PubSub.unbounded<MonitorEvent | typeof end>()
  let sequence = 0
  let isOver = false
  let consumers = 0
  let pending: Array<MonitorEvent> = []

  const flush = (): void => {
    if (pending.length === 0) return
    const events = pending
    pending = []
    Effect.runSync(PubSub.publishAll(hub, events))
  }

  const subscribe = Effect.fnUntraced(function*(options: SubscribeOptions = {}) {
    yield* Effect.acquireRelease(Effect.sync(() => consumers++), () => Effect.sync(() => consumers--))
    flush()
    const subscription = yield* PubSub.subscribe(hub)
    const after = sequence
    const buffer = yield* makeBuffer(options)
    if (isOver) yield* Queue.end(buffer)
    yield* Effect.forkScoped(drain(subscription, buffer), { startImmediately: true })
    return withLags(Stream.fromQueue(buffer), after, () => sequence)
  })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      flush()
      isOver = true
      return PubSub.publish(hub, end)
    })
  )

  return Monitor.of({
    events: Stream.unwrap(subscribe()),
    subscribe,
    emit: (event, at) => {
      sequence += 1
      if (consumers > 0) pending.push({ ...event, sequence, at, node })
    },
    flush
  })
})

/** `node` names this process in its events; default: the host's name and the process id. */
export const layer = (options: { readonly node?: string } = {}): Layer.Layer<Monitor> =>
  Layer.effect(Monitor, make(options.node ?? `${hostname()}:${process.pid}`))
