/** Connections and transports of the service. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Transport } from "../../src/service/Transport.ts"
import {
  ask,
  Client,
  connect,
  exchange,
  handshake,
  Peer,
  record,
  socket,
  toldIn,
  turn,
  wholeService
} from "../engine/laws.ts"
import { layerBare, scenario, type Service } from "./scenario.ts"

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
      const bayeux = yield* wholeService
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
      const bayeux = yield* wholeService
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
        yield* bayeux.end(owner)
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
