/** Messages that extensions see, change and drop, on their way in and out. */
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { Raw } from "../../src/core/Message.ts"
import { type ExtensionContext, type Handler, refuse } from "../../src/service/Extension.ts"
import { answer, ask, Client, connect, failure, Peer, record, socket, toldIn, turn, until } from "../engine/laws.ts"
import { incoming, on, outgoing, pass, scenario, signing, subscriber } from "./extensions.ts"

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
