/** The end of the service, and failures of our own. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Logger, Scope, Stream } from "effect"
import type { Delivery } from "../../src/core/Message.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import type * as Bayeux from "../../src/service/Bayeux.ts"
import {
  Client,
  connect,
  eventually,
  exchange,
  Peer,
  plain,
  record,
  toldIn,
  turn,
  until,
  wholeService
} from "../engine/laws.ts"
import { collect, layer, pass, type Scenario, type Service } from "./scenario.ts"

describe("the end of the service", () => {
  const start = (options?: Bayeux.BayeuxOptions) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer(options), scope)
      const events = yield* Effect.provideContext(record, Context.pick(Monitor.Monitor)(context))
      const bayeux = yield* Effect.provideContext(wholeService, context)
      const monitor = Context.get(context, Monitor.Monitor)
      return { bayeux, events, monitor, stop: Scope.close(scope, Exit.void) }
    })

  it.effect("ends each session with its subscriptions, once, with the cause Shutdown", () =>
    Effect.gen(function*() {
      const { bayeux, events, stop } = yield* start()
      const [detached, attached] = [yield* Client.subscribed(bayeux, "/a"), yield* Client.make(bayeux)]
      attached.socket()
      const { fiber } = yield* collect(bayeux, "/service/*")
      const local = (yield* bayeux.subscribers("/service/x"))[0]
      yield* stop
      yield* Fiber.join(fiber)
      const cause = { _tag: "Shutdown" }
      const ends = events.map(plain).filter((event) => "cause" in event)
      const endsOf = (clientId: unknown) => ends.filter((event) => event["clientId"] === clientId)
      assert.deepStrictEqual(endsOf(detached.clientId), [
        { _tag: "Unsubscribe", clientId: detached.clientId, channel: "/a", cause, withSession: true },
        { _tag: "Disconnect", clientId: detached.clientId, cause }
      ])
      assert.deepStrictEqual(endsOf(attached.clientId), [{ _tag: "Disconnect", clientId: attached.clientId, cause }])
      assert.deepStrictEqual(endsOf(local), [
        { _tag: "Unsubscribe", clientId: local, channel: "/service/*", cause, withSession: true },
        { _tag: "Disconnect", clientId: local, cause }
      ])
      assert.strictEqual(ends.length, 5)
      assert.deepStrictEqual(yield* bayeux.sessions, [])
    }))

  it.effect("answers connects that are held and tells their clients to begin again in a moment", () =>
    Effect.gen(function*() {
      const { bayeux, stop } = yield* start()
      const [one, other] = [yield* Client.subscribed(bayeux, "/a"), yield* Client.make(bayeux)]
      const [poll, open] = [one.poll(), other.socket()]
      exchange(bayeux, { channel: "/a", data: "last words" })
      yield* stop
      const reply = (clientId: string) => ({
        channel: "/meta/connect",
        successful: false,
        error: `401:${clientId}:Unknown client`,
        advice: { reconnect: "handshake", interval: 1_000 }
      })
      assert.deepStrictEqual<unknown>(poll.messages, [reply(one.clientId), { channel: "/a", data: "last words" }])
      assert.deepStrictEqual<unknown>(open.messages, [reply(other.clientId)])
      assert.strictEqual(open.end, "SessionEnded")
    }))

  it.effect("ends the application's streams when they have given all they had", () =>
    Effect.gen(function*() {
      const { bayeux, stop } = yield* start()
      const subscription = yield* bayeux.subscription("/a")
      const running = yield* Effect.forkChild(Stream.runCollect(bayeux.subscribe("/a")), { startImmediately: true })
      yield* eventually("both", Effect.map(bayeux.subscribers("/a"), ({ length }) => length === 2 || undefined))
      yield* bayeux.publish("/a", 1)
      yield* bayeux.publish("/a", 2)
      yield* stop
      const dataOf = (messages: ReadonlyArray<Delivery>) => messages.map(({ data }) => data)
      assert.deepStrictEqual(dataOf(yield* Fiber.join(running)), [1, 2])
      assert.deepStrictEqual(dataOf(yield* Stream.runCollect(subscription)), [1, 2])
    }))

  it.effect("gives the application's streams what arrived last, at the very moment of the end", () =>
    Effect.gen(function*() {
      const { bayeux, stop } = yield* start()
      const subscription = yield* bayeux.subscription("/a")
      const peer = new Peer(bayeux, { kind: "exchange" })
      yield* Effect.andThen(Effect.sync(() => peer.send({ channel: "/a", data: "last words" })), stop)
      assert.deepStrictEqual((yield* Stream.runCollect(subscription)).map(({ data }) => data), ["last words"])
    }))

  for (
    const [name, request] of [
      ["publish", (bayeux: Service) => bayeux.publish("/a", 1)],
      ["subscription", (bayeux: Service) => Effect.asVoid(Effect.scoped(bayeux.subscription("/a")))]
    ] as const
  ) {
    it.effect(`fails a ${name} that comes after it, which does not wait in vain`, () =>
      Effect.gen(function*() {
        const { bayeux, stop } = yield* start()
        yield* stop
        const late = yield* Effect.forkDetach(Effect.exit(request(bayeux)), { startImmediately: true })
        yield* until("an end", () => late.pollUnsafe() !== undefined)
        assert.isTrue(Exit.isFailure(yield* Fiber.join(late)))
      }))
  }

  it.effect("ends the monitors' streams when they have told all, the end itself included", () =>
    Effect.gen(function*() {
      const { bayeux, monitor, stop } = yield* start()
      const stream = yield* monitor.subscribe()
      const { clientId } = yield* Client.make(bayeux)
      yield* stop
      const told = (yield* Stream.runCollect(stream)).map(plain)
      assert.deepStrictEqual(told, [
        { _tag: "Handshake", clientId },
        { _tag: "Disconnect", clientId, cause: { _tag: "Shutdown" } }
      ])
    }))
})

describe("a failure", () => {
  const log: Array<string> = []
  const logged = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])

  const failing = (sentence: string, run: Scenario): void =>
    it.effect(sentence, () => {
      log.length = 0
      return Effect.provide(Effect.flatMap(wholeService, run), Layer.provideMerge(layer({ timeout: 1_000 }), logged))
    })

  const broken = () => {
    throw new Error("broken")
  }

  for (
    const [name, sink] of [
      ["throws when it is written to", { send: broken }],
      ["throws when it is written to and when it is closed", { send: broken, close: broken }],
      ["throws when it is told its session", { bound: broken }]
    ] as const
  ) {
    failing(
      `of a sink that ${name} harms no other connection, before it or behind it`,
      (bayeux) =>
        Effect.gen(function*() {
          const clients = yield* Effect.forEach([1, 2, 3], () => Client.subscribed(bayeux, "/a"))
          const [before, itself, behind] = clients as [Client, Client, Client]
          before.socket()
          const peer = new Peer(bayeux, { kind: "socket" }, sink).send(connect(itself.clientId, "socket"))
          behind.socket()
          const held = (yield* Client.make(bayeux)).poll()
          for (const data of [1, 2]) {
            exchange(bayeux, { channel: "/a", data })
            yield* turn
          }
          assert.deepStrictEqual([before.heard, behind.heard], [[1, 2], [1, 2]])
          yield* pass(1_000)
          assert.strictEqual(held.frames.length, 1, "time goes on")
          assert.isAbove(log.length, 0, "it is logged")
          peer.cut()
        })
    )
  }

  failing("of a sink when it is closed harms no other connection", (bayeux) =>
    Effect.gen(function*() {
      const clients = yield* Effect.forEach([1, 2], () => Client.subscribed(bayeux, "/a"))
      const [itself, other] = clients as [Client, Client]
      new Peer(bayeux, { kind: "socket" }, { close: broken }).send(connect(itself.clientId, "socket"))
      const peer = other.socket()
      yield* turn
      assert.isTrue(yield* bayeux.disconnect(itself.clientId, "test"))
      exchange(bayeux, { channel: "/a", data: 1 })
      yield* turn
      assert.deepStrictEqual(peer.data, [1])
      exchange(bayeux, { channel: "/a", data: 2 })
      yield* turn
      assert.deepStrictEqual(peer.data, [1, 2])
    }))

  failing(
    "of a sink ends with its connection: the session goes on over the next one",
    (bayeux) =>
      Effect.gen(function*() {
        const client = yield* Client.subscribed(bayeux, "/a")
        let closed: unknown
        const sink = { send: broken, close: (reason: unknown) => void (closed = reason) }
        const peer = new Peer(bayeux, { kind: "socket" }, sink).send(connect(client.clientId, "socket"))
        exchange(bayeux, { channel: "/a", data: 1 })
        yield* turn
        assert.strictEqual(closed, "ServerError")
        peer.cut()
        yield* bayeux.publish("/a", 2)
        yield* client.pollsUntil(2)
      })
  )

  failing(
    "of one who listens in the application harms no other, and ends its session",
    (bayeux) =>
      Effect.gen(function*() {
        const { data } = yield* collect(bayeux, "/a")
        const stream = bayeux.subscribe("/a").pipe(Stream.runForEach(() => Effect.sync(broken)))
        const failed = yield* Effect.forkChild(Effect.exit(stream), { startImmediately: true })
        yield* eventually("both", Effect.map(bayeux.subscribers("/a"), ({ length }) => length === 2 || undefined))
        yield* bayeux.publish("/a", 1)
        assert.isTrue(Exit.isFailure(yield* Fiber.join(failed)))
        yield* bayeux.publish("/a", 2)
        yield* until("both messages", () => data().length === 2)
        assert.strictEqual((yield* bayeux.sessions).length, 1)
      })
  )

  failing("of one who monitors harms no delivery and no other monitor", (bayeux) =>
    Effect.gen(function*() {
      const monitor = yield* Monitor.Monitor
      const events = yield* record
      const stream = yield* monitor.subscribe()
      const failed = yield* Effect.forkChild(Effect.exit(Stream.runForEach(stream, () => Effect.sync(broken))))
      const client = yield* Client.subscribed(bayeux, "/a")
      client.socket()
      assert.isTrue(Exit.isFailure(yield* Fiber.join(failed)))
      yield* bayeux.publish("/a", 1)
      yield* client.hears(1)
      const told = yield* toldIn(bayeux, events)
      assert.deepStrictEqual(told.map(({ _tag }) => _tag), ["Handshake", "Subscribe", "Publish"])
    }))
})
