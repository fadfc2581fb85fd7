/** Extensions that take their time: the order of messages, and connections and services that end meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import * as fc from "fast-check"
import { type Extension, type Handler, refuse } from "../../src/service/Extension.ts"
import { ask, Client, exchange, forAll, record, socket, toldIn, turn, until, wholeService } from "../engine/laws.ts"
import { incoming, layer, on, outgoing, pass, scenario, subscriber, takingItsTime } from "./extensions.ts"

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

describe("the end of the service, while an extension takes its time", () => {
  const start = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer(), scope)
    const bayeux = yield* Effect.provideContext(wholeService, context)
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
