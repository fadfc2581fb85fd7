import { afterAll, assert, beforeAll, describe, inject, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Context,
  Effect,
  Exit,
  HashMap,
  Layer,
  Redacted,
  Scope,
  Stream,
  SubscriptionRef
} from "effect"
import * as fc from "fast-check"
import { createClient } from "redis"
import { OptionsInvalid } from "../../../src/base/Options.ts"
import * as Snapshot from "../../../src/core/folds/Snapshot.ts"
import { isMove } from "../../../src/core/MonitorEvent.ts"
import { type ClusterEvent, Engine, EngineError } from "../../../src/engine/Engine.ts"
import * as RedisEngine from "../../../src/engine/redis/RedisEngine.ts"
import * as Monitor from "../../../src/monitor/Monitor.ts"
import * as Bayeux from "../../../src/service/Bayeux.ts"
import * as NodeServer from "../../../src/transport/NodeServer.ts"
import { RedisServer } from "../../support/redis.ts"
import { limit } from "../../support/seeds.ts"
import { releaseAll, stopwatch } from "../../transport/support.ts"
import * as Cluster from "../cluster.ts"
import {
  ask,
  Client,
  connect,
  engineLaws,
  eventually,
  failure,
  forAll,
  handshake,
  layerTransports,
  record,
  serviceLaws,
  toldIn,
  until,
  wholeService
} from "../laws.ts"

let namespaces = 0
const freshNamespace = () => `test-${++namespaces}`

describe.skipIf(inject("redis") === "")("with a Redis server", () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await RedisServer.start(inject("redis"))
  })
  afterAll(releaseAll)

  const layer = (options: RedisEngine.RedisOptions = {}): Layer.Layer<Engine, EngineError> =>
    Layer.unwrap(Effect.sync(() => {
      const all = { url: redis.url, namespace: freshNamespace(), ...options }
      return Layer.catchTag(
        RedisEngine.layer(all),
        "BayeuxOptionsInvalid",
        ({ message }) => Layer.unwrap(Effect.fail(new EngineError({ reason: message })))
      )
    }))

  engineLaws("RedisEngine", layer())

  serviceLaws(
    "three services on one Redis",
    (options) => Layer.unwrap(Effect.sync(() => Cluster.layer(layer({ namespace: freshNamespace() }), options)))
  )

  // -------------------------------------------------------------------------------------------------------------------

  /** A process: a service with its engine and its monitor, for as long as it is not stopped. */
  const start = Effect.fnUntraced(function*(options: RedisEngine.RedisOptions, bayeux: Bayeux.BayeuxOptions = {}) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const process = layerTransports.pipe(
      Layer.provideMerge(Bayeux.layer(bayeux)),
      Layer.provideMerge(Layer.mergeAll(Layer.fresh(layer(options)), Layer.fresh(Monitor.layer())))
    )
    const context = yield* Layer.buildWithScope(Layer.fresh(process), scope)
    return {
      context,
      bayeux: yield* Effect.provideContext(wholeService, context),
      engine: Context.get(context, Engine),
      stop: Scope.close(scope, Exit.void)
    }
  })

  /** Sends a command by a connection of its own. */
  const command = (...args: ReadonlyArray<string>): Effect.Effect<unknown> =>
    Effect.acquireUseRelease(
      Effect.promise(() => createClient({ url: redis.url, RESP: 2 }).connect()),
      (client) => Effect.promise(() => client.sendCommand([...args])),
      (client) => Effect.sync(() => client.destroy())
    )

  const keys = (namespace: string): Effect.Effect<ReadonlyArray<string>> =>
    Effect.map(command("KEYS", `{${namespace}}:*`), (keys) => [...(keys as Array<string>)].sort())

  const isStatus = (engine: Engine["Service"], expected: string) =>
    eventually(
      `the engine to be ${expected}`,
      Effect.map(SubscriptionRef.get(engine.health), (health) => health.status === expected ? health : undefined)
    )

  describe("RedisEngine: others", () => {
    it.live("are there while they live, and not when they have stopped", () =>
      Effect.gen(function*() {
        const namespace = freshNamespace()
        const one = yield* start({ namespace })
        assert.isFalse(yield* one.engine.hasOthers)
        const other = yield* start({ namespace })
        assert.isTrue(yield* one.engine.hasOthers)
        assert.isTrue(yield* other.engine.hasOthers)
        yield* other.stop
        assert.isFalse(yield* one.engine.hasOthers)
      }))
  })

  describe("RedisEngine: at the start", () => {
    it.live("says which server it cannot reach, and no password", () =>
      Effect.gen(function*() {
        const url = "redis://someone:secret@127.0.0.1:1"
        const error = yield* failure(Layer.build(layer({ url })))
        assert.match(error.message, /cannot be reached at redis:\/\/127\.0\.0\.1:1 .*start it, or give the right url/)
        assert.notInclude(error.message, "secret")
      }))

    it.live("refuses a server that may throw away what it has, and says how to mend it", () =>
      Effect.gen(function*() {
        const forgetful = yield* Effect.promise(() =>
          RedisServer.start(inject("redis"), { args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"] })
        )
        const error = yield* failure(Layer.build(layer({ url: forgetful.url })))
        assert.match(error.message, /maxmemory-policy is allkeys-lru.*CONFIG SET maxmemory-policy noeviction/)
      }))

    it.live("refuses a server that is too old", () =>
      Effect.gen(function*() {
        const old = createClient({ url: redis.url, RESP: 2 })
        const client = () => ({
          connect: () => old.connect(),
          destroy: () => old.destroy(),
          on: (_event: "error", listener: (error: Error) => void) => old.on("error", listener),
          sendCommand: () => Promise.resolve("# Server\r\nredis_version:6.2.14\r\n")
        })
        const error = yield* failure(Layer.build(layer({ client })))
        assert.match(error.message, /Redis 6\.2\.14.*7 or newer/)
      }))

    it.live("refuses options that make no sense, and says which", () =>
      Effect.gen(function*() {
        for (
          const [options, what] of [
            [{ namespace: "a b" }, /namespace/],
            [{ lease: 0 }, /lease/],
            [{ maxQueued: 0 }, /maxQueued/],
            [{ leese: 1 } as RedisEngine.RedisOptions, /leese/]
          ] as const
        ) {
          const error = yield* failure(Layer.build(RedisEngine.layer(options)))
          assert.instanceOf(error, OptionsInvalid)
          assert.match(error.message, what)
        }
      }))

    it.live("refuses to keep the log for a shorter time than sessions live", () =>
      Effect.gen(function*() {
        const error = yield* failure(start({ retention: "1 minute" }))
        assert.match(error.message, /retention is 60000 ms.*90000 ms.*retention of 95000 ms or more/)
      }))

    it.live("serves one service only", () =>
      Effect.gen(function*() {
        const context = yield* Layer.build(layer())
        const service = Bayeux.layer().pipe(
          Layer.provide(Layer.mergeAll(Layer.succeedContext(context), Monitor.layer()))
        )
        yield* Layer.build(service)
        const error = yield* failure(Layer.build(Layer.fresh(service)))
        assert.match(error.message, /already serves a Bayeux service/)
      }))

    it.live("takes its options from the configuration, and clients that are made elsewhere", () =>
      Effect.gen(function*() {
        let made = 0
        const client = () => {
          made += 1
          return createClient({ url: redis.url, RESP: 2, socket: { reconnectStrategy: false } }) as never
        }
        const config = Config.all({ namespace: Config.String("NAMESPACE"), client: Config.succeed(client) })
        const engine = RedisEngine.layerConfig(config).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ NAMESPACE: "from-config" })))
        )
        const service = Bayeux.layer().pipe(Layer.provide(Layer.mergeAll(engine, Monitor.layer())))
        yield* Layer.build(service)
        assert.strictEqual(made, 3, "one to look at the server, two to work with")
        assert.include(yield* keys("from-config"), "{from-config}:log")
      }))
  })

  describe("RedisEngine: a process that stops", () => {
    it.live("leaves its sessions to the next one, with what waits for them, and tells nothing of it", () =>
      Effect.gen(function*() {
        const namespace = freshNamespace()
        const first = yield* start({ namespace })
        const told = yield* Effect.provideContext(record, first.context)
        const client = yield* Client.subscribed(first.bayeux, "/a")
        yield* client.publish("/a", 1)
        yield* first.stop
        const second = yield* start({ namespace })
        yield* ask(second.bayeux, { channel: "/a", data: 2 })
        const moved = new Client(second.bayeux, client.clientId)
        yield* moved.pollsUntil(2)
        assert.deepStrictEqual(moved.heard, [1, 2])
        assert.deepStrictEqual(told.map(({ _tag }) => _tag), ["Handshake", "Subscribe", "Publish"])
      }))

    it.live("ends the application's subscriptions with their events", () =>
      Effect.gen(function*() {
        const { bayeux, context, stop } = yield* start({})
        const told = yield* Effect.provideContext(record, context)
        yield* Effect.scoped(Effect.andThen(bayeux.subscription("/a"), stop))
        yield* until("the events", () => told.some(({ _tag }) => _tag === "Disconnect"))
        assert.deepStrictEqual(told.map((event) => "cause" in event ? event.cause._tag : event._tag), [
          "Handshake",
          "Subscribe",
          "Shutdown",
          "Shutdown"
        ])
      }))

    it.live("leaves no keys when all sessions are gone, but for the log, which is forgotten by itself", () =>
      Effect.gen(function*() {
        const namespace = freshNamespace()
        const { bayeux, stop } = yield* start({ namespace, retention: "3 minutes" })
        const client = yield* Client.subscribed(bayeux, "/a", "/b/*")
        yield* client.publish("/a", 1)
        yield* client.disconnect()
        yield* stop
        const left = yield* keys(namespace)
        assert.deepStrictEqual(left, ["epoch", "log", "pos"].map((key) => `{${namespace}}:${key}`))
        for (const key of left) assert.isAtMost(Number(yield* command("PTTL", key)), 180_000)
        for (const key of left) assert.isAtLeast(Number(yield* command("PTTL", key)), 1)
      }))
  })

  describe("RedisEngine: when Redis", () => {
    it.live("is away, orders wait, then fail with 503, no session ends, and everything goes on by itself", () =>
      Effect.gen(function*() {
        const own = yield* Effect.promise(() => RedisServer.start(inject("redis"), { appendfsync: "always" }))
        const { bayeux, context, engine } = yield* start(
          { url: own.url, lease: 500, maxQueued: 3, maxQueuedTime: 1_600 },
          { timeout: 100, sessionTimeout: 1_200 }
        )
        const told = yield* Effect.provideContext(record, context)
        const server = yield* Layer.build(
          Layer.provide(NodeServer.layer({ port: 0 }), Layer.succeedContext(context))
        )
        const { url } = Context.get(server, NodeServer.NodeServer)
        const healthIs = (expected: number) =>
          Effect.promise(async () => {
            const response = await fetch(`${url}/health`)
            const { status } = await response.json() as { readonly status: string }
            assert.deepStrictEqual([response.status, status], [expected, expected === 200 ? "up" : "down"])
          })
        yield* healthIs(200)
        const client = yield* Client.subscribed(bayeux, "/a")
        yield* Effect.promise(() => own.kill())
        yield* isStatus(engine, "down")
        yield* healthIs(503)
        const sent = performance.now()
        const elapsed = stopwatch()
        const waiting = yield* Effect.forEach(
          [1, 2, 3],
          (data) => Effect.forkScoped(client.bayeux.publish("/a", data).pipe(Effect.result), { startImmediately: true })
        )
        const refused = yield* failure(bayeux.publish("/a", 4))
        assert.match(refused.error, /^503:\/a:Service unavailable$/)
        assert.isBelow(elapsed(), 300, "a line that is full refuses at once")
        yield* until("the others to be refused", () => waiting.every((fiber) => fiber.pollUnsafe() !== undefined))
        assert.isAtLeast(performance.now() - sent, 1_600)
        const shaken = yield* ask(bayeux, handshake)
        assert.deepStrictEqual([shaken.error, shaken.advice], [
          "503:/meta/handshake:Service unavailable",
          { reconnect: "retry", interval: 1_000 }
        ])
        yield* Effect.promise(() => own.start())
        yield* isStatus(engine, "up")
        yield* healthIs(200)
        yield* ask(bayeux, { channel: "/a", data: 5 })
        yield* client.pollsUntil(5)
        assert.isFalse(told.some(({ _tag }) => _tag === "Disconnect"), "the session has lived on")
      }))

    it.live("has forgotten everything, sessions end, and their clients are told to begin anew", () =>
      Effect.gen(function*() {
        const namespace = freshNamespace()
        const { bayeux, context, engine } = yield* start({ namespace, lease: 500 })
        const told = yield* Effect.provideContext(record, context)
        const client = yield* Client.subscribed(bayeux, "/a")
        yield* command("DEL", ...yield* keys(namespace))
        yield* until("the end of the session", () => told.some(({ _tag }) => _tag === "Disconnect"))
        assert.deepStrictEqual(told.flatMap((event) => "cause" in event ? [event.cause] : []), [
          { _tag: "EngineLost" },
          { _tag: "EngineLost" }
        ])
        const again = yield* ask(bayeux, connect(client.clientId, "exchange"))
        assert.strictEqual(again.advice?.reconnect, "handshake")
        assert.isTrue((yield* ask(bayeux, handshake)).successful)
        assert.strictEqual((yield* engine.counts).sessions, 1)
      }))

    it.live("has trimmed what a session would need, it ends", () =>
      Effect.gen(function*() {
        const namespace = freshNamespace()
        const first = yield* start({ namespace })
        const client = yield* Client.subscribed(first.bayeux, "/a")
        yield* client.publish("/a", 1)
        yield* first.stop
        yield* command("XTRIM", `{${namespace}}:log`, "MAXLEN", "0")
        const second = yield* start({ namespace })
        const reply = yield* ask(second.bayeux, connect(client.clientId, "exchange", 0))
        assert.deepStrictEqual([reply.error, reply.advice?.reconnect], [
          `401:${client.clientId}:Unknown client`,
          "handshake"
        ])
      }))
  })

  describe("RedisEngine: a process that was taken for dead", () => {
    it.live("finds that its sessions have gone on elsewhere, and ends none of them", () =>
      Effect.gen(function*() {
        const namespace = freshNamespace()
        const [one, other] = [yield* start({ namespace, lease: 500 }), yield* start({ namespace, lease: 500 })]
        const client = yield* Client.subscribed(one.bayeux, "/a")
        const open = client.socket()
        yield* until("the session's connection", () => open.boundTo.length > 0)
        const node = (yield* SubscriptionRef.get(one.engine.health)).detail.replace("connected as ", "")
        // Its own beats say that it is alive; one of the other's comes between them.
        yield* eventually(
          "the end of the socket",
          Effect.map(command("ZADD", `{${namespace}}:nodes`, "0", node), () => open.end)
        )
        assert.strictEqual(open.end, "SessionMoved")
        yield* eventually("the session", Effect.map(other.bayeux.sessions, ([session]) => session))
        assert.deepStrictEqual(yield* one.bayeux.sessions, [])
        yield* client.publish("/a", 1)
        yield* client.pollsUntil(1)
        assert.deepStrictEqual(yield* one.engine.counts, { sessions: 1, subscribers: new Map([["/a", 1]]) })
      }))
  })

  describe("Monitor.watch", () => {
    type Process = Effect.Success<ReturnType<typeof start>>

    /** Watches, and keeps what the events make of the snapshot with which it began. */
    const fold = ({ context }: Process) =>
      Effect.gen(function*() {
        const monitor = Context.get(context, Monitor.Monitor)
        const told = { now: Snapshot.empty, moves: 0 }
        const watching = Stream.runForEach(monitor.watch({ strategy: "unbounded" }), (event) =>
          Effect.sync(() => {
            if (isMove(event)) told.moves += 1
            told.now = Snapshot.fold(told.now, event)
          }))
        yield* Effect.forkScoped(watching)
        return told
      })

    const snapshot = ({ context }: Process) =>
      Effect.gen(function*() {
        const [first] = yield* Stream.runCollect(Stream.take(Context.get(context, Monitor.Monitor).watch(), 1))
        assert(first?._tag === "Snapshot")
        return first
      })

    const toldOf = ({ sessions }: Snapshot.Snapshot): ReadonlyArray<unknown> =>
      HashMap.toEntries(sessions).map(([clientId, { createdAt, subscriptions }]) => ({
        clientId,
        createdAt,
        subscriptions: [...subscriptions].sort()
      }))

    const request = fc.record({
      at: fc.nat(2),
      who: fc.nat(3),
      what: fc.oneof(
        { weight: 3, arbitrary: fc.constant(connect("", "exchange", 0)) },
        {
          weight: 3,
          arbitrary: fc.record({
            channel: fc.constantFrom("/meta/subscribe", "/meta/unsubscribe"),
            subscription: fc.constantFrom("/a", "/b", "/c/*")
          })
        },
        { weight: 1, arbitrary: fc.constant({ channel: "/meta/disconnect" }) },
        { weight: 2, arbitrary: fc.constant(handshake) }
      )
    })

    it.live(
      "makes of the events of each process the sessions that are there, wherever they go and are changed",
      () =>
        Effect.gen(function*() {
          const namespace = freshNamespace()
          const processes = yield* Effect.forEach([1, 2, 3], () => start({ namespace }))
          const folds = yield* Effect.forEach(processes, fold)
          yield* forAll(fc.array(request, { minLength: 5, maxLength: 25 }), 40, (requests) =>
            Effect.gen(function*() {
              const clients: Array<string> = []
              for (const { at, what, who } of requests) {
                const clientId = clients[who % Math.max(1, clients.length)] ?? "nobody"
                const reply = yield* ask((processes[at] as Process).bayeux, { ...what, clientId })
                if (reply.channel === "/meta/handshake") clients.push(reply.clientId ?? "")
              }
              for (const [i, process] of processes.entries()) {
                const now = yield* snapshot(process)
                const folded = folds[i]
                assert(folded !== undefined)
                yield* until("all to be told", () => folded.now.sequence >= now.sequence)
                assert.strictEqual(folded.now.sequence, now.sequence)
                assert.sameDeepMembers([...toldOf(folded.now)], [...toldOf(now)])
              }
            }))
          for (const { moves } of folds) assert.isAbove(moves, 10)
        }),
      limit(120_000)
    )
  })

  describe("Monitor.cluster", () => {
    const take = (count: number, options: Monitor.ClusterOptions) =>
      Effect.map(Stream.runCollect(Stream.take(Monitor.cluster(options), count)), (events) => [...events])

    it.live("tells every event of all processes once, and goes on behind any of them", () =>
      Effect.gen(function*() {
        const namespace = freshNamespace()
        const [one, other] = [yield* start({ namespace }), yield* start({ namespace })]
        const events: Array<ClusterEvent> = []
        const seen = Stream.runForEach(Monitor.cluster(), (event) => Effect.sync(() => void events.push(event)))
        yield* Effect.forkScoped(Effect.provideContext(seen, one.context))
        const told = [
          yield* Effect.provideContext(record, one.context),
          yield* Effect.provideContext(record, other.context)
        ]
        // The stream begins when it has been run; a publish shows that it has.
        yield* eventually(
          "the stream",
          Effect.andThen(ask(one.bayeux, { channel: "/begin", data: 0 }), Effect.sync(() => events[0]))
        )
        const client = yield* Client.subscribed(one.bayeux, "/a", "/b", "/c")
        const elsewhere = new Client(other.bayeux, client.clientId)
        yield* elsewhere.publish("/a", { x: 1 })
        yield* elsewhere.unsubscribe("/b")
        yield* client.disconnect()
        yield* until("the end of the session", () => events.at(-1)?._tag === "Disconnect")
        const own = events.filter((event) => event._tag !== "Publish" || event.channel !== "/begin")
        assert.deepStrictEqual(own.map(({ _tag }) => _tag), [
          "Handshake",
          "Subscribe",
          "Subscribe",
          "Subscribe",
          "Publish",
          "Unsubscribe",
          "Unsubscribe",
          "Unsubscribe",
          "Disconnect"
        ])
        const both = [
          ...yield* toldIn(one.bayeux, told[0] ?? []),
          ...yield* toldIn(other.bayeux, told[1] ?? [])
        ]
        const plain = own.map(({ at: _at, node: _node, position: _position, ...event }) => event)
        const isMeant = (event: { readonly [field: string]: unknown }) => !String(event["channel"]).startsWith("/begin")
        assert.sameDeepMembers(both.filter(isMeant), plain)
        for (const [i, { position }] of own.entries()) {
          const rest = own.slice(i + 1)
          const found = yield* Effect.provideContext(take(rest.length, { from: position }), other.context)
          assert.deepStrictEqual(found, rest, `behind event ${i}`)
        }
        const begin = own[0]?.position ?? ""
        const key = Redacted.make("key")
        const [hidden] = yield* Effect.provideContext(take(1, { from: begin, key }), other.context)
        assert.match(String(hidden?.clientId), /^[0-9a-f]{64}$/)
      }))

    it.live("says so when the log does not reach back, or the position is none", () =>
      Effect.gen(function*() {
        const namespace = freshNamespace()
        const { bayeux, context } = yield* start({ namespace })
        const error = (from: string) => Effect.provideContext(failure(take(1, { from })), context)
        yield* ask(bayeux, { channel: "/a", data: 1 })
        assert.match((yield* error("4096.1")).message, /does not reach back to 1970/)
        assert.match((yield* error("yesterday")).message, /"yesterday" is no position/)
      }))
  })
})
