/** The monitoring stream, by itself and in a service with a test clock. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Latch, Layer, Queue, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { hostname } from "node:os"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as ClientId from "../../src/core/ClientId.ts"
import type { Event, Lagged, MonitorEvent } from "../../src/core/MonitorEvent.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as EventSize from "../../src/monitor/EventSize.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import { ask, Client, forAll, layerTransports, record, turn, until, wholeService } from "../engine/laws.ts"

type MonitorService = Monitor.Monitor["Service"]
type Told = MonitorEvent | Lagged

const event = (n: number): Event => ({ _tag: "Handshake", clientId: ClientId.make(`c${n}`) })

/** Emits this number of events in one turn, and lets the buffers take them. */
const happen = (monitor: MonitorService, count: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (let n = 0; n < count; n++) monitor.emit(event(n), 0)
    monitor.flush()
    return turn
  })

/** A turn in which messages of these lengths are published. */
const publish = (monitor: MonitorService, ...lengths: ReadonlyArray<number>): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (const length of lengths) {
      monitor.emit({ _tag: "Publish", clientId: null, channel: "/a" as never, data: "x".repeat(length) }, 0)
    }
    monitor.flush()
    return turn
  })

/** The size of an event without data, and the default of `maxBytes`. */
const small = EventSize.of({ ...event(1), sequence: 1, at: 0, node: "" })
const maxBytes = 16 * 1024 * 1024

/** Events by their numbers, and what was missed by the first and the last of it. */
const numbers = (told: ReadonlyArray<Told>): ReadonlyArray<number | string> =>
  told.map((event) => event._tag === "Lagged" ? `${event.from} to ${event.to} missed` : event.sequence)

const range = (from: number, to: number): Array<number> => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** A consumer that records its items, and can be blocked. */
const consume = <A>(stream: Stream.Stream<A>, afterEach: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function*() {
    const told: Array<A> = []
    const keep = (event: A) => Effect.andThen(Effect.sync(() => void told.push(event)), afterEach)
    const fiber = yield* Effect.forkScoped(Stream.runForEach(stream, keep))
    return { fiber, told }
  })

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** Number of bytes in use after a garbage collection. */
const heapInUse = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** A monitor that can be stopped. */
const start = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(Monitor.layer({ node: "here" }), scope)
  return { monitor: Context.get(context, Monitor.Monitor), stop: Scope.close(scope, Exit.void) }
})

const scenario = (
  sentence: string,
  run: (monitor: MonitorService) => Effect.Effect<void, never, Scope.Scope>
): void => it.effect(sentence, () => Effect.flatMap(start, ({ monitor }) => run(monitor)))

const stopping = (
  sentence: string,
  run: (monitor: MonitorService, stop: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
): void => it.effect(sentence, () => Effect.flatMap(start, ({ monitor, stop }) => run(monitor, stop)))

describe("events", () => {
  scenario("have a number, a time and the node", (monitor) =>
    Effect.gen(function*() {
      const { told } = yield* consume(yield* monitor.subscribe())
      monitor.emit({ _tag: "Handshake", clientId: ClientId.make("c1") }, 17)
      monitor.emit({ _tag: "Publish", clientId: null, channel: "/a" as never, data: { x: 1 } }, 18)
      monitor.flush()
      yield* turn
      assert.deepStrictEqual<unknown>(told, [
        { _tag: "Handshake", clientId: "c1", sequence: 1, at: 17, node: "here" },
        { _tag: "Publish", clientId: null, channel: "/a", data: { x: 1 }, sequence: 2, at: 18, node: "here" }
      ])
    }))

  it.effect("name the host and the process, where no node is named", () =>
    Effect.gen(function*() {
      const monitor = yield* Monitor.Monitor
      const { told } = yield* consume(yield* monitor.subscribe())
      yield* happen(monitor, 1)
      const [first] = told
      assert.strictEqual(first?._tag === "Lagged" ? undefined : first?.node, `${hostname()}:${process.pid}`)
    }).pipe(Effect.provide(Monitor.layer())))

  scenario("are numbered without gaps from 1 on, whether anybody listens or not", (monitor) =>
    Effect.gen(function*() {
      yield* happen(monitor, 3)
      const first = yield* Effect.scoped(Effect.gen(function*() {
        const { told } = yield* consume(yield* monitor.subscribe())
        yield* happen(monitor, 2)
        return told
      }))
      assert.deepStrictEqual(numbers(first), [4, 5])
      yield* happen(monitor, 4)
      const { told } = yield* consume(yield* monitor.subscribe())
      yield* happen(monitor, 1)
      assert.deepStrictEqual(numbers(told), [10])
      assert.deepStrictEqual(numbers(first), [4, 5], "who has left hears no more")
    }))

  scenario(
    "begin, for each consumer, with the next one after it is in place, also in the middle of a turn",
    (monitor) =>
      Effect.gen(function*() {
        const one = yield* consume(yield* monitor.subscribe())
        monitor.emit(event(1), 0)
        const other = yield* consume(yield* monitor.subscribe())
        monitor.emit(event(2), 0)
        monitor.flush()
        yield* turn
        assert.deepStrictEqual(numbers(one.told), [1, 2])
        assert.deepStrictEqual(numbers(other.told), [2])
      })
  )

  scenario("wait in the buffer of a consumer until its stream is run", (monitor) =>
    Effect.gen(function*() {
      const stream = yield* monitor.subscribe()
      yield* happen(monitor, 3)
      const { told } = yield* consume(stream)
      yield* turn
      assert.deepStrictEqual(numbers(told), [1, 2, 3])
    }))

  scenario("come from when the stream is run, where nobody has subscribed before", (monitor) =>
    Effect.gen(function*() {
      yield* happen(monitor, 2)
      const { told } = yield* consume(monitor.events)
      yield* turn
      yield* happen(monitor, 2)
      assert.deepStrictEqual(numbers(told), [3, 4])
    }))

  scenario(
    "reach each of several consumers, and those that stay when others leave",
    (monitor) =>
      Effect.gen(function*() {
        const [one, other] = [yield* consume(yield* monitor.subscribe()), yield* consume(yield* monitor.subscribe())]
        const leaving = yield* consume(monitor.events)
        yield* turn
        yield* happen(monitor, 2)
        yield* Fiber.interrupt(leaving.fiber)
        yield* happen(monitor, 2)
        assert.deepStrictEqual([one, other, leaving].map(({ told }) => numbers(told)), [[1, 2, 3, 4], [1, 2, 3, 4], [
          1,
          2
        ]])
      })
  )
})

describe("a consumer that falls behind", () => {
  scenario(
    "loses the oldest from a buffer that slides, and is told exactly which",
    (monitor) =>
      Effect.gen(function*() {
        const stream = yield* monitor.subscribe({ capacity: 3, strategy: "sliding" })
        for (const count of [1, 4, 5]) yield* happen(monitor, count)
        const { told } = yield* consume(stream)
        yield* turn
        assert.deepStrictEqual(told[0], { _tag: "Lagged", from: 1, to: 7 })
        assert.deepStrictEqual(numbers(told), ["1 to 7 missed", 8, 9, 10])
        yield* happen(monitor, 2)
        assert.deepStrictEqual(numbers(told).slice(4), [11, 12])
      })
  )

  scenario("loses the newest from a buffer that drops, and is told exactly which", (monitor) =>
    Effect.gen(function*() {
      const stream = yield* monitor.subscribe({ capacity: 3, strategy: "dropping" })
      for (const count of [1, 4, 5]) yield* happen(monitor, count)
      const { told } = yield* consume(stream)
      yield* turn
      assert.deepStrictEqual(numbers(told), [1, 2, 3, "4 to 10 missed"])
      yield* happen(monitor, 2)
      assert.deepStrictEqual(numbers(told).slice(4), [11, 12])
    }))

  scenario(
    "gets a sample of all that has happened from a buffer that samples, and is told exactly what lies between",
    (monitor) =>
      Effect.gen(function*() {
        const stream = yield* monitor.subscribe({ capacity: 4, strategy: "sampling" })
        for (const count of [3, 5, 13]) yield* happen(monitor, count)
        const { told } = yield* consume(stream)
        yield* turn
        assert.deepStrictEqual(numbers(told), [
          "1 to 7 missed",
          8,
          "9 to 15 missed",
          16,
          "17 to 21 missed"
        ])
        yield* happen(monitor, 3)
        assert.deepStrictEqual(numbers(told).slice(5), [22, 23, 24], "it has caught up")
      })
  )

  scenario("loses nothing from a buffer without bounds", (monitor) =>
    Effect.gen(function*() {
      const stream = yield* monitor.subscribe({ strategy: "unbounded" })
      for (let i = 0; i < 10; i++) yield* happen(monitor, 5_000)
      const { told } = yield* consume(stream)
      yield* until("all", () => told.length === 50_000)
      assert.deepStrictEqual(numbers(told), range(1, 50_000))
    }))

  scenario("may fall behind by 16,384 events, if it does not say otherwise", (monitor) =>
    Effect.gen(function*() {
      const [enough, tooMuch] = [yield* monitor.subscribe(), yield* monitor.subscribe()]
      yield* happen(monitor, 16_384)
      const one = yield* consume(enough)
      yield* until("all", () => one.told.length === 16_384)
      assert.deepStrictEqual(numbers(one.told), range(1, 16_384))
      yield* happen(monitor, 1)
      const other = yield* consume(tooMuch)
      yield* until("all", () => other.told.length === 16_385)
      assert.deepStrictEqual(numbers(other.told), ["1 to 1 missed", ...range(2, 16_385)])
    }))

  describe("in bytes", () => {
    for (
      const [strategy, expected] of [
        ["sliding", ["1 to 4 missed", 5, 6, 7]],
        ["dropping", [1, 2, "3 to 4 missed", 5, "6 to 7 missed"]],
        ["sampling", ["1 to 3 missed", 4, "5 to 7 missed"]]
      ] as const
    ) {
      scenario(
        `loses what it loses when it has fallen behind in events: ${strategy}`,
        (monitor) =>
          Effect.gen(function*() {
            const stream = yield* monitor.subscribe({ maxBytes: 10_000, strategy })
            yield* publish(monitor, 4_000, 4_000, 4_000, 2_000)
            yield* publish(monitor, 1_000, 4_000, 3_500)
            const { told } = yield* consume(stream)
            yield* turn
            assert.deepStrictEqual(numbers(told), expected)
            assert.strictEqual((yield* monitor.consumers)[0]?.bytes, 0)
          })
      )
    }

    for (const strategy of ["sliding", "dropping", "sampling"] as const) {
      scenario(
        `loses an event that is larger than all of its buffer, and no other: ${strategy}`,
        (monitor) =>
          Effect.gen(function*() {
            const stream = yield* monitor.subscribe({ maxBytes: 10_000, strategy })
            yield* publish(monitor, 10)
            yield* publish(monitor, 10, 20_000, 10)
            const { told } = yield* consume(stream)
            yield* turn
            assert.deepStrictEqual(numbers(told), [1, 2, "3 to 3 missed", 4])
          })
      )
    }

    scenario("may fall behind by 16 MiB, if it does not say otherwise", (monitor) =>
      Effect.gen(function*() {
        const stream = yield* monitor.subscribe()
        yield* publish(monitor, ...Array.from({ length: 20 }, () => 1_000_000))
        const { told } = yield* consume(stream)
        yield* turn
        assert.deepStrictEqual(numbers(told), ["1 to 4 missed", ...range(5, 20)])
      }))

    scenario("keeps nothing of what it has lost, whatever was published with it", (monitor) =>
      Effect.gen(function*() {
        for (const strategy of ["sliding", "dropping", "sampling"] as const) {
          yield* Effect.asVoid(monitor.subscribe({ maxBytes: 3_000_000, strategy }))
        }
        const before = heapInUse()
        for (let round = 0; round < 100; round++) {
          const data = JSON.parse(`[${"[],".repeat(30_000)}${round}]`) as ReadonlyArray<[]>
          yield* publish(monitor, 1)
          monitor.emit({ _tag: "Publish", clientId: null, channel: "/a" as never, data }, 0)
          yield* publish(monitor, 1, 1)
        }
        assert.isBelow(heapInUse() - before, 12_000_000, "all of it is 120 MB")
      }))
  })

  scenario("is told again each time it misses something", (monitor) =>
    Effect.gen(function*() {
      const stuck = Latch.makeUnsafe()
      const { told } = yield* consume(yield* monitor.subscribe({ capacity: 2 }), stuck.await)
      yield* happen(monitor, 1)
      for (let round = 0; round < 3; round++) {
        yield* happen(monitor, 4)
        yield* stuck.open
        yield* turn
        yield* stuck.close
        yield* happen(monitor, 1)
      }
      assert.deepStrictEqual(numbers(told), [
        1,
        "2 to 3 missed",
        4,
        5,
        6,
        "7 to 8 missed",
        9,
        10,
        11,
        "12 to 13 missed",
        14,
        15,
        16
      ])
    }))

  scenario("takes nothing from the others, however stuck it is", (monitor) =>
    Effect.gen(function*() {
      const stuck = Latch.makeUnsafe()
      const slow = yield* consume(yield* monitor.subscribe({ capacity: 2, strategy: "dropping" }), stuck.await)
      const slower = yield* consume(yield* monitor.subscribe({ capacity: 4 }), stuck.await)
      const quick = yield* consume(yield* monitor.subscribe({ capacity: 4 }))
      yield* happen(monitor, 1)
      for (let i = 0; i < 100; i++) yield* happen(monitor, 3)
      assert.deepStrictEqual(numbers(quick.told), range(1, 301))
      assert.deepStrictEqual([slow, slower].map(({ told }) => numbers(told)), [[1], [1]])
      yield* stuck.open
      yield* turn
      yield* happen(monitor, 1)
      assert.deepStrictEqual(numbers(slow.told), [1, 2, 3, "4 to 301 missed", 302])
      assert.deepStrictEqual(numbers(slower.told), [1, "2 to 297 missed", 298, 299, 300, 301, 302])
      assert.deepStrictEqual(numbers(quick.told), range(1, 302))
    }))

  const traffic = fc.record({
    capacity: fc.integer({ min: 1, max: 5 }),
    maxBytes: fc.integer({ min: small - 1, max: 5 * small }),
    strategy: fc.constantFrom(
      "sliding" as const,
      "dropping" as const,
      "sampling" as const,
      "unbounded" as const
    ),
    steps: fc.array(fc.record({ happen: fc.nat(6), read: fc.nat(4) }), { maxLength: 12 })
  })

  /** Checks that all items together have each number once, with its event or as lost. */
  const spelledOut = (told: ReadonlyArray<Told>): ReadonlyArray<number> =>
    told.flatMap((event) => {
      if (event._tag !== "Lagged") return [event.sequence]
      assert.isAtMost(event.from, event.to, "where nothing is missed nothing is told")
      return range(event.from, event.to)
    })

  it.effect("hears of each number once, with its event or as missed, however it reads", () =>
    forAll(traffic, 200, ({ capacity, maxBytes, steps, strategy }) =>
      Effect.scoped(Effect.gen(function*() {
        const { monitor } = yield* start
        const permits = yield* Queue.unbounded<void>()
        const stream = yield* monitor.subscribe({ capacity, maxBytes, strategy })
        const { told } = yield* consume(stream, Queue.take(permits))
        for (const step of steps) {
          yield* happen(monitor, step.happen)
          for (let i = 0; i < step.read; i++) Queue.offerUnsafe(permits, undefined)
          yield* turn
        }
        for (let i = 0; i < 100; i++) Queue.offerUnsafe(permits, undefined)
        yield* turn
        const last = steps.reduce((sum, { happen }) => sum + happen, 0)
        assert.deepStrictEqual(spelledOut(told), range(1, last))
        if (strategy === "unbounded") assert.isFalse(told.some(({ _tag }) => _tag === "Lagged"))
      }))))
})

describe("consumers", () => {
  scenario("are listed with how they keep up, by their names", (monitor) =>
    Effect.gen(function*() {
      const stuck = Latch.makeUnsafe()
      const unread = yield* monitor.subscribe({ name: "unread", capacity: 3, strategy: "dropping" })
      yield* consume(yield* monitor.subscribe({ capacity: 4 }), stuck.await)
      yield* consume(monitor.watch({ name: "a page", strategy: "unbounded" }))
      yield* turn
      yield* happen(monitor, 1)
      yield* happen(monitor, 9)
      const all = [
        { name: "unread", strategy: "dropping", capacity: 3, maxBytes, bytes: 3 * small, behind: 10, missed: 7 },
        { name: "consumer 2", strategy: "sliding", capacity: 4, maxBytes, bytes: 4 * small, behind: 10, missed: 5 },
        {
          name: "a page",
          strategy: "unbounded",
          capacity: Infinity,
          maxBytes: Infinity,
          bytes: 0,
          behind: 0,
          missed: 0
        }
      ]
      assert.deepStrictEqual<unknown>(yield* monitor.consumers, all)
      yield* stuck.open
      yield* consume(unread)
      yield* turn
      const caughtUp = all.map((consumer) => ({ ...consumer, behind: 0, bytes: 0 }))
      assert.deepStrictEqual<unknown>(yield* monitor.consumers, caughtUp)
    }))

  scenario("are not listed any more when they have left, and their streams end", (monitor) =>
    Effect.gen(function*() {
      const stream = yield* Effect.scoped(Effect.gen(function*() {
        const stream = yield* monitor.subscribe()
        yield* happen(monitor, 2)
        assert.strictEqual((yield* monitor.consumers).length, 1)
        return stream
      }))
      assert.deepStrictEqual(yield* monitor.consumers, [])
      yield* happen(monitor, 2)
      assert.deepStrictEqual(numbers(yield* Stream.runCollect(stream)), [1, 2])
    }))

  scenario(
    "that are stuck, or whose streams are never run, keep no more than they may",
    (monitor) =>
      Effect.gen(function*() {
        for (const strategy of ["sliding", "dropping", "sampling"] as const) {
          yield* Effect.asVoid(monitor.subscribe({ capacity: 100, strategy }))
          yield* consume(yield* monitor.subscribe({ capacity: 100, strategy }), Effect.never)
          yield* consume(monitor.watch({ capacity: 100, strategy }), Effect.never)
        }
        yield* turn
        const data = (n: number) => ({ n, text: `${n}`.repeat(10) })
        const burst = (from: number) => {
          for (let n = from; n < from + 1_000; n++) {
            monitor.emit({ _tag: "Publish", clientId: null, channel: "/a" as never, data: data(n) }, n)
          }
          monitor.flush()
        }
        const happened = (count: number) =>
          Effect.forEach(
            Array.from({ length: count }, (_, i) => i * 1_000),
            (from) => Effect.andThen(Effect.sync(() => burst(from)), turn),
            { discard: true }
          )
        yield* happened(10)
        const before = heapInUse()
        yield* happened(200)
        assert.isBelow(heapInUse() - before, 4_000_000, "200,000 events are 50 MB")
        for (const { behind } of yield* monitor.consumers) assert.strictEqual(behind, 210_000)
      })
  )
})

describe("the hub", () => {
  scenario(
    "is full when nobody gets his turn: consumers are told what they have missed, and nobody has waited",
    (monitor) =>
      Effect.gen(function*() {
        const { told } = yield* consume(yield* monitor.subscribe({ strategy: "unbounded" }))
        for (let n = 1; n <= 1_000; n++) {
          monitor.emit(event(n), 0)
          monitor.flush()
        }
        yield* turn
        assert.deepStrictEqual(numbers(told).slice(0, 3), [1, "2 to 744 missed", 745])
        assert.strictEqual(numbers(told).at(-1), 1_000)
        yield* happen(monitor, 1)
        assert.strictEqual(numbers(told).at(-1), 1_001)
      })
  )
})

describe("the end of the service", () => {
  stopping(
    "ends each stream when all is read, what happened in the last turn included",
    (monitor, stop) =>
      Effect.gen(function*() {
        const reading = yield* consume(yield* monitor.subscribe())
        const unread = yield* monitor.subscribe({ strategy: "unbounded" })
        const events = yield* Effect.forkScoped(Stream.runCollect(monitor.events), { startImmediately: true })
        yield* happen(monitor, 2)
        monitor.emit(event(3), 0)
        yield* stop
        yield* Fiber.join(reading.fiber)
        assert.deepStrictEqual(numbers(reading.told), [1, 2, 3])
        assert.deepStrictEqual(numbers(yield* Stream.runCollect(unread)), [1, 2, 3])
        assert.deepStrictEqual(numbers(yield* Fiber.join(events)), [1, 2, 3])
      })
  )

  for (
    const [strategy, expected] of [
      ["sliding", ["1 to 3 missed", 4, 5]],
      ["dropping", [1, 2, "3 to 5 missed"]]
    ] as const
  ) {
    stopping(
      `has a consumer told what it has missed until then, with a buffer that is ${strategy}`,
      (monitor, stop) =>
        Effect.gen(function*() {
          const stream = yield* monitor.subscribe({ capacity: 2, strategy })
          yield* happen(monitor, 5)
          yield* stop
          assert.deepStrictEqual<unknown>(numbers(yield* Stream.runCollect(stream)), expected)
        })
    )
  }

  stopping("is the end of a stream that begins after it as well", (monitor, stop) =>
    Effect.gen(function*() {
      yield* happen(monitor, 2)
      yield* stop
      const late = yield* Effect.forkScoped(Stream.runCollect(monitor.events), { startImmediately: true })
      yield* until("the end of a late stream", () => late.pollUnsafe() !== undefined)
      assert.deepStrictEqual(numbers(yield* Fiber.join(late)), [])
    }))
})

describe("in a service", () => {
  const layer = layerTransports.pipe(
    Layer.provideMerge(Bayeux.layer({ timeout: 1_000 })),
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer({ node: "n1" })))
  )

  it.effect("events have the time at which they happened, the same for all of a turn", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const events = yield* record
      yield* TestClock.adjust(40)
      const { clientId } = yield* Client.make(bayeux)
      yield* TestClock.adjust(2)
      yield* ask(bayeux, { channel: "/meta/subscribe", clientId, subscription: ["/a", "/b"] })
      yield* TestClock.adjust(10_000)
      yield* until("the end", () => events.some(({ _tag }) => _tag === "Disconnect"))
      const places = events.map((event) =>
        event._tag === "Lagged" ? event : [event._tag, event.sequence, event.at, event.node]
      )
      assert.deepStrictEqual<unknown>(places, [
        ["Handshake", 1, 40, "n1"],
        ["Subscribe", 2, 42, "n1"],
        ["Subscribe", 3, 42, "n1"],
        ["Unsubscribe", 4, 2_040, "n1"],
        ["Unsubscribe", 5, 2_040, "n1"],
        ["Disconnect", 6, 2_040, "n1"]
      ])
    }).pipe(Effect.provide(layer)))

  it.effect("a blocked consumer delays no delivery, and gets a report of its loss when it continues", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const monitor = yield* Monitor.Monitor
      const stuck = Latch.makeUnsafe()
      const slow = yield* consume(yield* monitor.subscribe({ capacity: 10 }), stuck.await)
      yield* Effect.asVoid(monitor.subscribe({ capacity: 1 }))
      yield* consume(monitor.watch({ capacity: 10, strategy: "sampling" }), Effect.never)
      const quick = yield* consume(yield* monitor.subscribe({ capacity: 10 }))
      const client = yield* Client.subscribed(bayeux, "/a")
      const peer = client.socket()
      const application = yield* bayeux.subscription("/a")
      yield* until("the stuck one to be stuck", () => slow.told.length === 1)
      for (let n = 1; n <= 500; n++) {
        yield* bayeux.publish("/a", n)
        yield* until("a delivery", () => peer.data.length === n)
        if (n % 5 === 0) yield* turn
      }
      assert.deepStrictEqual(slow.told.length, 1, "it is still stuck")
      assert.deepStrictEqual(peer.data, range(1, 500))
      const heard = yield* application.pipe(Stream.take(500), Stream.runCollect)
      assert.deepStrictEqual(heard.map(({ data }) => data), range(1, 500))
      const last = 2 + 2 + 500
      yield* until("the quick one to be told", () => quick.told.length >= last)
      assert.deepStrictEqual(numbers(quick.told), range(1, last))
      yield* stuck.open
      yield* until("the slow one to be told", () => slow.told.length === 12)
      assert.deepStrictEqual(numbers(slow.told), [1, `2 to ${last - 10} missed`, ...range(last - 9, last)])
    }).pipe(Effect.provide(layer)))

  it.effect("a consumer that never reads keeps neither held connects nor sessions from their ends", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const monitor = yield* Monitor.Monitor
      yield* Effect.asVoid(monitor.subscribe({ capacity: 1, strategy: "dropping" }))
      const stream = yield* monitor.subscribe({ capacity: 1 })
      yield* Effect.forkScoped(Stream.runForEach(stream, () => Effect.never))
      const poll = (yield* Client.make(bayeux)).poll()
      yield* TestClock.adjust(1_000)
      yield* turn
      assert.strictEqual(poll.frames.length, 1)
      yield* TestClock.adjust(1_000)
      yield* turn
      assert.deepStrictEqual(yield* bayeux.sessions, [])
    }).pipe(Effect.provide(layer)))
})
