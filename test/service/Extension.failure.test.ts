/** Extensions that fail: whom they harm, and what is logged. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { type ExtensionContext, type Handler } from "../../src/service/Extension.ts"
import { Client, connect, exchange, Peer, record, socket, toldIn, turn, until } from "../engine/laws.ts"
import { incoming, log, on, outgoing, pass, scenario, subscriber } from "./extensions.ts"

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
