/** Extensions in a running service, under a clock that stands still unless it is moved. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Logger, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import type { Advice } from "../../src/core/Advice.ts"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import * as Message from "../../src/core/Message.ts"
import type { Raw } from "../../src/core/Message.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import { type Extension, type ExtensionContext, type Handler, identify, refuse } from "../../src/service/Extension.ts"
import {
  answer,
  ask,
  Client,
  connect,
  exchange,
  type Failure,
  failure,
  forAll,
  handshake,
  layerTransports,
  Peer,
  record,
  socket,
  toldIn,
  turn,
  until
} from "../engine/laws.ts"

type Service = Bayeux.Bayeux["Service"]
type Scenario = (
  bayeux: Service
) => Effect.Effect<void, Failure, Bayeux.Bayeux | Engine | Monitor.Monitor | Scope.Scope>

const layer = (options?: Bayeux.BayeuxOptions) =>
  layerTransports.pipe(
    Layer.provideMerge(Bayeux.layer(options)),
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
  )

/** What the service has logged in this test. */
const log: Array<string> = []
const logged = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])

const scenario = (sentence: string, run: Scenario, options?: Bayeux.BayeuxOptions): void =>
  it.effect(sentence, () => {
    log.length = 0
    return Effect.provide(Bayeux.Bayeux.use(run), Layer.provideMerge(layer(options), logged))
  })

/** Lets so many milliseconds pass, and everything happen that they bring about. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), turn)

const isOn = (message: Raw, channel: string): boolean => message["channel"] === channel

/** An extension that treats the messages on a channel, and lets all others pass. */
const on = (channel: string, treat: Handler): Handler => (message, context) =>
  isOn(message, channel) ? treat(message, context) : Effect.succeed(message)

const incoming = (incoming: Handler): Extension => ({ name: "test", incoming })
const outgoing = (outgoing: Handler): Extension => ({ name: "test", outgoing })

/** Takes so many milliseconds over each message that has data, as its data says. */
const takingItsTime: Handler = (message) => {
  const data = message["data"]
  return Effect.as(typeof data === "number" && data > 0 ? Effect.sleep(data) : Effect.void, message)
}

const sign = (message: Raw, name: string): Raw => {
  const data = message["data"]
  return typeof data === "string" || typeof data === "number" ? { ...message, data: `${data}${name}` } : message
}

/** Writes its name behind the data of a message. */
const signing = (name: string): Handler => (message) => Effect.succeed(sign(message, name))

const subscriber = (bayeux: Service, pattern = "/a") =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, pattern)
    const peer = client.socket()
    yield* until("the session's socket", () => peer.boundTo.length > 0)
    return peer
  })

describe("an incoming extension", () => {
  scenario("sees a message as it was sent, and may change what becomes of it", (bayeux) =>
    Effect.gen(function*() {
      const peer = yield* subscriber(bayeux)
      const seen: Array<unknown> = []
      yield* bayeux.addExtension(incoming((message) => {
        seen.push(message)
        return Effect.succeed({ ...message, channel: "/a", data: "changed" })
      }))
      const sent = { channel: "/b", data: 1, ext: { token: "x" }, unknown: [null] }
      const reply = yield* ask(bayeux, sent)
      assert.deepStrictEqual(seen, [sent])
      assert.strictEqual(reply.channel, "/a")
      assert.deepStrictEqual(peer.data, ["changed"])
    }))

  scenario("has what it makes of a message decoded, however ill it was formed", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming((message) =>
        Effect.succeed(
          message["op"] === "publish" ? { channel: "/a", data: 1 } : { ...message, data: undefined as never }
        )
      ))
      assert.isTrue((yield* ask(bayeux, { op: "publish" })).successful)
      assert.strictEqual((yield* ask(bayeux, { channel: "/a", data: 1 })).error, "402:data:Missing required parameter")
    }))

  scenario("sees nothing that is not an object; that is refused as ever", (bayeux) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      yield* bayeux.addExtension(incoming((message) => {
        seen.push(message)
        return Effect.succeed(message)
      }))
      for (const message of [null, 5, "text", [{ channel: "/a", data: 1 }], true]) {
        assert.strictEqual((yield* ask(bayeux, message)).error, "400::Bad request")
      }
      assert.deepStrictEqual(seen, [])
    }))

  scenario(
    "is told by which request the message came, and for whom the socket speaks",
    (bayeux) =>
      Effect.gen(function*() {
        const contexts: Array<ExtensionContext> = []
        yield* bayeux.addExtension(incoming(on("/a", (message, context) => {
          contexts.push(context)
          return Effect.succeed(message)
        })))
        const { clientId } = yield* Client.make(bayeux)
        const request = {
          method: "GET",
          url: "/bayeux?x",
          headers: { origin: "http://example.com", cookie: "id=1" },
          remoteAddress: "192.0.2.1"
        }
        const peer = socket(bayeux, { request }).send({ channel: "/a", data: 1 })
        yield* turn
        peer.send(connect(clientId, "socket", 0))
        yield* turn
        peer.send({ channel: "/a", data: 2 })
        yield* turn
        const context = { connectionType: "websocket", local: false, request }
        assert.deepStrictEqual<unknown>(contexts, [{ ...context, clientId: undefined }, { ...context, clientId }])
      })
  )

  scenario("sees the application's messages as well; they have no request", (bayeux) =>
    Effect.gen(function*() {
      const channels: Array<unknown> = []
      const contexts: Array<unknown> = []
      yield* bayeux.addExtension(incoming((message, { connectionType, local, request }) => {
        channels.push(message["channel"])
        contexts.push({ connectionType, local, request })
        return Effect.succeed(message)
      }))
      yield* bayeux.publish("/a", 1)
      yield* Effect.asVoid(Effect.scoped(bayeux.subscription("/a")))
      assert.includeMembers(channels, ["/a", "/meta/handshake", "/meta/subscribe"])
      const inProcess = { connectionType: "in-process", local: true, request: undefined }
      assert.deepStrictEqual(contexts, channels.map(() => inProcess))
    }))
})

describe("several extensions", () => {
  scenario(
    "see each message one after the other, in the order in which they were added, both ways",
    (bayeux) =>
      Effect.gen(function*() {
        const peer = yield* subscriber(bayeux)
        for (const name of ["1", "2", "3"]) {
          yield* bayeux.addExtension({ name, incoming: signing(`<${name}`), outgoing: signing(`>${name}`) })
        }
        yield* ask(bayeux, { channel: "/a", data: "x" })
        yield* until("the message", () => peer.data.length > 0)
        assert.deepStrictEqual(peer.data, ["x<1<2<3>1>2>3"])
      })
  )

  scenario("do not see what one before them has refused or dropped", (bayeux) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      yield* bayeux.addExtension(incoming(on("/refused", () => refuse("no"))))
      yield* bayeux.addExtension(incoming(on("/dropped", () => Effect.undefined)))
      yield* bayeux.addExtension(incoming((message) => {
        seen.push(message["channel"])
        return Effect.succeed(message)
      }))
      yield* answer(bayeux, ...["/refused", "/dropped", "/good"].map((channel) => ({ channel, data: 1 })))
      assert.deepStrictEqual(seen, ["/good"])
    }))
})

describe("a refusal", () => {
  scenario("by a sentence is a 403 for this message and nothing for the others", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      yield* bayeux.addExtension(incoming(on("/secret", () => refuse("Not for you"))))
      const replies = yield* answer(
        bayeux,
        { channel: "/a", data: 1, id: "1" },
        { channel: "/secret", data: 2, id: "2" },
        { channel: "/a", data: 3, id: "3" }
      )
      assert.deepStrictEqual(replies, [
        { channel: "/a", successful: true, id: "1" },
        { channel: "/secret", successful: false, id: "2", error: "403::Not for you" },
        { channel: "/a", successful: true, id: "3" }
      ])
      assert.deepStrictEqual((yield* toldIn(bayeux, events)).map((event) => event["data"]), [1, 3])
      assert.deepStrictEqual(log, [], "it is meant, so it is not logged")
    }))

  scenario("may have a code, arguments and advice of its own", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      const error = BayeuxError.make(407, ["realm", "user"], "Log in first")
      yield* bayeux.addExtension(incoming(on("/meta/handshake", () => refuse(error, { reconnect: "none" }))))
      const reply = yield* ask(bayeux, { ...handshake, id: 9 })
      assert.deepStrictEqual(reply, {
        channel: "/meta/handshake",
        successful: false,
        id: 9,
        version: "1.0",
        supportedConnectionTypes: ["websocket", "long-polling", "eventsource"],
        error: "407:realm,user:Log in first",
        advice: { reconnect: "none" }
      })
      assert.deepStrictEqual(yield* toldIn(bayeux, events), [], "no session has begun")
    }))

  scenario("repeats the subscription that it refuses, and none of it is granted", (bayeux) =>
    Effect.gen(function*() {
      const client = yield* Client.make(bayeux)
      yield* bayeux.addExtension(incoming(on("/meta/subscribe", () => refuse("No"))))
      const { clientId } = client
      const reply = yield* ask(bayeux, { channel: "/meta/subscribe", clientId, subscription: ["/a", "/b"] })
      assert.deepStrictEqual(reply, {
        channel: "/meta/subscribe",
        successful: false,
        clientId,
        subscription: ["/a", "/b"],
        error: "403::No"
      })
      assert.deepStrictEqual(yield* bayeux.subscribers("/a"), [])
    }))

  scenario("of the application's own message fails what it asked for", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming((message) =>
        isOn(message, "/a") || message["subscription"] === "/a" ? refuse("Closed") : Effect.succeed(message)
      ))
      const publishing = yield* failure(bayeux.publish("/a", 1))
      assert.strictEqual(publishing.message, "Publishing to \"/a\" was refused: 403::Closed")
      const subscribing = yield* failure(Effect.scoped(bayeux.subscription("/a")))
      assert.strictEqual(subscribing.message, "Subscribing to \"/a\" was refused: 403::Closed")
      assert.deepStrictEqual(yield* bayeux.sessions, [])
    }))

  scenario("of an answer is what is answered instead", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(outgoing(on("/a", () => refuse("Not said", { reconnect: "none" }))))
      assert.deepStrictEqual(yield* answer(bayeux, { channel: "/a", data: 1, id: "1" }), [
        { channel: "/a", successful: false, id: "1", error: "403::Not said", advice: { reconnect: "none" } }
      ])
    }))
})

describe("a dropped message", () => {
  scenario("is neither carried out nor answered, and the others of its batch are", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      yield* bayeux.addExtension(incoming(on("/b", () => Effect.undefined)))
      const replies = yield* answer(bayeux, ...["/a", "/b", "/c"].map((channel) => ({ channel, data: 1 })))
      assert.deepStrictEqual(replies.map(({ channel }) => channel), ["/a", "/c"])
      assert.deepStrictEqual(yield* answer(bayeux, { channel: "/b", data: 1 }), [])
      assert.deepStrictEqual((yield* toldIn(bayeux, events)).map((event) => event["channel"]), ["/a", "/c"])
    }))

  scenario("of the application fails its publish, which does not wait in vain", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming(on("/a", () => Effect.undefined)))
      const refusal = yield* failure(bayeux.publish("/a", 1))
      assert.strictEqual(refusal.message, "Publishing to \"/a\" was refused: an extension has dropped it")
    }))

  for (const direction of ["incoming", "outgoing"] as const) {
    for (const channel of ["/meta/handshake", "/meta/subscribe", "/meta/connect"]) {
      scenario(
        `leaves no subscription of the application waiting: ${direction} on ${channel}`,
        (bayeux) =>
          Effect.gen(function*() {
            yield* bayeux.addExtension({ name: "test", [direction]: on(channel, () => Effect.undefined) })
            const hearing = Effect.gen(function*() {
              const stream = yield* bayeux.subscription("/a")
              yield* bayeux.publish("/a", 1)
              return yield* stream.pipe(Stream.take(1), Stream.runCollect)
            })
            const fiber = yield* Effect.forkDetach(Effect.exit(Effect.scoped(hearing)))
            yield* until("either a refusal or the message", () => fiber.pollUnsafe() !== undefined)
            if (direction === "incoming") assert.deepStrictEqual(yield* bayeux.sessions, [])
          })
      )
    }
  }

  scenario("is not delivered where it was to go out, and everything else is", (bayeux) =>
    Effect.gen(function*() {
      const peer = yield* subscriber(bayeux, "/**")
      yield* bayeux.addExtension(
        outgoing((message) => Effect.succeed("data" in message && message["data"] === 2 ? undefined : message))
      )
      for (const data of [1, 2, 3]) yield* ask(bayeux, { channel: "/a", data })
      yield* until("the last message", () => peer.data.includes(3))
      assert.deepStrictEqual(peer.data, [1, 3])
    }))
})

describe("an outgoing extension", () => {
  scenario(
    "sees answers and deliveries, of exchanges and sockets, and may change each",
    (bayeux) =>
      Effect.gen(function*() {
        const peer = yield* subscriber(bayeux)
        const polling = yield* Client.subscribed(bayeux, "/a")
        const poll = polling.poll()
        yield* bayeux.addExtension(outgoing((message) => Effect.succeed({ ...message, ext: { signed: true } })))
        const [reply] = yield* answer(bayeux, { channel: "/a", data: 1 })
        assert.deepInclude(reply, { successful: true, ext: { signed: true } } as never)
        yield* until("both deliveries", () => poll.data.length > 0 && peer.data.length > 0)
        assert.deepStrictEqual<unknown>(peer.deliveries, [{ channel: "/a", data: 1, ext: { signed: true } }])
        const [connected, delivery] = poll.messages
        assert.deepInclude(connected, { channel: "/meta/connect", ext: { signed: true } } as never)
        assert.deepStrictEqual<unknown>(delivery, { channel: "/a", data: 1, ext: { signed: true } })
      })
  )

  scenario("changes a message for one subscriber and not for the next", (bayeux) =>
    Effect.gen(function*() {
      const one = new Peer(bayeux, { kind: "socket", connectionType: "websocket" })
      const clients = [yield* Client.subscribed(bayeux, "/a"), yield* Client.subscribed(bayeux, "/a")]
      one.send(connect(clients[0]?.clientId ?? "", "socket"))
      const other = clients[1]?.socket() ?? one
      yield* turn
      yield* bayeux.addExtension(
        outgoing(
          on("/a", (message, { clientId }) => Effect.succeed({ ...message, ext: { for: clientId ?? "nobody" } }))
        )
      )
      yield* bayeux.publish("/a", 1)
      yield* until("both deliveries", () => one.data.length > 0 && other.data.length > 0)
      assert.deepStrictEqual<unknown>([one, other].flatMap(({ deliveries }) => deliveries), [
        { channel: "/a", data: 1, ext: { for: clients[0]?.clientId } },
        { channel: "/a", data: 1, ext: { for: clients[1]?.clientId } }
      ])
    }))

  scenario("sees a message anew when it comes back unwritten, as it was before", (bayeux) =>
    Effect.gen(function*() {
      for (const kind of ["socket", "exchange"] as const) {
        const client = yield* Client.subscribed(bayeux, "/a")
        const broken = kind === "socket" ? client.socket() : client.poll()
        yield* turn
        const signed = outgoing(signing("!"))
        yield* bayeux.addExtension(signed)
        yield* bayeux.publish("/a", "x")
        yield* until("the message", () => broken.data.length > 0)
        broken.cut(1)
        yield* client.pollsUntil("x!")
        assert.deepStrictEqual(client.heard, ["x!"], `after a broken ${kind}`)
        yield* bayeux.removeExtension(signed)
        yield* client.disconnect()
      }
    }))

  scenario(
    "sees the answer to a held connect, its time-out beginning with the answer",
    (bayeux) =>
      Effect.gen(function*() {
        const client = yield* Client.make(bayeux)
        yield* bayeux.addExtension(outgoing((message) => Effect.delay(Effect.succeed({ ...message, ext: 1 }), 100)))
        const poll = client.poll()
        yield* pass(60_099)
        assert.strictEqual(poll.frames.length, 0)
        yield* pass(1)
        assert.deepInclude(poll.messages[0], { channel: "/meta/connect", successful: true, ext: 1 } as never)
      }),
    { timeout: "60 seconds", extensionTimeout: 200 }
  )
})

describe("extensions that take their time", () => {
  scenario("keep the order of a connection's messages and of its answers", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      yield* bayeux.addExtension(incoming(takingItsTime))
      const peer = socket(bayeux)
      const send = (data: number) => peer.send({ channel: "/a", data, id: data })
      send(100)
      send(0)
      send(50)
      send(0)
      yield* pass(99)
      assert.deepStrictEqual(peer.messages, [])
      yield* pass(1)
      assert.deepStrictEqual(peer.replies.map(({ id }) => id), [100, 0])
      yield* pass(50)
      assert.deepStrictEqual(peer.replies.map(({ id }) => id), [100, 0, 50, 0])
      assert.deepStrictEqual((yield* toldIn(bayeux, events)).map((event) => event["data"]), [100, 0, 50, 0])
    }))

  scenario("hold up nobody on another connection", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming(takingItsTime))
      const slow = exchange(bayeux, { channel: "/a", data: 5_000 })
      assert.isTrue((yield* ask(bayeux, { channel: "/a", data: 0 })).successful)
      assert.strictEqual(slow.frames.length, 0)
      yield* pass(5_000)
      assert.isTrue(slow.replies[0]?.successful)
    }))

  scenario(
    "on the way out keep the order of deliveries and answers, for this connection alone",
    (bayeux) =>
      Effect.gen(function*() {
        const [slow, quick] = [yield* subscriber(bayeux), yield* subscriber(bayeux)]
        yield* bayeux.addExtension(outgoing((message, { clientId }) =>
          clientId === slow.boundTo[0] && clientId !== undefined
            ? takingItsTime(message, {} as never)
            : Effect.succeed(message)
        ))
        for (const data of [100, 0, 50]) {
          yield* bayeux.publish("/a", data)
        }
        slow.send({ channel: "/b", data: 0, id: "reply" })
        yield* turn
        assert.deepStrictEqual(quick.data, [100, 0, 50])
        assert.deepStrictEqual(slow.messages, [])
        yield* pass(100)
        assert.deepStrictEqual(slow.data, [100, 0])
        assert.deepStrictEqual(slow.replies, [])
        yield* pass(50)
        assert.deepStrictEqual(slow.data, [100, 0, 50])
        assert.deepStrictEqual(
          slow.replies.map(({ id }) =>
            id
          ),
          ["reply"]
        )
      })
  )

  const messages = fc.array(
    fc.record({ from: fc.nat(2), coming: fc.nat(20), going: fc.nat(20) }),
    { minLength: 1, maxLength: 12 }
  )

  /** Takes as much time as the message's id says: `number/coming/going`. */
  const delayingBy = (part: number): Handler => (message) => {
    const id = message["id"]
    return Effect.delay(Effect.succeed(message), typeof id === "string" ? Number(id.split("/")[part]) : 0)
  }
  const delaying: Extension = { name: "delaying", incoming: delayingBy(1), outgoing: delayingBy(2) }

  scenario(
    "keep every order, whatever time they take",
    (bayeux) =>
      forAll(messages, 60, (sent) =>
        Effect.gen(function*() {
          const listener = yield* subscriber(bayeux)
          const peers = [0, 1, 2].map(() => socket(bayeux))
          yield* bayeux.addExtension(delaying)
          for (const [i, { coming, from, going }] of sent.entries()) {
            peers[from]?.send({ channel: "/a", data: `${from}:${i}`, id: `${i}/${coming}/${going}` })
          }
          yield* pass(20 * 2 * sent.length + 1)
          for (const [from, peer] of peers.entries()) {
            const own = [...sent.entries()].filter(([, message]) => message.from === from).map(([i]) => i)
            const ids = peer.replies.map(({ id }) => Number(String(id).split("/")[0]))
            assert.deepStrictEqual(ids, own)
            const heard = listener.data.map(String).filter((data) => data.startsWith(`${from}:`))
            assert.deepStrictEqual(heard, own.map((i) => `${from}:${i}`))
          }
          yield* bayeux.removeExtension(delaying)
          yield* bayeux.disconnect(listener.boundTo[0] ?? "", "the end of the test")
        }))
  )

  scenario(
    "do not have a later message forgotten, however many there were before it",
    (bayeux) =>
      Effect.gen(function*() {
        yield* bayeux.addExtension(incoming((message) => Effect.succeed(message)))
        const forgotten: Array<number> = []
        // A fiber makes room for others after so many steps: with one of these lengths that is just before its end.
        for (let length = 120; length < 200; length++) {
          const peer = socket(bayeux)
          peer.send(...Array.from({ length }, () => ({ channel: "/a", data: 1 })))
          peer.send({ channel: "/a", data: 2 })
          for (let i = 0; i < 5; i++) yield* turn
          if (peer.replies.length !== length + 1) forgotten.push(length)
        }
        assert.deepStrictEqual(forgotten, [])
      })
  )
})

/** A client of CometD's; Faye's has types that only it has. */
const types = { plain: ["websocket", "long-polling"], insistent: ["in-process", "websocket", "long-polling"] }
const shakingHands = (supportedConnectionTypes: ReadonlyArray<string>) => ({ ...handshake, supportedConnectionTypes })

describe("a client that is refused", () => {
  const adviceOf = (bayeux: Service, message: object) => Effect.map(ask(bayeux, message), ({ advice }) => advice)
  const isBetween = (interval: number | undefined, least: number, most: number) => {
    assert.isAtLeast(interval ?? 0, least)
    assert.isAtMost(interval ?? 0, most)
  }

  for (const channel of ["/meta/handshake", "/meta/connect"]) {
    scenario(
      `on ${channel} comes back after a second or a bit more, and not all at once`,
      (bayeux) =>
        Effect.gen(function*() {
          yield* bayeux.addExtension(incoming(on(channel, () => refuse("No"))))
          const intervals: Array<number | undefined> = []
          for (let i = 0; i < 20; i++) {
            const advice = yield* adviceOf(bayeux, { ...shakingHands(types.plain), channel, clientId: "x" })
            assert.strictEqual(advice?.reconnect, "handshake")
            isBetween(advice?.interval, 1_000, 1_500)
            intervals.push(advice?.interval)
          }
          assert.isAbove(new Set(intervals).size, 10)
        })
    )

    scenario(
      `by an extension that fails, on ${channel}, stays away for five seconds`,
      (bayeux) =>
        Effect.gen(function*() {
          yield* bayeux.addExtension(incoming(on(channel, () => Effect.die(new Error("The database is away")))))
          const advice = yield* adviceOf(bayeux, { ...shakingHands(types.plain), channel, clientId: "x" })
          assert.strictEqual(
            advice?.reconnect,
            channel === "/meta/connect" ? "retry" : "handshake",
            "it keeps its session"
          )
          isBetween(advice?.interval, 5_000, 7_500)
        })
    )
  }

  scenario("is told what the extension says", (bayeux) =>
    Effect.gen(function*() {
      const said: Array<Advice> = [{ reconnect: "none" }, { reconnect: "retry", interval: 10 }, { interval: 60_000 }]
      const told: Array<unknown> = []
      for (const advice of said) {
        const saying = incoming(on("/meta/handshake", () => refuse("No", advice)))
        yield* bayeux.addExtension(saying)
        told.push(yield* adviceOf(bayeux, shakingHands(types.plain)))
        yield* bayeux.removeExtension(saying)
      }
      assert.deepStrictEqual(told, [...said.slice(0, 2), { reconnect: "handshake", interval: 60_000 }])
    }))

  scenario("with something that it does not repeat is not told to stay away", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming(on("/a", () => refuse("No"))))
      yield* bayeux.addExtension(incoming(on("/b", () => Effect.die("broken"))))
      for (const channel of ["/a", "/b"]) assert.isUndefined(yield* adviceOf(bayeux, { channel, data: 1 }))
    }))

  for (const direction of ["incoming", "outgoing"] as const) {
    scenario(
      `and shakes hands again by itself is not told to do so as well, when the ${direction} message is refused`,
      (bayeux) =>
        Effect.gen(function*() {
          yield* bayeux.addExtension({ name: "test", [direction]: on("/meta/handshake", () => refuse("No")) })
          const reconnects: Array<unknown> = []
          for (const each of [types.plain, types.insistent]) {
            reconnects.push((yield* adviceOf(bayeux, shakingHands(each)))?.reconnect)
          }
          assert.deepStrictEqual(reconnects, ["handshake", "retry"])
        })
    )
  }

  scenario(
    "for a long time, by an extension that fails, is told of in the log once a minute",
    (bayeux) =>
      Effect.gen(function*() {
        yield* bayeux.addExtension({
          name: "auth",
          incoming: on("/meta/handshake", () => Effect.die(new Error("The database is away")))
        })
        for (let i = 0; i < 100; i++) yield* ask(bayeux, shakingHands(types.plain))
        assert.strictEqual(log.length, 1)
        yield* pass(60_000)
        assert.deepStrictEqual(log.slice(1), [
          "Extension \"auth\" failed with 99 more incoming messages within 1m, the last time with Error: The database is away"
        ])
      })
  )
})

describe("a message that is too long", () => {
  scenario("is seen by no extension, and told of in the log once a minute", (bayeux) =>
    Effect.gen(function*() {
      const seen: Array<Raw> = []
      yield* bayeux.addExtension(incoming((message) => Effect.as(Effect.sync(() => seen.push(message)), message)))
      const long = new Message.TooLong({ channel: "/a", id: "1" }, 200, 100)
      assert.deepStrictEqual<unknown>(yield* ask(bayeux, long), {
        channel: "/a",
        successful: false,
        id: "1",
        error: "413:200:Message is longer than 100 bytes"
      })
      for (let i = 0; i < 3; i++) yield* ask(bayeux, long)
      yield* pass(60_000)
      assert.deepStrictEqual(seen, [])
      assert.deepStrictEqual(log, [
        "A message of 200 bytes on \"/a\" was refused: the longest that is accepted has 100",
        "3 more messages were longer than 100 bytes within 1m"
      ])
    }))
})

describe("an extension that is broken", () => {
  scenario(
    "by taking too long has its message refused when its time is up, and the next one goes on",
    (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        yield* bayeux.addExtension({ name: "sluggish", incoming: on("/slow", () => Effect.never) })
        const peer = socket(bayeux)
        peer.send({ channel: "/slow", data: 1, id: "1" })
        peer.send({ channel: "/quick", data: 2, id: "2" })
        yield* pass(1_499)
        assert.deepStrictEqual(peer.messages, [])
        yield* pass(1)
        assert.deepStrictEqual(peer.messages, [
          { channel: "/slow", successful: false, id: "1", error: "500::Extension timed out" },
          { channel: "/quick", successful: true, id: "2" }
        ])
        assert.deepStrictEqual((yield* toldIn(bayeux, events)).map((event) => event["data"]), [2])
        assert.strictEqual(log.length, 1)
        assert.match(
          log[0] ?? "",
          /^Extension "sluggish" took longer than 1s 500ms with an incoming message on "?\/slow/
        )
      }),
    { extensionTimeout: 1_500 }
  )

  scenario("has ten seconds, if nobody says otherwise", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming(on("/slow", () => Effect.never)))
      const peer = exchange(bayeux, { channel: "/slow", data: 1 })
      yield* pass(9_999)
      assert.strictEqual(peer.frames.length, 0)
      yield* pass(1)
      assert.strictEqual(peer.replies[0]?.error, "500::Extension timed out")
    }))

  scenario(
    "by taking too long on the way out loses this message and delays the next ones no more",
    (bayeux) =>
      Effect.gen(function*() {
        const [peer, other] = [yield* subscriber(bayeux), yield* subscriber(bayeux)]
        const isForPeer = (context: ExtensionContext) => context.clientId === peer.boundTo[0]
        yield* bayeux.addExtension(
          outgoing((message, context) =>
            isForPeer(context) && message["data"] === "slow" ? Effect.never : Effect.succeed(message)
          )
        )
        for (const data of ["slow", "quick"]) yield* bayeux.publish("/a", data)
        yield* turn
        assert.deepStrictEqual([peer.data, other.data], [[], ["slow", "quick"]])
        yield* pass(1_000)
        assert.deepStrictEqual(peer.data, ["quick"])
      }),
    { extensionTimeout: 1_000 }
  )

  for (
    const [name, broken] of [
      ["by throwing", () => {
        throw new Error("broken")
      }],
      ["by dying", () => Effect.die(new Error("broken"))],
      ["by dying later", () => Effect.delay(Effect.die("broken"), 10)],
      ["by failing with something else than a refusal", () => Effect.fail(new Error("broken") as never)],
      ["by ending its own fiber", () => Effect.interrupt]
    ] as ReadonlyArray<readonly [string, Handler]>
  ) {
    scenario(`${name} has this message refused, and no other`, (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        yield* bayeux.addExtension({ name: "faulty", incoming: on("/b", broken) })
        const peer = exchange(bayeux, ...["/a", "/b", "/c"].map((channel) => ({ channel, data: channel, id: channel })))
        yield* pass(10)
        yield* until("an answer", () => peer.frames.length > 0)
        assert.deepStrictEqual(peer.messages, [
          { channel: "/a", successful: true, id: "/a" },
          { channel: "/b", successful: false, id: "/b", error: "500::Internal server error" },
          { channel: "/c", successful: true, id: "/c" }
        ])
        assert.deepStrictEqual((yield* toldIn(bayeux, events)).map((event) => event["data"]), ["/a", "/c"])
        assert.match(log.join("\n"), /^Extension "faulty" failed with an incoming message on "?\/b/m)
      }))

    scenario(`${name} on the way out spoils this message, and no other`, (bayeux) =>
      Effect.gen(function*() {
        const peer = yield* subscriber(bayeux)
        const faulty = outgoing((message, context) =>
          message["data"] === 2 || message["id"] === 2 ? broken(message, context) : Effect.succeed(message)
        )
        yield* bayeux.addExtension(faulty)
        for (const data of [1, 2, 3]) exchange(bayeux, { channel: "/a", data })
        const replies = exchange(bayeux, ...[1, 2, 3].map((id) => ({ channel: "/b", data: 0, id })))
        yield* pass(10)
        yield* until("the last message", () => peer.data.includes(3))
        assert.deepStrictEqual(peer.data, [1, 3])
        yield* until("an answer", () => replies.frames.length > 0)
        assert.deepStrictEqual(replies.messages, [
          { channel: "/b", successful: true, id: 1 },
          { channel: "/b", successful: false, id: 2, error: "500::Internal server error" },
          { channel: "/b", successful: true, id: 3 }
        ])
      }))
  }

  scenario(
    "by making something of a message that is no JSON closes this connection and no other",
    (bayeux) =>
      Effect.gen(function*() {
        const [peer, other] = [yield* subscriber(bayeux), yield* subscriber(bayeux)]
        const serialising = new Peer(bayeux, { kind: "socket" }, { send: (frame) => void frame.text })
        const { clientId } = yield* Client.subscribed(bayeux, "/a")
        serialising.send(connect(clientId, "socket"))
        yield* turn
        yield* bayeux.addExtension(
          outgoing((message, context) =>
            Effect.succeed(context.clientId === clientId ? { ...message, data: 1n as never } : message)
          )
        )
        yield* bayeux.publish("/a", 1)
        yield* turn
        assert.strictEqual(serialising.end, "ServerError")
        assert.deepStrictEqual([peer.data, other.data], [[1], [1]])
        assert.isAbove(log.length, 0)
      })
  )
})

describe("what an extension has read", () => {
  scenario(
    "does not travel on: subscribers get neither credentials nor anything else of it",
    (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        const peer = yield* subscriber(bayeux)
        const application = yield* bayeux.subscription("/a")
        const passwords: Array<unknown> = []
        yield* bayeux.addExtension(incoming((message) => {
          passwords.push((message["ext"] as Raw | undefined)?.["password"])
          return Effect.succeed({ ...message, user: "of the password" })
        }))
        const { clientId } = yield* Client.make(bayeux)
        const message = { channel: "/a", data: { x: 1 }, id: "1", clientId, ext: { password: "12345" }, token: "t" }
        const [reply] = yield* answer(bayeux, message)
        yield* until("the message", () => peer.data.length > 0)
        assert.include(passwords, "12345")
        assert.deepStrictEqual(reply, { channel: "/a", successful: true, id: "1", clientId })
        assert.deepStrictEqual<unknown>(peer.deliveries, [{ channel: "/a", data: { x: 1 }, id: "1" }])
        assert.strictEqual(peer.frames.at(-1)?.text, `[{"channel":"/a","data":{"x":1},"id":"1"}]`)
        const heard = yield* application.pipe(Stream.take(1), Stream.runCollect)
        assert.deepStrictEqual<unknown>(heard, [{ channel: "/a", data: { x: 1 }, id: "1" }])
        assert.notInclude(JSON.stringify(yield* toldIn(bayeux, events)), "12345")
      })
  )
})

describe("a message that looks like something of ours", () => {
  const lookalikes = [
    { _tag: "Refused", channel: "/a", data: 1, error: { code: 200, args: [], text: "OK" } },
    { _tag: "Refusal", channel: "/a", data: 2, error: "x" },
    { _tag: "Handshake", channel: "/a", data: 3, supportedConnectionTypes: ["websocket"] },
    { _tag: "Success", channel: "/a", data: 4, success: { channel: "/b" } },
    { _tag: "None", channel: "/a", data: { _tag: "Left", left: 5 } },
    { _id: "Effect", channel: "/a", data: 6, "~effect/Effect": {} },
    { channel: "/a", data: { successful: true, _tag: "Reply" } }
  ]

  for (const installed of [false, true]) {
    scenario(
      `is a message like any other, ${installed ? "with" : "without"} extensions`,
      (bayeux) =>
        Effect.gen(function*() {
          const peer = yield* subscriber(bayeux)
          const pass: Handler = (message) => Effect.succeed(message)
          if (installed) yield* bayeux.addExtension({ name: "passing", incoming: pass, outgoing: pass })
          const replies = yield* answer(bayeux, ...lookalikes)
          assert.deepStrictEqual(replies, lookalikes.map(() => ({ channel: "/a", successful: true })))
          yield* until("all messages", () => peer.data.length === lookalikes.length)
          assert.deepStrictEqual<unknown>(peer.deliveries, lookalikes.map(({ channel, data }) => ({ channel, data })))
        })
    )
  }

  scenario("tells an extension nothing that is not so", (bayeux) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      yield* bayeux.addExtension(incoming((message) => {
        seen.push(message)
        return Effect.succeed(message)
      }))
      yield* answer(bayeux, ...lookalikes)
      assert.deepStrictEqual(seen, lookalikes)
    }))
})

describe("an identity", () => {
  const identifying = (identity: string, channel = "/meta/handshake") =>
    incoming(on(channel, (message) => identify(message, identity)))

  scenario("is the session's, and told with its handshake", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      const { clientId } = yield* Client.make(bayeux)
      yield* bayeux.addExtension(identifying("alice"))
      const alice = yield* Client.make(bayeux)
      yield* alice.disconnect()
      assert.deepStrictEqual(yield* toldIn(bayeux, events), [
        { _tag: "Handshake", clientId },
        { _tag: "Handshake", clientId: alice.clientId, identity: "alice" },
        { _tag: "Disconnect", clientId: alice.clientId, cause: { _tag: "ClientRequest" } }
      ])
      yield* Client.make(bayeux)
      assert.sameMembers((yield* bayeux.sessions).map(({ identity }) => identity), ["alice", undefined])
    }))

  scenario(
    "stays when another extension copies the message, and the last one counts",
    (bayeux) =>
      Effect.gen(function*() {
        yield* bayeux.addExtension(identifying("bob"))
        yield* bayeux.addExtension(identifying("alice"))
        yield* bayeux.addExtension(incoming((message) => Effect.succeed({ ...message, ext: {} })))
        yield* Client.make(bayeux)
        assert.deepStrictEqual((yield* bayeux.sessions).map(({ identity }) => identity), ["alice"])
      })
  )

  scenario("cannot be given by a client", (bayeux) =>
    Effect.gen(function*() {
      const fields = ["identity", "Symbol(effect-bayeux/identity)", "@@effect-bayeux/identity"]
      const forged = Object.fromEntries(fields.map((field) => [field, "alice"]))
      const message = { ...handshake, ...forged, ext: forged, __proto__: forged }
      assert.isTrue((yield* ask(bayeux, JSON.parse(JSON.stringify(message)))).successful)
      assert.isTrue((yield* ask(bayeux, message)).successful)
      assert.deepStrictEqual((yield* bayeux.sessions).map(({ identity }) => identity), [undefined, undefined])
    }))

  scenario("of 256 characters will do, of any kind", (bayeux) =>
    Effect.gen(function*() {
      const identity = `${"é".repeat(250)} 😀,=%`
      yield* bayeux.addExtension(identifying(identity))
      yield* Client.make(bayeux)
      assert.deepStrictEqual((yield* bayeux.sessions).map(({ identity }) => identity), [identity])
    }))

  for (
    const [name, identity, channel, sentence] of [
      ["empty", "", "/meta/handshake", "An identity is empty: give what the application calls its user, or none"],
      ["too long", "x".repeat(257), "/meta/handshake", "has 257 characters: give one of at most 256"],
      ["half a character", "\ud83d", "/meta/handshake", "is no whole text: give one without halves of characters"],
      [
        "for another message",
        "alice",
        "/a",
        "A message on \"/a\" was given an identity: give it to the session's handshake"
      ]
    ] as const
  ) {
    scenario(`that is ${name} has the message refused, and the log says why`, (bayeux) =>
      Effect.gen(function*() {
        yield* bayeux.addExtension(identifying(identity, channel))
        const reply = yield* ask(bayeux, channel === "/a" ? { channel, data: 1 } : handshake)
        assert.strictEqual(reply.error, "500::Internal server error")
        assert.include(log.join(), sentence)
        assert.deepStrictEqual(yield* bayeux.sessions, [])
      }))
  }
})

describe("extensions at run time", () => {
  scenario("are added and removed for the messages from then on", (bayeux) =>
    Effect.gen(function*() {
      const peer = yield* subscriber(bayeux)
      const [one, other] = [incoming(signing("1")), incoming(signing("2"))]
      const steps = [
        Effect.void,
        bayeux.addExtension(one),
        bayeux.addExtension(other),
        bayeux.removeExtension(one),
        bayeux.addExtension(one),
        bayeux.removeExtension(other),
        bayeux.removeExtension(one),
        bayeux.removeExtension(one)
      ]
      for (const step of steps) {
        yield* step
        yield* bayeux.publish("/a", "x")
      }
      yield* turn
      assert.deepStrictEqual(peer.data, ["x", "x1", "x12", "x2", "x21", "x1", "x", "x"])
    }))

  scenario("that are removed finish what is on its way, and nothing overtakes it", (bayeux) =>
    Effect.gen(function*() {
      const listener = yield* subscriber(bayeux)
      const extension = incoming((message, context) =>
        Effect.andThen(takingItsTime(message, context), signing("!")(message, context))
      )
      yield* bayeux.addExtension(extension)
      const peer = socket(bayeux).send({ channel: "/a", data: 100 })
      yield* bayeux.removeExtension(extension)
      peer.send({ channel: "/a", data: "later" })
      yield* ask(bayeux, { channel: "/a", data: "elsewhere" })
      yield* pass(100)
      assert.deepStrictEqual(listener.data, ["elsewhere", "100!", "later"])
      peer.send({ channel: "/a", data: "last" })
      yield* turn
      assert.deepStrictEqual(listener.data, ["elsewhere", "100!", "later", "last"])
    }))

  scenario(
    "that are removed on the way out let nothing overtake what they still have",
    (bayeux) =>
      Effect.gen(function*() {
        const peer = yield* subscriber(bayeux)
        const extension = outgoing(takingItsTime)
        yield* bayeux.addExtension(extension)
        yield* bayeux.publish("/a", 100)
        yield* turn
        yield* bayeux.removeExtension(extension)
        yield* bayeux.publish("/a", 0)
        yield* turn
        assert.deepStrictEqual(peer.data, [])
        yield* pass(100)
        assert.deepStrictEqual(peer.data, [100, 0])
      })
  )
})

describe("extensions as layers", () => {
  class Signature extends Context.Service<Signature, string>()("test/Signature") {}

  const signingService: Extension<Signature> = {
    name: "signing",
    incoming: (message) => Effect.map(Signature, (name) => sign(message, name))
  }

  scenario(
    "are installed in their order, behind those before, for as long as the layer lives",
    (bayeux) =>
      Effect.gen(function*() {
        const peer = yield* subscriber(bayeux)
        yield* bayeux.addExtension(incoming(signing("0")))
        const installed = Bayeux.layerExtensions(incoming(signing("1")), incoming(signing("2"))).pipe(
          Layer.provideMerge(Bayeux.layerExtensions(incoming(signing("a"))))
        )
        yield* Effect.scoped(Effect.andThen(Layer.build(installed), bayeux.publish("/a", "x")))
        yield* bayeux.publish("/a", "y")
        yield* turn
        assert.deepStrictEqual(peer.data, ["x0a12", "y0"])
      })
  )

  scenario("take what they need from where the layer is built", (bayeux) =>
    Effect.gen(function*() {
      const peer = yield* subscriber(bayeux)
      const installed = Bayeux.layerExtensions(signingService).pipe(
        Layer.provide(Layer.succeed(Signature, " (signed)"))
      )
      yield* Effect.scoped(Effect.andThen(Layer.build(installed), bayeux.publish("/a", "x")))
      yield* turn
      assert.deepStrictEqual(peer.data, ["x (signed)"])
    }))
})

describe("the end of the service, while an extension takes its time", () => {
  const start = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer(), scope)
    const bayeux = Context.get(context, Bayeux.Bayeux)
    return { bayeux, stop: Scope.close(scope, Exit.void) }
  })

  const slow = incoming((message) => Effect.delay(Effect.succeed(message), 1_000))

  /** Stops the service and lets time pass, until what somebody waits for has ended one way or the other. */
  const endsWith = <A, E>(stop: Effect.Effect<void>, waiting: Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkDetach(Effect.exit(waiting), { startImmediately: true })
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* pass(10_000)
      yield* Fiber.join(stopping)
      yield* until("an end", () => fiber.pollUnsafe() !== undefined)
    })

  it.effect("leaves no publish of the application waiting", () =>
    Effect.gen(function*() {
      const { bayeux, stop } = yield* start
      yield* bayeux.addExtension(slow)
      yield* endsWith(stop, bayeux.publish("/a", 1))
    }))

  it.effect("leaves no subscription of the application waiting", () =>
    Effect.gen(function*() {
      const { bayeux, stop } = yield* start
      yield* bayeux.addExtension(slow)
      yield* endsWith(stop, Effect.scoped(bayeux.subscription("/a")))
    }))

  it.effect("still answers a connect that is held", () =>
    Effect.gen(function*() {
      const { bayeux, stop } = yield* start
      const poll = (yield* Client.make(bayeux)).poll()
      yield* bayeux.addExtension(outgoing((message) => Effect.as(Effect.yieldNow, message)))
      yield* stop
      yield* turn
      assert.deepStrictEqual(poll.replies.map(({ advice }) => advice?.reconnect), ["handshake"])
    }))
})

describe("a connection that ends while an extension has its messages", () => {
  const slowly = (channel: string) => on(channel, (message) => Effect.delay(Effect.succeed(message), 100))

  for (const kind of ["socket", "exchange"] as const) {
    scenario(`does not get the session by a connect that came over it: ${kind}`, (bayeux) =>
      Effect.gen(function*() {
        const client = yield* Client.subscribed(bayeux, "/a")
        yield* bayeux.publish("/a", 1)
        const extension = incoming(slowly("/meta/connect"))
        yield* bayeux.addExtension(extension)
        const gone = kind === "socket" ? client.socket() : client.poll()
        yield* pass(50)
        gone.cut()
        yield* pass(50)
        yield* bayeux.removeExtension(extension)
        yield* bayeux.publish("/a", 2)
        yield* client.pollsUntil(2)
        assert.deepStrictEqual(client.heard, [1, 2])
      }))

    scenario(`gives back what was on its way out to it: ${kind}`, (bayeux) =>
      Effect.gen(function*() {
        const client = yield* Client.subscribed(bayeux, "/a")
        const gone = kind === "socket" ? client.socket() : client.poll()
        yield* turn
        const extension = outgoing(slowly("/a"))
        yield* bayeux.addExtension(extension)
        exchange(bayeux, { channel: "/a", data: 1 })
        yield* pass(50)
        gone.cut()
        yield* pass(100)
        yield* bayeux.removeExtension(extension)
        yield* bayeux.publish("/a", 2)
        yield* client.pollsUntil(2)
        assert.deepStrictEqual(client.heard, [1, 2])
      }))
  }

  scenario("still has what else it sent carried out", (bayeux) =>
    Effect.gen(function*() {
      const listener = yield* subscriber(bayeux)
      yield* bayeux.addExtension(incoming(slowly("/a")))
      const peer = exchange(bayeux, { channel: "/a", data: "accepted" })
      yield* pass(50)
      peer.cut()
      yield* pass(50)
      assert.deepStrictEqual(listener.data, ["accepted"])
    }))

  scenario("on the server's side waits for what it is still to be sent", (bayeux) =>
    Effect.gen(function*() {
      const client = yield* Client.subscribed(bayeux, "/a")
      const peer = client.socket()
      yield* turn
      yield* bayeux.addExtension(outgoing(slowly("/a")))
      exchange(bayeux, { channel: "/a", data: "last words" })
      assert.isTrue(yield* bayeux.disconnect(client.clientId, "test"))
      yield* pass(99)
      assert.deepStrictEqual([peer.messages, peer.end], [[], undefined])
      yield* pass(1)
      assert.deepStrictEqual([peer.data, peer.end], [["last words"], "SessionEnded"])
    }))
})

describe("a subscription of the application", () => {
  scenario(
    "that is given up while an extension has its handshake leaves no session behind",
    (bayeux) =>
      Effect.gen(function*() {
        const events = yield* record
        yield* bayeux.addExtension(incoming((message) => Effect.delay(Effect.succeed(message), 1_000)))
        const running = yield* Effect.forkChild(Stream.runDrain(bayeux.subscribe("/a")), { startImmediately: true })
        yield* pass(500)
        const interruption = yield* Effect.forkChild(Fiber.interrupt(running), { startImmediately: true })
        yield* until("the interruption, ahead of the extension", () => interruption.pollUnsafe() !== undefined)
        yield* pass(10_000)
        assert.deepStrictEqual(yield* bayeux.sessions, [])
        const marked = yield* Effect.forkChild(toldIn(bayeux, events), { startImmediately: true })
        yield* pass(1_000)
        const told = (yield* Fiber.join(marked)).map(({ _tag }) => _tag)
        assert.strictEqual(
          told.filter((tag) => tag === "Handshake").length,
          told.filter((tag) => tag === "Disconnect").length
        )
      })
  )

  scenario("ends its session although an extension refuses the disconnect", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming(on("/meta/disconnect", () => refuse("Stay"))))
      yield* Effect.asVoid(Effect.scoped(bayeux.subscription("/a")))
      yield* turn
      assert.deepStrictEqual(yield* bayeux.sessions, [])
    }))
})
