import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Engine from "../src/engine/Engine.ts"
import { Bayeux, BayeuxServer, Extension, LongPollingTransport, Monitor, NodeServer, Presence } from "../src/index.ts"

const handshake = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["long-polling"] }

/** Sends a message over HTTP to the server of the layer. */
const send = Effect.fnUntraced(function*(message: object) {
  const { url } = yield* NodeServer.NodeServer
  const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify([message]) }
  const response = yield* Effect.promise(() => fetch(url, request))
  return (yield* Effect.promise(() => response.json())) as ReadonlyArray<{ readonly [field: string]: unknown }>
})

describe("BayeuxServer.layer", () => {
  it.live("serves all transports, in memory, with a monitor", () =>
    Effect.gen(function*() {
      const [reply] = yield* send(handshake)
      assert.deepInclude(reply, { successful: true })
      assert.sameMembers(reply?.["supportedConnectionTypes"] as Array<string>, [
        "websocket",
        "eventsource",
        "long-polling",
        "cross-origin-long-polling",
        "callback-polling"
      ])
      const { node } = yield* Monitor.Monitor
      assert.strictEqual(node, "here")
      assert.strictEqual((yield* Bayeux.Bayeux.use(({ counts }) => counts)).sessions, 1)
      assert.isFalse((yield* Engine.Engine).isShared)
    }).pipe(Effect.provide(BayeuxServer.layer({ port: 0, node: "here" }))))

  it.live("hands its options to its parts", () =>
    Effect.gen(function*() {
      const { address, url } = yield* NodeServer.NodeServer
      assert.strictEqual(url, `http://127.0.0.1:${address.port}/messages`)
      const [reply] = yield* send(handshake)
      assert.deepInclude(reply?.["advice"], { timeout: 20_000, interval: 10 })
      assert.deepStrictEqual(reply?.["supportedConnectionTypes"], ["long-polling", "cross-origin-long-polling"])
    }).pipe(Effect.provide(BayeuxServer.layer({
      port: 0,
      mount: "/messages",
      timeout: "20 seconds",
      interval: 10,
      transports: LongPollingTransport.layer()
    }))))

  it.live("installs extensions before it listens, and provides what else is installed", () => {
    const witnessed: Array<unknown> = []
    const identify: Extension.Extension = {
      name: "identify",
      incoming: (message) => {
        witnessed.push(message["channel"])
        return Extension.identify(message, "alice")
      }
    }
    const install = Layer.merge(Bayeux.layerExtensions(identify), Presence.layer())
    return Effect.gen(function*() {
      yield* send(handshake)
      assert.deepStrictEqual(witnessed, ["/meta/handshake"])
      const presence = yield* Presence.Presence
      assert.deepStrictEqual([...(yield* presence.members()).keys()], ["alice"])
    }).pipe(Effect.provide(BayeuxServer.layer({ port: 0, install })))
  })

  it.live("refuses options that do not exist, by its own name", () =>
    Effect.gen(function*() {
      const options = { port: 0, timeuot: 1 } as BayeuxServer.BayeuxServerOptions
      const error = yield* Effect.flip(Effect.scoped(Layer.build(BayeuxServer.layer(options))))
      assert.match(error.message, /BayeuxServer\.layer.*timeuot/s)
    }))
})
