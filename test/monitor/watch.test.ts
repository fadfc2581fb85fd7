/** Snapshot and following events through the public API: no gaps and no repeats. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Equal, HashMap, HashSet, Layer, Option, Queue, Stream } from "effect"
import * as fc from "fast-check"
import * as Snapshot from "../../src/core/folds/Snapshot.ts"
import type { Lagged, MonitorEvent } from "../../src/core/MonitorEvent.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import type { Extension } from "../../src/service/Extension.ts"
import {
  ask,
  Client,
  exchange,
  forAll,
  handshake,
  layerTransports,
  type Peer,
  type Service,
  turn,
  until,
  wholeService
} from "../engine/laws.ts"

type Told = Snapshot.Snapshot | MonitorEvent | Lagged

const layer = layerTransports.pipe(
  Layer.provideMerge(Bayeux.layer()),
  Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

/** Watches and records items; takes a permit for each. */
const watch = (options?: Monitor.SubscribeOptions, permit: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function*() {
    const monitor = yield* Monitor.Monitor
    const told: Array<Told> = []
    const keep = (what: Told) => Effect.andThen(Effect.sync(() => void told.push(what)), permit)
    yield* Effect.forkScoped(Stream.runForEach(monitor.watch(options), keep), { startImmediately: true })
    return told
  })

const now = Effect.gen(function*() {
  const first = yield* Stream.runHead((yield* Monitor.Monitor).watch())
  assert(first._tag === "Some" && first.value._tag === "Snapshot")
  return first.value
})

/** The parts of a snapshot that events change. */
const toldOf = ({ sequence, sessions }: Snapshot.Snapshot): unknown => ({
  sequence,
  sessions: HashMap.map(sessions, ({ reading: _reading, ...told }) => told)
})

const isSame = (a: Snapshot.Snapshot, b: Snapshot.Snapshot): boolean => Equal.equals(toldOf(a), toldOf(b))

/** Checks for a snapshot first, then each number once, and a snapshot behind each loss. */
const checkTimeline = ([first, ...rest]: ReadonlyArray<Told>): void => {
  assert.strictEqual(first?._tag, "Snapshot")
  let last = first?._tag === "Snapshot" ? first.sequence : 0
  let isMissing = false
  for (const what of rest) {
    if (what._tag === "Lagged") {
      assert.strictEqual(what.from, last + 1)
      assert.isAtLeast(what.to, what.from)
      last = what.to
    } else {
      assert.strictEqual(what._tag === "Snapshot", isMissing, "a snapshot where something was missed, only there")
      assert.strictEqual(what.sequence, isMissing ? last : last + 1)
      last = what.sequence
    }
    isMissing = what._tag === "Lagged"
  }
  assert.isFalse(isMissing)
}

describe("watch", () => {
  it.effect("begins with the current sessions, and continues with each event", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const client = yield* Client.subscribed(bayeux, "/a")
      const told = yield* watch()
      yield* client.subscribe("/b")
      yield* until("the event", () => told.length === 2)
      const [snapshot, event] = told
      assert(snapshot?._tag === "Snapshot" && event?._tag === "Subscribe")
      assert.deepStrictEqual([snapshot.sequence, event.sequence], [2, 3])
      const [[clientId, session] = []] = HashMap.toEntries(snapshot.sessions)
      assert.strictEqual(clientId as string, client.clientId)
      assert.deepStrictEqual<unknown>([...session?.subscriptions ?? []], ["/a"])
      assert.deepInclude(session?.reading, { local: false, queueLength: 0, link: "Detached" })
    }).pipe(Effect.provide(layer)))

  it.effect("begins correctly if it is run by an extension, in the middle of a step", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const monitor = yield* Monitor.Monitor
      const seen: Array<Snapshot.Snapshot> = []
      const extension: Extension = {
        name: "looks at each answer on its way out",
        outgoing: (message) =>
          Effect.as(
            Stream.runForEach(Stream.take(monitor.watch(), 1), (first) =>
              Effect.sync(() => {
                if (first._tag === "Snapshot") seen.push(first)
              })),
            message
          )
      }
      yield* bayeux.addExtension(extension)
      const told = yield* watch()
      const client = yield* Client.subscribed(bayeux, "/a", "/b")
      yield* client.unsubscribe("/a")
      yield* client.publish("/a", 1)
      yield* client.disconnect()
      yield* until("all events", () => told.at(-1)?._tag === "Disconnect")
      const [begin, ...events] = told
      assert(begin?._tag === "Snapshot")
      const snapshots = events.map((_, i) => events.slice(0, i + 1).reduce(Snapshot.fold, begin))
      assert.isAtLeast(seen.length, 5)
      for (const each of seen) {
        const expected = snapshots.find(({ sequence }) => sequence === each.sequence)
        assert(expected !== undefined)
        assert.isTrue(isSame(each, expected), `at ${each.sequence}`)
      }
    }).pipe(Effect.provide(layer)))

  it.effect("takes a snapshot in place of lost events, so that the fold is right again", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const permits = yield* Queue.unbounded<void>()
      const told = yield* watch({ capacity: 2 }, Queue.take(permits))
      yield* until("the snapshot", () => told.length === 1)
      const clients = yield* Effect.forEach([1, 2, 3, 4], () => Client.subscribed(bayeux, "/a"))
      for (let i = 0; i < 3; i++) Queue.offerUnsafe(permits, undefined)
      yield* until("what was missed", () => told.length === 3)
      assert.deepStrictEqual(told.slice(1).map((what) => what._tag === "Lagged" ? what : what.sequence), [
        { _tag: "Lagged", from: 1, to: 8 },
        8
      ])
      yield* (clients[0] as Client).disconnect()
      yield* until(
        "the rest",
        () => told.at(-1)?._tag === "Disconnect" || Queue.offerUnsafe(permits, undefined) && false
      )
      checkTimeline(told)
      assert.isTrue(isSame(told.reduce(Snapshot.fold, Snapshot.empty), yield* now))
    }).pipe(Effect.provide(layer)))

  const action = fc.record({
    do: fc.constantFrom("handshake" as const, "subscribe", "unsubscribe", "publish", "disconnect"),
    who: fc.nat(5),
    channel: fc.constantFrom("/a", "/b"),
    /** Whether the turn of the event loop ends after it. */
    ends: fc.boolean(),
    /** Number of watchers that begin behind it, and of items that each earlier one may read. */
    watches: fc.constantFrom(0, 0, 0, 1),
    reads: fc.nat(4)
  })
  type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

  const act = (bayeux: Service, clients: Array<Peer>, { channel, do: what, who }: Action): void => {
    const clientId = clients[who % Math.max(1, clients.length)]?.replies[0]?.clientId ?? "nobody"
    if (what === "handshake") clients.push(exchange(bayeux, handshake))
    else if (what === "publish") exchange(bayeux, { channel, data: 1, clientId })
    else exchange(bayeux, { channel: `/meta/${what}`, clientId, subscription: [channel, `${channel}/*`] })
  }

  const consumer = fc.record({
    capacity: fc.integer({ min: 1, max: 6 }),
    strategy: fc.constantFrom("sliding" as const, "dropping" as const, "sampling" as const, "unbounded" as const)
  })

  it.effect("gives each watcher events without gaps and repeats, and the right state at the end", () =>
    forAll(
      fc.record({ actions: fc.array(action, { maxLength: 40 }), consumer }),
      150,
      ({ actions, consumer }) =>
        Effect.gen(function*() {
          const bayeux = yield* wholeService
          const permits = yield* Queue.unbounded<void>()
          const stories: Array<ReadonlyArray<Told>> = [yield* watch(consumer, Queue.take(permits))]
          const clients: Array<Peer> = []
          for (const each of actions) {
            act(bayeux, clients, each)
            if (each.watches > 0) stories.push(yield* watch(consumer, Queue.take(permits)))
            for (let i = 0; i < each.reads; i++) Queue.offerUnsafe(permits, undefined)
            if (each.ends) yield* turn
          }
          yield* ask(bayeux, handshake)
          const end = yield* now
          const isTold = (told: ReadonlyArray<Told>) =>
            told.reduce(Snapshot.fold, Snapshot.empty).sequence === end.sequence
          yield* until("all to be told", () => {
            Queue.offerUnsafe(permits, undefined)
            return stories.every(isTold)
          })
          for (const told of stories) {
            checkTimeline(told)
            assert.isTrue(isSame(told.reduce(Snapshot.fold, Snapshot.empty), end), "the fold is the later snapshot")
            if (consumer.strategy === "unbounded") assert.isFalse(told.some(({ _tag }) => _tag === "Lagged"))
          }
        }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
    ))
})

describe("sessions and subscribers", () => {
  it.effect("are those of the service, including patterns", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const one = yield* Client.subscribed(bayeux, "/a/b", "/a/*", "/**")
      const other = yield* Client.subscribed(bayeux, "/a/**")
      yield* Client.subscribed(bayeux, "/b")
      assert.sameMembers<string>([...yield* bayeux.subscribers("/a/b")], [one.clientId, other.clientId])
      assert.deepStrictEqual<unknown>(yield* bayeux.subscribers("/c"), [one.clientId])
      assert.deepStrictEqual(yield* bayeux.subscribers("/a/*"), [])
      const sessions = yield* bayeux.sessions
      assert.strictEqual(sessions.length, 3)
      const snapshot = yield* now
      for (const { clientId, subscriptions } of sessions) {
        const entry = HashMap.getUnsafe(snapshot.sessions, clientId)
        assert.isTrue(Equal.equals(entry.subscriptions, HashSet.fromIterable(subscriptions)))
        const alone = Option.getOrThrow(yield* bayeux.session(clientId))
        assert.deepStrictEqual(alone.subscriptions, subscriptions)
      }
      assert.isTrue(Option.isNone(yield* bayeux.session("nobody")))
      assert.deepStrictEqual(yield* bayeux.counts, {
        sessions: 3,
        subscribers: new Map([["/a/b", 1], ["/a/*", 1], ["/**", 1], ["/a/**", 1], ["/b", 1]])
      })
      assert.deepStrictEqual(bayeux.gauges(), { sessions: 3, subscriptions: 5, connectsHeld: 0, queuedMessages: 0 })
    }).pipe(Effect.provide(layer)))

  it.effect("are gone from snapshots when the service is", () =>
    Effect.gen(function*() {
      const monitor = yield* Monitor.Monitor
      const service = Layer.provide(layerTransports, Layer.provide(Bayeux.layer(), MemoryEngine.layer))
      yield* Effect.provide(Effect.void, service, { local: true })
      const [snapshot] = yield* Stream.runCollect(Stream.take(monitor.watch(), 1))
      assert.isTrue(snapshot?._tag === "Snapshot" && HashMap.isEmpty(snapshot.sessions))
    }).pipe(Effect.provide(Monitor.layer())))
})
