import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"
import * as Engine from "../src/engine/Engine.ts"
import * as RedisEngine from "../src/engine/redis/RedisEngine.ts"
import { Bayeux, BayeuxServer, Extension, LongPollingTransport, Monitor, NodeServer, Presence } from "../src/index.ts"
import * as MonitorPage from "../src/page/MonitorPage.ts"

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

const variables = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

describe("BayeuxServer.layerConfig", () => {
  const env = { BAYEUX_PORT: "0", BAYEUX_MOUNT: "/here", BAYEUX_TIMEOUT: "20", BAYEUX_INTERVAL: "10" }

  it.live("takes its options from the variables of the command", () =>
    Effect.gen(function*() {
      const { address, url } = yield* NodeServer.NodeServer
      assert.strictEqual(url, `http://127.0.0.1:${address.port}/here`)
      const [reply] = yield* send(handshake)
      assert.deepInclude(reply?.["advice"], { timeout: 20_000, interval: 10 })
    }).pipe(Effect.provide(Layer.provide(BayeuxServer.layerConfig(), variables(env)))))

  it.live("takes them from a configuration of the application's, and its parts beside them", () =>
    Effect.gen(function*() {
      const [reply] = yield* send(handshake)
      assert.deepStrictEqual(reply?.["supportedConnectionTypes"], ["long-polling", "cross-origin-long-polling"])
    }).pipe(Effect.provide(Layer.provide(
      BayeuxServer.layerConfig({ port: Config.Int("MY_PORT") }, { transports: LongPollingTransport.layer() }),
      variables({ MY_PORT: "0" })
    ))))

  it.effect("says which variable is wrong", () =>
    Effect.gen(function*() {
      const layer = Layer.provide(BayeuxServer.layerConfig(), variables({ BAYEUX_PORT: "eight thousand" }))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.match(error.message, /number.*BAYEUX.*PORT/s)
    }))
})

describe("the variables of the command", () => {
  const read = <A>(config: Config.Config<A>, env: Record<string, string>) =>
    Effect.provide(
      Effect.gen(function*() {
        return yield* config
      }),
      variables(env)
    )

  it.effect("are the options of the layers", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* read(NodeServer.config, {
          BAYEUX_SOCKET: "/run/bayeux",
          BAYEUX_SOCKET_MODE: "600",
          BAYEUX_ORIGIN: "https://a.example, https://b.example"
        }),
        { socketPath: "/run/bayeux", socketMode: 0o600, origins: ["https://a.example", "https://b.example"] }
      )
      assert.deepStrictEqual(yield* read(NodeServer.config, { BAYEUX_ORIGIN: "loopback" }), { origins: "loopback" })
      assert.deepStrictEqual(yield* read(Bayeux.config, { BAYEUX_SESSION_TIMEOUT: "1.5" }), {
        sessionTimeout: Duration.millis(1_500)
      })
      assert.deepStrictEqual(
        yield* read(RedisEngine.config, { BAYEUX_ENGINE: "redis://127.0.0.1:7000?namespace=shop", BAYEUX_LEASE: "3" }),
        { url: "redis://127.0.0.1:7000", namespace: "shop", lease: Duration.seconds(3) }
      )
      const { token } = yield* read(MonitorPage.config, { BAYEUX_MONITOR_TOKEN: "swordfish swordfish" })
      assert.strictEqual(token && Redacted.value(token), "swordfish swordfish")
      assert.deepStrictEqual(yield* read(BayeuxServer.config, {}), {})
    }))

  it.effect("ask for Redis where the layer is that of Redis", () =>
    Effect.gen(function*() {
      const layer = Layer.provide(RedisEngine.layerConfig(), variables({ BAYEUX_ENGINE: "memory" }))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.match(error.message, /a URL such as "redis:\/\/127\.0\.0\.1:6379"/)
    }))
})
