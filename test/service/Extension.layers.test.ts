/** Extensions that are added and removed, and the identities that they give to sessions. */
import { assert, describe } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as Bayeux from "../../src/service/Bayeux.ts"
import { type Extension, identify } from "../../src/service/Extension.ts"
import { ask, Client, handshake, record, socket, toldIn, turn } from "../engine/laws.ts"
import { incoming, log, on, outgoing, pass, scenario, sign, signing, subscriber, takingItsTime } from "./extensions.ts"

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
