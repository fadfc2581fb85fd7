/** The running service over the memory engine, under a clock that stands still unless it is moved. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Logger, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import type { Delivery } from "../../src/core/Message.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import type { Transport } from "../../src/service/Transport.ts"
import {
  answer,
  ask,
  Client,
  connect,
  eventually,
  exchange,
  type Failure,
  failure,
  handshake,
  layerTransports,
  Peer,
  plain,
  record,
  socket,
  toldIn,
  turn,
  until
} from "../engine/laws.ts"
import { compileCache } from "../support/compileCache.ts"
import { patience } from "../transport/support.ts"

type Service = Bayeux.Bayeux["Service"]
type Scenario = (
  bayeux: Service
) => Effect.Effect<void, Failure, Bayeux.Bayeux | Engine | Monitor.Monitor | Scope.Scope>

const layerBare = (options: Bayeux.BayeuxOptions = {}) =>
  Bayeux.layer(options).pipe(
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer({ node: "here" })))
  )

const layer = (options?: Bayeux.BayeuxOptions) => Layer.provideMerge(layerTransports, layerBare(options))

const scenario = (sentence: string, run: Scenario, options?: Bayeux.BayeuxOptions): void =>
  it.effect(sentence, () => Effect.provide(Bayeux.Bayeux.use(run), layer(options)))

/** Lets so many milliseconds pass, and everything happen that they bring about. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), turn)

/** Keeps the messages of a local subscription. */
const collect = (bayeux: Service, pattern: string) =>
  Effect.gen(function*() {
    const messages: Array<Delivery> = []
    const stream = yield* bayeux.subscription(pattern)
    const fiber = yield* Effect.forkScoped(
      Stream.runForEach(stream, (message) => Effect.sync(() => void messages.push(message)))
    )
    return { data: () => messages.map(({ data }) => data), fiber, messages }
  })

describe("a held connect", () => {
  for (const kind of ["exchange", "socket"] as const) {
    scenario(
      `is answered when the time-out has passed, to the millisecond, by ${kind}`,
      (bayeux) =>
        Effect.gen(function*() {
          const client = yield* Client.make(bayeux)
          const peer = kind === "exchange" ? client.poll() : client.socket()
          yield* pass(29_999)
          assert.strictEqual(peer.frames.length, 0)
          yield* pass(1)
          const advice = { reconnect: "retry", interval: 0, timeout: 30_000 } as const
          const { clientId } = client
          assert.deepStrictEqual(peer.messages, [{ channel: "/meta/connect", successful: true, clientId, advice }])
          assert.isUndefined(peer.end)
        }),
      { timeout: "30 seconds" }
    )
  }

  for (const [wish, millis] of [[5_000, 5_000], [30_001, 30_000], [1e300, 30_000]] as const) {
    scenario(
      `waits ${millis} ms where the client wishes for ${wish} and the server allows 30,000`,
      (bayeux) =>
        Effect.gen(function*() {
          const poll = (yield* Client.make(bayeux)).poll(wish)
          yield* pass(millis - 1)
          assert.strictEqual(poll.frames.length, 0)
          yield* pass(1)
          assert.strictEqual(poll.frames.length, 1)
        }),
      { timeout: 30_000 }
    )
  }

  scenario(
    "is not held at all if the client does not wish to wait, or sent other messages with it",
    (bayeux) =>
      Effect.gen(function*() {
        const client = yield* Client.make(bayeux)
        const poll = client.poll(0)
        yield* turn
        assert.strictEqual(poll.frames.length, 1)
        const batch = yield* answer(bayeux, { channel: "/a", data: 1 }, connect(client.clientId, "exchange"))
        assert.deepStrictEqual(batch.map(({ channel }) => channel), ["/a", "/meta/connect"])
      })
  )

  scenario("is answered at once by the next connect of its session", (bayeux) =>
    Effect.gen(function*() {
      const client = yield* Client.make(bayeux)
      const first = client.poll()
      yield* pass(10)
      const second = client.poll()
      yield* turn
      assert.deepStrictEqual([first.frames.length, second.frames.length], [1, 0])
      assert.isTrue(first.replies[0]?.successful)
    }))

  scenario("waits for its own time, whatever the others wait for", (bayeux) =>
    Effect.gen(function*() {
      const answeredAt: Array<readonly [wish: number, at: number]> = []
      const wishes = [700, 100, 400, 100, 999]
      const clients = yield* Effect.forEach(wishes, () => Client.make(bayeux))
      const polls = clients.map((client, i) => client.poll(wishes[i]))
      for (let now = 1; now <= 1_000; now++) {
        yield* pass(1)
        polls.forEach((poll, i) => {
          if (poll.frames.length === 1) answeredAt.push([wishes[i] ?? 0, now])
          poll.frames.length = 0
        })
      }
      assert.deepStrictEqual(answeredAt, [[100, 100], [100, 100], [400, 400], [700, 700], [999, 999]])
    }), { timeout: 1_000 })
})

describe("a session that stays away", () => {
  scenario(
    "ends after exactly twice the time-out, each of its subscriptions with it",
    (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        yield* pass(7)
        const { clientId } = yield* Client.subscribed(bayeux, "/a", "/b/**")
        yield* pass(59_999)
        assert.strictEqual((yield* bayeux.sessions).length, 1)
        assert.strictEqual(events.length, 3)
        yield* pass(1)
        assert.deepStrictEqual(yield* bayeux.sessions, [])
        const cause = { _tag: "Timeout", lastSeen: 7 }
        const [first, second, third, ...more] = events.slice(3)
        const [a, b] = first?._tag === "Unsubscribe" && first.channel === "/a" ? [first, second] : [second, first]
        const place = { at: 60_007, node: "here" }
        assert.sameMembers([a, b].map((event) => event?._tag === "Unsubscribe" ? event.sequence : 0), [4, 5])
        assert.deepInclude(
          a,
          { _tag: "Unsubscribe", clientId, channel: "/a", cause, withSession: true, ...place } as never
        )
        assert.deepInclude(
          b,
          { _tag: "Unsubscribe", clientId, channel: "/b/**", cause, withSession: true, ...place } as never
        )
        assert.deepStrictEqual<unknown>(third, { _tag: "Disconnect", clientId, cause, sequence: 6, ...place })
        assert.deepStrictEqual(more, [])
        yield* pass(200_000)
        assert.strictEqual(events.length, 6)
      }),
    { timeout: "30 seconds" }
  )

  scenario("is counted from its last connect, not from the answer to it", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      const client = yield* Client.make(bayeux)
      yield* pass(1_500)
      client.poll()
      yield* pass(1_000)
      assert.strictEqual(client.peers[0]?.frames.length, 1)
      yield* pass(999)
      assert.strictEqual((yield* bayeux.sessions).length, 1)
      yield* pass(1)
      assert.strictEqual((yield* bayeux.sessions).length, 0)
      const { clientId } = client
      const cause = { _tag: "Timeout", lastSeen: 1_500 }
      assert.deepStrictEqual(events.slice(1).map(plain), [{ _tag: "Disconnect", clientId, cause }])
      assert.strictEqual((yield* ask(bayeux, connect(clientId, "exchange"))).advice?.reconnect, "handshake")
    }), { timeout: 1_000 })

  scenario("ends although its socket is open, and its socket is closed", (bayeux) =>
    Effect.gen(function*() {
      const peer = (yield* Client.make(bayeux)).socket()
      yield* pass(1_999)
      assert.isUndefined(peer.end)
      yield* pass(1)
      assert.strictEqual(peer.end, "SessionEnded")
    }), { timeout: 1_000 })

  scenario("may stay away for the interval longer", (bayeux) =>
    Effect.gen(function*() {
      yield* Client.make(bayeux)
      yield* pass(2_499)
      assert.strictEqual((yield* bayeux.sessions).length, 1)
      yield* pass(1)
      assert.strictEqual((yield* bayeux.sessions).length, 0)
    }), { timeout: 1_000, interval: 500 })

  scenario("may stay away for the session time-out, if there is one", (bayeux) =>
    Effect.gen(function*() {
      yield* Client.make(bayeux)
      yield* pass(59_999)
      assert.strictEqual((yield* bayeux.sessions).length, 1)
      yield* pass(1)
      assert.strictEqual((yield* bayeux.sessions).length, 0)
    }), { timeout: 1_000, sessionTimeout: "1 minute" })

  scenario("ends, and others that connect do not", (bayeux) =>
    Effect.gen(function*() {
      const [silent, alive] = [yield* Client.make(bayeux), yield* Client.make(bayeux)]
      for (let i = 0; i < 5; i++) {
        alive.poll()
        yield* pass(1_000)
      }
      const sessions = yield* bayeux.sessions
      assert.deepStrictEqual(sessions.map(({ clientId }) => clientId as string), [alive.clientId])
      assert.notStrictEqual(silent.clientId, alive.clientId)
    }), { timeout: 1_000 })
})

describe("advice", () => {
  scenario("tells a client when to come back, from the handshake on", (bayeux) =>
    Effect.gen(function*() {
      const advice = { reconnect: "retry", interval: 250, timeout: 10_000 } as const
      const reply = yield* ask(bayeux, handshake)
      assert.deepStrictEqual(reply.advice, advice)
      const connected = yield* ask(bayeux, connect(reply.clientId ?? "", "exchange", 0))
      assert.deepStrictEqual(connected.advice, advice)
    }), { timeout: "10 seconds", interval: 250 })

  scenario(
    "has the client of a stream connect once a time-out, to be answered at once",
    (bayeux) =>
      Effect.gen(function*() {
        const client = yield* Client.subscribed(bayeux, "/a")
        const stream = client.stream()
        const reply = yield* ask(bayeux, connect(client.clientId, "stream"))
        assert.deepStrictEqual(reply.advice, { reconnect: "retry", interval: 10_000, timeout: 0 })
        yield* client.publish("/a", 1)
        yield* client.hears(1)
        assert.deepStrictEqual(stream.data, [1])
      }),
    { timeout: "10 seconds", interval: 250 }
  )
})

describe("sessions", () => {
  scenario("lists all, with what the owner of a server wants to know", (bayeux) =>
    Effect.gen(function*() {
      yield* pass(5)
      const [detached, polling, attached] = [
        yield* Client.subscribed(bayeux, "/a"),
        yield* Client.make(bayeux),
        yield* Client.make(bayeux)
      ]
      yield* pass(5)
      polling.poll()
      attached.socket()
      yield* ask(bayeux, { channel: "/a", data: 1 })
      yield* ask(bayeux, { channel: "/a", data: 2 })
      const local = yield* Effect.forkScoped(Stream.runDrain(bayeux.subscribe("/service/x")), {
        startImmediately: true
      })
      yield* turn
      const sessions = new Map((yield* bayeux.sessions).map(({ clientId, ...info }) => [clientId as string, info]))
      const remote = {
        local: false,
        acknowledges: false,
        identity: undefined,
        createdAt: 5,
        subscriptions: [],
        queueLength: 0
      }
      assert.deepStrictEqual<unknown>([detached, polling, attached].map(({ clientId }) => sessions.get(clientId)), [
        { ...remote, lastSeen: 5, link: "Detached", connectionType: undefined, subscriptions: ["/a"], queueLength: 2 },
        { ...remote, lastSeen: 10, link: "Polling", connectionType: "long-polling" },
        { ...remote, lastSeen: 10, link: "Attached", connectionType: "websocket" }
      ])
      assert.deepStrictEqual<unknown>([...sessions.values()].filter(({ local }) => local), [{
        local: true,
        acknowledges: false,
        identity: undefined,
        createdAt: 10,
        lastSeen: 10,
        link: "Attached",
        connectionType: "in-process",
        subscriptions: ["/service/x"],
        queueLength: 0
      }])
      assert.strictEqual(sessions.size, 4)
      yield* Fiber.interrupt(local)
      assert.strictEqual((yield* bayeux.sessions).length, 3)
    }))
})

describe("subscribers", () => {
  scenario(
    "are the sessions that would get a message, each once, by whatever pattern",
    (bayeux) =>
      Effect.gen(function*() {
        const one = yield* Client.subscribed(bayeux, "/a/b", "/a/*", "/**")
        const other = yield* Client.subscribed(bayeux, "/a/**")
        yield* Client.subscribed(bayeux, "/b", "/a")
        assert.sameMembers<string>([...(yield* bayeux.subscribers("/a/b"))], [one.clientId, other.clientId])
        assert.deepStrictEqual<unknown>(yield* bayeux.subscribers("/x"), [one.clientId])
        assert.deepStrictEqual<unknown>(yield* bayeux.subscribers("/service/x"), [])
        yield* other.unsubscribe("/a/**")
        assert.deepStrictEqual<unknown>(yield* bayeux.subscribers("/a/b"), [one.clientId])
      })
  )

  scenario("are none of what is no channel", (bayeux) =>
    Effect.gen(function*() {
      yield* Client.subscribed(bayeux, "/**", "/a/*")
      for (const channel of ["/a/*", "/**", "a", "", "/a/"]) {
        assert.deepStrictEqual(yield* bayeux.subscribers(channel), [], channel)
      }
    }))
})

describe("disconnect", () => {
  scenario("ends a session and tells its client, which is held, not to come back", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      const client = yield* Client.subscribed(bayeux, "/a")
      const { clientId } = client
      const poll = client.poll()
      assert.isTrue(yield* bayeux.disconnect(clientId, "spam"))
      yield* turn
      const error = `403:${clientId}:spam`
      const advice = { reconnect: "none" } as const
      assert.deepStrictEqual(poll.messages, [
        { channel: "/meta/connect", successful: false, error, advice },
        { channel: "/meta/disconnect", successful: true, clientId, error, advice }
      ])
      const cause = { _tag: "Kicked", reason: "spam" }
      assert.deepStrictEqual((yield* toldIn(bayeux, events)).slice(2), [
        { _tag: "Unsubscribe", clientId, channel: "/a", cause, withSession: true },
        { _tag: "Disconnect", clientId, cause }
      ])
    }))

  scenario("writes what a socket was to get before it closes it", (bayeux) =>
    Effect.gen(function*() {
      const client = yield* Client.subscribed(bayeux, "/a")
      const peer = client.socket()
      exchange(bayeux, { channel: "/a", data: "last words" })
      assert.isTrue(yield* bayeux.disconnect(client.clientId, "spam"))
      yield* turn
      assert.deepStrictEqual(peer.data, ["last words"])
      assert.deepStrictEqual(peer.replies.map(({ advice }) => advice?.reconnect), ["none", "none"])
      assert.strictEqual(peer.end, "SessionEnded")
    }))

  scenario("ends a stream of the application as well", (bayeux) =>
    Effect.gen(function*() {
      const { data, fiber } = yield* collect(bayeux, "/a")
      yield* bayeux.publish("/a", 1)
      const [session] = yield* bayeux.sessions
      assert.isTrue(yield* bayeux.disconnect(session?.clientId ?? "", "enough"))
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(data(), [1])
    }))

  scenario("says so when there is no such session", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      const { clientId } = yield* Client.make(bayeux)
      assert.isTrue(yield* bayeux.disconnect(clientId, "once"))
      for (const name of [clientId, "nobody", "", "__proto__"]) assert.isFalse(yield* bayeux.disconnect(name, "again"))
      assert.strictEqual((yield* toldIn(bayeux, events)).length, 2)
    }))
})

describe("options", () => {
  const errorOf = (options: unknown) =>
    Effect.gen(function*() {
      const context = yield* Effect.scoped(Effect.result(Layer.build(layerBare(options as Bayeux.BayeuxOptions))))
      return context._tag === "Failure" ? `${context.failure._tag}: ${context.failure.message}` : "none"
    })

  const time = "Expected a time above 0, such as \"45 seconds\" or a number of milliseconds"
  const count = "Expected a value greater than or equal to 1"

  for (
    const [options, rule, given, name] of [
      [{ timeuot: 1 }, "Unexpected key", "1", "timeuot"],
      [{ timeout: 0 }, time, "0", "timeout"],
      [{ timeout: -5 }, time, "-5", "timeout"],
      [{ timeout: "soon" }, time, "\"soon\"", "timeout"],
      [{ timeout: Number.NaN }, time, "NaN", "timeout"],
      [{ timeout: "Infinity" }, time, "\"Infinity\"", "timeout"],
      [{ timeout: Number.POSITIVE_INFINITY }, time, "Infinity", "timeout"],
      [{ sessionTimeout: null }, time, "null", "sessionTimeout"],
      [{ extensionTimeout: 0 }, time, "0", "extensionTimeout"],
      [{ interval: -1 }, "Expected a time that is not negative", "-1", "interval"],
      [{ maxQueueLength: 0 }, count, "0", "maxQueueLength"],
      [{ maxQueueLength: 1.5 }, "Expected an integer", "1.5", "maxQueueLength"],
      [{ maxSubscriptions: "many" }, "Expected number", "\"many\"", "maxSubscriptions"],
      [{ maxChannelSegments: -1 }, count, "-1", "maxChannelSegments"]
    ] as const
  ) {
    it.effect(`that are wrong are named with the rule: ${name} of ${given}`, () =>
      Effect.gen(function*() {
        const error = yield* errorOf(options)
        assert.include(error, "OptionsInvalid: The options of Bayeux.layer are not valid: ")
        for (const part of [rule, given, `at ["${name}"]`]) assert.include(error, part)
      }))
  }

  it.effect("that are wrong are all told at once", () =>
    Effect.gen(function*() {
      const error = yield* errorOf({ timeout: 0, maxQueueLength: 0, other: true })
      for (const name of ["timeout", "maxQueueLength", "other"]) assert.include(error, `at ["${name}"]`)
    }))

  it.effect("that are no object are refused", () =>
    Effect.gen(function*() {
      assert.include(yield* errorOf(null), "Expected object, got null")
      assert.include(yield* errorOf("fast"), "Expected object, got \"fast\"")
    }))

  it.effect("may be left out, and times be written in several ways", () =>
    Effect.gen(function*() {
      for (const options of [undefined, {}, { timeout: "1 minute", interval: 0 }, { interval: "0 seconds" }]) {
        assert.strictEqual(yield* errorOf(options), "none")
      }
    }))

  /** Builds a service and connects to it, in a process of its own: whatever becomes of it, this one goes on. */
  const tryOut = (options: Bayeux.BayeuxOptions): Promise<string> => {
    const source = `
      import { Effect, Layer } from "effect"
      import { Bayeux, MemoryEngine, Monitor } from ${JSON.stringify(import.meta.resolve("../../src/index.ts"))}
      const ask = (bayeux, message) => Effect.callback((resume) => {
        const info = { connectionType: "long-polling", kind: "exchange", local: false }
        const sink = { send: (frame) => resume(Effect.succeed(frame.messages[0])), close: () => {} }
        bayeux.open(info, sink).receive([{ connectionType: "long-polling", ...message }])
      })
      const supportedConnectionTypes = ["long-polling"]
      const program = Effect.gen(function*() {
        const bayeux = yield* Bayeux.Bayeux
        yield* bayeux.addTransport({ connectionTypes: supportedConnectionTypes })
        const handshake = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes }
        const { clientId } = yield* ask(bayeux, handshake)
        return (yield* ask(bayeux, { channel: "/meta/connect", clientId })).channel
      })
      const layer = Layer.provide(Bayeux.layer(${JSON.stringify(options)}), [MemoryEngine.layer, Monitor.layer()])
      const outcome = program.pipe(Effect.scoped, Effect.provide(layer))
      console.log(await Effect.runPromise(Effect.catch(outcome, (error) => Effect.succeed(error._tag))))
    `
    const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", source], {
      env: { ...process.env, ...compileCache },
      timeout: patience
    })
    return run.then(({ stdout }) => stdout.trim(), () => "no end")
  }

  it.each([
    [{ timeout: 20, sessionTimeout: 60 }, ["/meta/connect"]],
    [{ timeout: 60, sessionTimeout: 20 }, ["/meta/connect", "OptionsInvalid"]]
  ])(
    "with the times %j are refused, or a connect is answered: the process does not stand still",
    async (options, good) => {
      assert.include(good, await tryOut(options))
    }
  )

  scenario("bound the subscriptions of a session and the depth of a channel", (bayeux) =>
    Effect.gen(function*() {
      const { clientId } = yield* Client.subscribed(bayeux, "/a")
      const subscribe = (subscription: string) => ask(bayeux, { channel: "/meta/subscribe", clientId, subscription })
      assert.strictEqual((yield* subscribe("/b")).error, "403:1:Too many subscriptions")
      assert.strictEqual((yield* subscribe("/b/c/d")).error, "405:/b/c/d:Too many channel segments")
    }), { maxSubscriptions: 1, maxChannelSegments: 2 })
})

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
        assert.strictEqual(error._tag, "RequestRefused")
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
        assert.strictEqual(refusal._tag, "RequestRefused")
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
          assert.strictEqual(refusal._tag, "RequestRefused")
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

describe("the end of the service", () => {
  const start = (options?: Bayeux.BayeuxOptions) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer(options), scope)
      const events = yield* Effect.provideContext(record, Context.pick(Monitor.Monitor)(context))
      const bayeux = Context.get(context, Bayeux.Bayeux)
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

describe("a turn", () => {
  scenario("has the messages for a socket leave in one frame", (bayeux) =>
    Effect.gen(function*() {
      const client = yield* Client.subscribed(bayeux, "/a")
      const peer = client.socket()
      const publish = (...data: ReadonlyArray<number>) =>
        exchange(bayeux, ...data.map((n) => ({ channel: "/a", data: n })))
      publish(1, 2)
      publish(3)
      yield* turn
      publish(4)
      yield* turn
      assert.deepStrictEqual(
        peer.frames.map(({ messages }) => messages.map((message) => "data" in message && message.data)),
        [
          [1, 2, 3],
          [4]
        ]
      )
      assert.strictEqual(peer.frames[1]?.text, `[{"channel":"/a","data":4}]`)
    }))

  scenario("has the answers for a socket and its messages leave in one frame", (bayeux) =>
    Effect.gen(function*() {
      const client = yield* Client.subscribed(bayeux, "/a")
      const peer = client.socket()
      yield* turn
      const { clientId } = client
      peer.send({ channel: "/a", data: 1, clientId, id: "1" }, { channel: "/a", data: 2, clientId, id: "2" })
      yield* turn
      assert.strictEqual(peer.frames.length, 1)
      assert.deepStrictEqual(peer.replies.map(({ id }) => id), ["1", "2"])
      assert.deepStrictEqual(peer.data, [1, 2])
    }))

  scenario("has a held connect answered with all of its messages", (bayeux) =>
    Effect.gen(function*() {
      const client = yield* Client.subscribed(bayeux, "/a")
      const poll = client.poll()
      for (const data of [1, 2, 3]) exchange(bayeux, { channel: "/a", data })
      assert.strictEqual(poll.frames.length, 0)
      yield* turn
      assert.strictEqual(poll.frames.length, 1)
      assert.deepStrictEqual(poll.data, [1, 2, 3])
    }))

  scenario(
    "answers a batch by one response, and one without messages by an empty one",
    (bayeux) =>
      Effect.gen(function*() {
        const batch = exchange(bayeux, { channel: "/a", data: 1 }, null, { channel: "bad" })
        const nothing = exchange(bayeux)
        yield* turn
        assert.deepStrictEqual(batch.frames.map(({ length }) => length), [3])
        assert.deepStrictEqual(nothing.frames.map(({ text }) => text), ["[]"])
      })
  )
})

describe("transports", () => {
  const offered = (bayeux: Service) =>
    Effect.map(ask(bayeux, handshake), ({ error, supportedConnectionTypes }) => error ?? supportedConnectionTypes)

  const websocket: Transport = { connectionTypes: ["websocket"] }
  const polling: Transport = { connectionTypes: ["long-polling", "websocket"] }

  it.effect("are what the handshake offers, as they come and go", () =>
    Effect.gen(function*() {
      const bayeux = yield* Bayeux.Bayeux
      const types = handshake.supportedConnectionTypes
      assert.strictEqual(yield* offered(bayeux), `301:${types.join()}:Connection types not supported`)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* bayeux.addTransport(websocket)
        assert.deepStrictEqual(yield* offered(bayeux), ["websocket"])
        yield* Effect.scoped(Effect.gen(function*() {
          yield* bayeux.addTransport(polling)
          assert.deepStrictEqual(yield* offered(bayeux), ["websocket", "long-polling"])
          assert.deepStrictEqual(bayeux.transports(), [websocket, polling])
        }))
        assert.deepStrictEqual(yield* offered(bayeux), ["websocket"])
      }))
      assert.deepStrictEqual(bayeux.transports(), [])
      assert.strictEqual(yield* offered(bayeux), `301:${types.join()}:Connection types not supported`)
    }).pipe(Effect.provide(layerBare())))

  it.effect("that are gone are not connected by, while their sessions live on", () =>
    Effect.gen(function*() {
      const bayeux = yield* Bayeux.Bayeux
      yield* bayeux.addTransport(websocket)
      const client = yield* Effect.scoped(Effect.andThen(bayeux.addTransport(polling), Client.make(bayeux)))
      const { clientId } = client
      const reply = yield* ask(bayeux, connect(clientId, "exchange", 0))
      assert.strictEqual(reply.error, "301:long-polling:Connection types not supported")
      const peer = socket(bayeux).send(connect(clientId, "socket", 0))
      yield* turn
      assert.isTrue(peer.replies[0]?.successful)
    }).pipe(Effect.provide(layerBare())))
})

describe("a connection", () => {
  scenario("is not listened to any more when it is gone", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      const peer = socket(bayeux)
      peer.cut()
      peer.send({ channel: "/a", data: 1 })
      peer.send(handshake)
      peer.cut()
      assert.deepStrictEqual(yield* toldIn(bayeux, events), [])
      assert.deepStrictEqual(peer.messages, [])
    }))

  scenario(
    "that asks for the stream of a session that does not exist is told so and closed",
    (bayeux) =>
      Effect.gen(function*() {
        const peer = new Peer(bayeux, { kind: "stream" })
        peer.connection.attach("nobody")
        yield* turn
        assert.deepStrictEqual([peer.end, peer.frames.length, peer.boundTo], ["UnknownClient", 1, []])
        assert.deepStrictEqual(peer.messages.map((message) => "advice" in message && message.advice), [{
          reconnect: "handshake",
          interval: 1_000
        }])
      })
  )

  scenario(
    "whose answer cannot be put together gives it back: it goes with the next connect",
    (bayeux) =>
      Effect.gen(function*() {
        const client = yield* Client.subscribed(bayeux, "/a")
        const broken: Peer = new Peer(bayeux, { kind: "exchange" }, {
          send: () => {
            throw new RangeError("Invalid string length")
          },
          close: () => broken.connection.closed()
        })
        broken.send(connect(client.clientId, "exchange"))
        yield* client.publish("/a", 1)
        yield* turn
        yield* client.pollsUntil(1)
        assert.deepStrictEqual(client.heard, [1])
      })
  )

  scenario("may speak for several sessions, each of which gets its messages", (bayeux) =>
    Effect.gen(function*() {
      const [one, other] = [yield* Client.subscribed(bayeux, "/a"), yield* Client.subscribed(bayeux, "/a")]
      const peer = socket(bayeux).send(connect(one.clientId, "socket"))
      yield* turn
      peer.send(connect(other.clientId, "socket"))
      yield* bayeux.publish("/a", 1)
      yield* turn
      assert.deepStrictEqual(peer.boundTo, [one.clientId, other.clientId])
      assert.deepStrictEqual(peer.data, [1, 1])
    }))
})

describe("the end of a server's connections", () => {
  scenario(
    "answers what is held and closes what is open, of this server only; the sessions live on",
    (bayeux) =>
      Effect.gen(function*() {
        const [owner, otherOwner] = [{}, {}]
        const clients = yield* Effect.forEach([1, 2, 3], () => Client.subscribed(bayeux, "/a"))
        const [byPoll, bySocket, byOther] = clients.map(({ clientId }) => clientId) as [string, string, string]
        const poll = new Peer(bayeux, { kind: "exchange", owner }).send(connect(byPoll, "exchange"))
        const open = new Peer(bayeux, { kind: "socket", owner }).send(connect(bySocket, "socket"))
        const other = new Peer(bayeux, { kind: "socket", owner: otherOwner }).send(connect(byOther, "socket"))
        exchange(bayeux, { channel: "/a", data: 1 })
        yield* bayeux.endConnections(owner)
        yield* turn
        for (const peer of [poll, open]) {
          assert.deepStrictEqual(peer.replies.map(({ successful }) => successful), [true])
          assert.deepStrictEqual(peer.data, [1])
          assert.strictEqual(peer.end, "Shutdown")
        }
        assert.deepStrictEqual([other.replies, other.data, other.end], [[], [1], undefined])
        assert.strictEqual((yield* bayeux.sessions).length, 3)
      })
  )
})

describe("a failure", () => {
  const log: Array<string> = []
  const logged = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])

  const failing = (sentence: string, run: Scenario): void =>
    it.effect(sentence, () => {
      log.length = 0
      return Effect.provide(Bayeux.Bayeux.use(run), Layer.provideMerge(layer({ timeout: 1_000 }), logged))
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
