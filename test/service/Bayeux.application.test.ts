/** The application as publisher and subscriber. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import type { Delivery } from "../../src/core/Message.ts"
import { ask, Client, eventually, failure, record, toldIn, turn, until } from "../engine/laws.ts"
import { collect, pass, scenario } from "./scenario.ts"

describe("publish", () => {
  scenario(
    "gives a message to subscribers, as the application's, with no session behind it",
    (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        const client = yield* Client.subscribed(bayeux, "/a")
        const peer = client.socket()
        yield* bayeux.publish("/a", { x: [1, null] })
        yield* until("the message", () => peer.data.length > 0)
        assert.deepStrictEqual<unknown>(peer.deliveries, [{ channel: "/a", data: { x: [1, null] } }])
        assert.deepStrictEqual((yield* toldIn(bayeux, events)).slice(2), [
          { _tag: "Publish", clientId: null, channel: "/a", data: { x: [1, null] } }
        ])
      })
  )

  scenario("copies its data, as JSON would", (bayeux) =>
    Effect.gen(function*() {
      const { messages } = yield* collect(bayeux, "/a")
      const data = { list: [1], at: new Date(0), skipped: undefined }
      yield* bayeux.publish("/a", data as never)
      data.list.push(2)
      yield* until("the message", () => messages.length > 0)
      assert.deepStrictEqual<unknown>(messages, [
        { channel: "/a", data: { list: [1], at: "1970-01-01T00:00:00.000Z" } }
      ])
    }))

  const circle: { self?: unknown } = {}
  circle.self = circle
  for (
    const [name, data] of [
      ["undefined", undefined],
      ["a function", () => 1],
      ["a symbol", Symbol("x")],
      ["a bigint", 1n],
      ["a circle", circle]
    ] as const
  ) {
    scenario(`refuses data that is not JSON: ${name}`, (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        const error = yield* failure(bayeux.publish("/a", data as never))
        assert.strictEqual(error._tag, "BayeuxRequestRefused")
        assert.match(error.message, /^Publishing to "\/a" was refused: its data is not JSON \(.+\): give a value that/s)
        assert.deepStrictEqual(yield* toldIn(bayeux, events), [])
      }))
  }

  for (
    const [channel, error] of [
      ["/a/*", "405:/a/*:Invalid channel"],
      ["no slash", "405:no slash:Invalid channel"],
      ["", "402:channel:Missing required parameter"],
      ["/meta/connect", "402:clientId:Missing required parameter"],
      ["/meta/x", "403:/meta/x:Forbidden channel"],
      ["/x".repeat(65), `405:${"/x".repeat(50)}...:Too many channel segments`]
    ] as const
  ) {
    scenario(`is refused as it would be for a client: ${channel.slice(0, 20)}`, (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        const refusal = yield* failure(bayeux.publish(channel, 1))
        assert.strictEqual(refusal._tag, "BayeuxRequestRefused")
        assert.strictEqual(refusal.error, error)
        assert.strictEqual(refusal.message, `Publishing to "${channel}" was refused: ${error}`)
        assert.deepStrictEqual(yield* toldIn(bayeux, events), [])
      }))
  }
})

describe("subscribe", () => {
  scenario(
    "is a stream of the messages on a channel or pattern, service channels as well",
    (bayeux) =>
      Effect.gen(function*() {
        const patterns = ["/a/b", "/a/*", "/**", "/service/x", "/service/*", "/service/**"]
        const heard = yield* Effect.forEach(patterns, (pattern) => collect(bayeux, pattern))
        for (const channel of ["/a/b", "/a/b/c", "/service/x", "/service/x/y", "/b"]) {
          yield* ask(bayeux, { channel, data: channel })
        }
        yield* turn
        assert.deepStrictEqual(heard.map(({ data }) => data()), [
          ["/a/b"],
          ["/a/b"],
          ["/a/b", "/a/b/c", "/b"],
          ["/service/x"],
          ["/service/x"],
          ["/service/x", "/service/x/y"]
        ])
      })
  )

  scenario("gives messages that are built anew from channel, data and id", (bayeux) =>
    Effect.gen(function*() {
      const { messages } = yield* collect(bayeux, "/a")
      const { clientId } = yield* Client.make(bayeux)
      yield* ask(bayeux, { channel: "/a", data: null, id: 3, clientId, ext: { token: "secret" }, successful: true })
      yield* until("the message", () => messages.length > 0)
      assert.deepStrictEqual<unknown>(messages, [{ channel: "/a", data: null, id: 3 }])
    }))

  scenario("begins when the stream is run and ends with it, a session of its own", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      const stream = bayeux.subscribe("/a").pipe(Stream.take(1), Stream.runCollect)
      yield* bayeux.publish("/a", "too early")
      assert.deepStrictEqual(yield* bayeux.sessions, [])
      const running = yield* Effect.forkChild(stream, { startImmediately: true })
      const [clientId] = yield* eventually("the session", Effect.map(bayeux.subscribers("/a"), (all) => all[0] && all))
      yield* bayeux.publish("/a", "in time")
      yield* bayeux.publish("/a", "too late")
      assert.deepStrictEqual<unknown>(yield* Fiber.join(running), [{ channel: "/a", data: "in time" }])
      assert.deepStrictEqual(yield* bayeux.sessions, [])
      const cause = { _tag: "ClientRequest" }
      assert.deepStrictEqual((yield* toldIn(bayeux, events)).filter(({ _tag }) => _tag !== "Publish"), [
        { _tag: "Handshake", clientId },
        { _tag: "Subscribe", clientId, channel: "/a" },
        { _tag: "Unsubscribe", clientId, channel: "/a", cause, withSession: true },
        { _tag: "Disconnect", clientId, cause }
      ])
    }))

  scenario(
    "is in place when the effect ends, where it is asked for as a subscription",
    (bayeux) =>
      Effect.gen(function*() {
        const stream = yield* bayeux.subscription("/a")
        yield* bayeux.publish("/a", 1)
        yield* bayeux.publish("/a", 2)
        assert.deepStrictEqual((yield* stream.pipe(Stream.take(2), Stream.runCollect)).map(({ data }) => data), [1, 2])
      })
  )

  scenario("ends its session with the scope of a subscription, read or not", (bayeux) =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.andThen(bayeux.subscription("/a"), bayeux.publish("/a", 1)))
      assert.deepStrictEqual(yield* bayeux.sessions, [])
      assert.deepStrictEqual(yield* bayeux.subscribers("/a"), [])
    }))

  scenario("does not time out", (bayeux) =>
    Effect.gen(function*() {
      const { data } = yield* collect(bayeux, "/a")
      yield* pass(1_000_000)
      yield* bayeux.publish("/a", "still there")
      yield* until("the message", () => data().length === 1)
      assert.strictEqual((yield* bayeux.sessions).length, 1)
    }), { timeout: 1_000 })

  for (
    const [pattern, error] of [
      ["/meta/*", "403:/meta/*:Forbidden channel"],
      ["/meta/connect", "403:/meta/connect:Forbidden channel"],
      ["a", "405:a:Invalid channel"],
      ["", "402:subscription:Missing required parameter"],
      ["/*/a", "405:/*/a:Invalid channel"]
    ] as const
  ) {
    scenario(`is refused and leaves nothing behind: "${pattern}"`, (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        for (const stream of [bayeux.subscribe(pattern), Stream.unwrap(bayeux.subscription(pattern))]) {
          const refusal = yield* failure(Stream.runDrain(stream))
          assert.strictEqual(refusal._tag, "BayeuxRequestRefused")
          assert.strictEqual(refusal.message, `Subscribing to "${pattern}" was refused: ${error}`)
          assert.deepStrictEqual(yield* bayeux.sessions, [])
        }
        const told = yield* toldIn(bayeux, events)
        assert.deepStrictEqual(told.map(({ _tag }) => _tag), ["Handshake", "Disconnect", "Handshake", "Disconnect"])
      }))
  }

  const take = (stream: Stream.Stream<Delivery>, count: number) =>
    Effect.map(stream.pipe(Stream.take(count), Stream.runCollect), (all) => all.map(({ data }) => data))

  for (
    const [name, options, kept] of [
      ["without bounds keeps all", undefined, [1, 2, 3, 4, 5, 6]],
      ["that slides loses the oldest", { bufferSize: 2, strategy: "sliding" }, [4, 5, 6]],
      ["that drops loses the newest", { bufferSize: 2, strategy: "dropping" }, [1, 2, 6]]
    ] as const
  ) {
    scenario(`has a buffer for a consumer that is slow; one ${name} and goes on`, (bayeux) =>
      Effect.gen(function*() {
        const stream = yield* bayeux.subscription("/a", options)
        for (const n of [1, 2, 3, 4, 5]) yield* bayeux.publish("/a", n)
        yield* turn
        const first = yield* take(stream, kept.length - 1)
        yield* bayeux.publish("/a", 6)
        assert.deepStrictEqual<unknown>([...first, ...yield* take(stream, 1)], kept)
      }))
  }
})
