/** Sessions of the running service: their connects, their ends, and what is told of them. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { answer, ask, Client, connect, exchange, handshake, plain, record, toldIn, turn } from "../engine/laws.ts"
import { collect, pass, scenario } from "./scenario.ts"

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
