/** Metrics of a known sequence over real sockets, as a scraper reads them. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer, ManagedRuntime, Metric, Scope, Stream } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Bayeux, MemoryEngine, Metrics, MetricsPage, Monitor, NodeServer, Transports } from "../../src/index.ts"
import * as Extension from "../../src/service/Extension.ts"
import {
  atEnd,
  begin,
  beginSocket,
  connectMessage,
  handshakeMessage,
  holdConnect,
  poll,
  post,
  releaseAll,
  request,
  subscribeMessage,
  until
} from "../transport/support.ts"
import { type Measured, parse, serveMeasured } from "./measured.ts"

afterEach(releaseAll)

const templates = ["/rooms/{room}", "/news"]

const disconnect = (server: Measured, clientId: string) => post(server, [{ channel: "/meta/disconnect", clientId }])

describe("a sequence of a socket and a poll", () => {
  const tell = async () => {
    const server = await serveMeasured({ metrics: { templates } })
    const { clientId, socket } = await beginSocket(server, "/rooms/*")
    const poller = await begin(server, ["/rooms/1", "/news", "/elsewhere"])
    const { answered } = await holdConnect(server, poller)
    socket.send({ channel: "/rooms/1", data: "to both", clientId })
    await answered
    await socket.delivered(1)
    socket.send({ channel: "/rooms/2", data: "to the socket", clientId })
    await socket.delivered(2)
    // They wait: the poller is away.
    await server.publish("/news", 1)
    await server.publish("/elsewhere", 2)
    await post(server, [{ channel: "/rooms/1", data: "a stranger's" }])
    await socket.delivered(3)
    return { server, clientId, socket, poller }
  }

  it("has the right gauges", async () => {
    const { poller, server } = await tell()
    assert.deepInclude(await server.series("bayeux_"), {
      bayeux_sessions: 2,
      bayeux_subscriptions: 4,
      // The socket's.
      bayeux_connects_held: 1,
      bayeux_queue_messages: 3,
      bayeux_engine_up: 1,
      bayeux_monitor_consumers: 0
    })
    assert.deepStrictEqual(await poll(server, poller), [1, 2, "a stranger's"])
    const { answered } = await holdConnect(server, poller)
    assert.deepInclude(await server.series("bayeux_"), { bayeux_connects_held: 2, bayeux_queue_messages: 0 })
    await disconnect(server, poller)
    await answered
    assert.deepInclude(await server.series("bayeux_"), {
      bayeux_sessions: 1,
      bayeux_subscriptions: 1,
      bayeux_connects_held: 1
    })
  })

  it("has the right counters, by template", async () => {
    const { poller, server } = await tell()
    assert.deepStrictEqual(await server.series("bayeux_messages_received_total"), {
      "bayeux_messages_received_total{template=\"/meta/handshake\"}": 2,
      "bayeux_messages_received_total{template=\"/meta/connect\"}": 2,
      "bayeux_messages_received_total{template=\"/meta/subscribe\"}": 2,
      "bayeux_messages_received_total{template=\"/meta/unsubscribe\"}": 0,
      "bayeux_messages_received_total{template=\"/meta/disconnect\"}": 0,
      "bayeux_messages_received_total{template=\"/rooms/{room}\"}": 3,
      "bayeux_messages_received_total{template=\"/news\"}": 1,
      "bayeux_messages_received_total{template=\"other\"}": 1
    })
    assert.deepStrictEqual(await server.series("bayeux_messages_delivered_total"), {
      "bayeux_messages_delivered_total{template=\"/rooms/{room}\"}": 4,
      "bayeux_messages_delivered_total{template=\"/news\"}": 0,
      "bayeux_messages_delivered_total{template=\"other\"}": 0
    })
    assert.strictEqual((await server.scrape()).get("bayeux_delivery_latency_seconds_count"), 4)
    await poll(server, poller)
    assert.deepStrictEqual(await server.series("bayeux_messages_delivered_total"), {
      "bayeux_messages_delivered_total{template=\"/rooms/{room}\"}": 5,
      "bayeux_messages_delivered_total{template=\"/news\"}": 1,
      "bayeux_messages_delivered_total{template=\"other\"}": 1
    })
    const latency = await server.series("bayeux_delivery_latency_seconds")
    assert.strictEqual(latency["bayeux_delivery_latency_seconds_count"], 7)
    assert.strictEqual(latency["bayeux_delivery_latency_seconds_bucket{le=\"+Inf\"}"], 7)
    assert.isAbove(latency["bayeux_delivery_latency_seconds_sum"] ?? 0, 0)
  })

  it("loses nothing", async () => {
    const { server } = await tell()
    const lost = Object.values(await server.series("bayeux_messages_dropped_total"))
    assert.isAbove(lost.length, 5)
    assert.deepStrictEqual([...new Set(lost)], [0])
  })

  it("is the same for all readers of the registry", async () => {
    const { server } = await tell()
    const read = parse(await server.run(PrometheusMetrics.format()))
    for (const [name, value] of await server.scrape()) {
      if (!name.startsWith("bayeux_event_loop")) assert.strictEqual(read.get(name), value, name)
    }
  })
})

describe("the counter of losses", () => {
  const lossOf = async (server: Measured): Promise<Record<string, number>> => {
    const all = await server.series("bayeux_messages_dropped_total")
    return Object.fromEntries(
      Object.entries(all).filter(([, value]) => value > 0).map(([name, value]) => [/"(\w+)"/.exec(name)?.[1], value])
    )
  }
  const endsOf = async (server: Measured, cause: string) =>
    (await server.scrape()).get(`bayeux_session_ends_total{cause="${cause}"}`)

  it("counts the queue of a session that outgrows it, and the message that was too much", async () => {
    const server = await serveMeasured({ bayeux: { maxQueueLength: 2 } })
    await begin(server, "/a")
    for (const n of [1, 2, 3]) await server.publish("/a", n)
    assert.deepStrictEqual(await lossOf(server), { QueueOverflow: 3 })
    assert.strictEqual(await endsOf(server, "QueueOverflow"), 1)
  })

  it("counts the queue of a session that ends, under the cause of its end", async () => {
    const server = await serveMeasured({ bayeux: { timeout: 50, sessionTimeout: 100 } })
    const [kicked, leaving] = [await begin(server, "/a"), await begin(server, "/a")]
    await server.publish("/a", 1)
    await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(kicked, "enough")))
    await disconnect(server, leaving)
    const { ClientRequest, Kicked } = await lossOf(server)
    assert.deepStrictEqual({ ClientRequest, Kicked }, { ClientRequest: 1, Kicked: 1 })
    await begin(server, "/b")
    await server.publish("/b", 1)
    await server.publish("/b", 2)
    await until("its end", async () => (await endsOf(server, "Timeout")) === 1)
    assert.deepStrictEqual(await lossOf(server), { ClientRequest: 1, Kicked: 1, Timeout: 2 })
    assert.deepStrictEqual([await endsOf(server, "Kicked"), await endsOf(server, "ClientRequest")], [1, 1])
  })

  it("counts neither messages in the last answer nor sent ones that are not acknowledged yet", async () => {
    const server = await serveMeasured()
    const held = await begin(server, "/a")
    const { answered } = await holdConnect(server, held)
    await server.run(
      Bayeux.Bayeux.use((bayeux) => Effect.andThen(bayeux.publish("/a", 1), bayeux.disconnect(held, "enough")))
    )
    await answered
    const [reply] = (await post(server, [{ ...handshakeMessage, ext: { ack: true } }])).messages
    const acknowledging = reply?.clientId ?? ""
    await post(server, [subscribeMessage(acknowledging, "/b")])
    await server.publish("/b", "has left")
    assert.deepStrictEqual(await poll(server, acknowledging), ["has left"])
    await server.publish("/b", "has not")
    await disconnect(server, acknowledging)
    assert.deepStrictEqual(await lossOf(server), { ClientRequest: 1 })
  })

  it("counts each publish that is refused, for any reason", async () => {
    const server = await serveMeasured()
    await post(server, [
      { channel: "/a", data: 1, clientId: "nobody" },
      { channel: "/a/*", data: 1 },
      { channel: "/a" },
      // These are no publishes.
      connectMessage("nobody"),
      { channel: "/meta/nonsense" },
      {}
    ])
    assert.deepStrictEqual(await lossOf(server), { Refused: 3 })
  })

  it("counts messages that an extension drops", async () => {
    const server = await serveMeasured()
    const censor: Extension.Extension = {
      name: "censor",
      incoming: (message) => Effect.succeed(message["data"] === "in" ? undefined : message),
      outgoing: (message) =>
        message["data"] === "refused"
          ? Extension.refuse("no")
          : Effect.succeed(message["data"] === "out" ? undefined : { ...message })
    }
    await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.addExtension(censor)))
    const { clientId, socket } = await beginSocket(server, "/a")
    for (const data of ["in", "out", "refused", "passes"]) socket.send({ channel: "/a", data, clientId })
    await socket.delivered(1)
    assert.deepStrictEqual(await lossOf(server), { Extension: 3 })
    const delivered = (await server.scrape()).get("bayeux_messages_delivered_total{template=\"other\"}")
    assert.strictEqual(delivered, 1, "what an extension has made of a delivery is one")
    assert.strictEqual((await server.scrape()).get("bayeux_delivery_latency_seconds_count"), 1)
  })
})

describe("the number of series", () => {
  it("does not grow with channels and clients", async () => {
    const server = await serveMeasured({ metrics: { templates } })
    const { clientId, socket } = await beginSocket(server, "/rooms/*")
    socket.send({ channel: "/rooms/1", data: 0, clientId })
    await socket.delivered(1)
    const before = [...(await server.scrape()).keys()]
    for (let batch = 0; batch < 20; batch++) {
      await post(
        server,
        Array.from({ length: 500 }, (_, i) => ({ channel: `/rooms/${batch}-${i}`, data: i }))
          .concat(Array.from({ length: 500 }, (_, i) => ({ channel: `/c${i}/${batch}`, data: i })))
      )
    }
    await Promise.all(Array.from({ length: 50 }, () => begin(server, "/a")))
    await socket.delivered(10_001)
    const after = await server.scrape()
    assert.deepStrictEqual([...after.keys()], before)
    assert.strictEqual(after.get("bayeux_messages_received_total{template=\"/rooms/{room}\"}"), 10_001)
    assert.strictEqual(after.get("bayeux_messages_received_total{template=\"other\"}"), 10_000)
    assert.strictEqual(after.get("bayeux_messages_delivered_total{template=\"/rooms/{room}\"}"), 10_001)
  })

  it("is none without the layer, and none when its scope has ended", async () => {
    const registry: Metric.MetricRegistry = new Map()
    const service = Bayeux.layer().pipe(Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer())))
    const program = Effect.gen(function*() {
      yield* (yield* Bayeux.Bayeux).publish("/a", 1)
      assert.strictEqual(registry.size, 0)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Layer.build(Metrics.layer())
        assert.isAbove(registry.size, 20)
      }))
      assert.strictEqual(registry.size, 0)
    })
    const provided = Effect.provideService(Effect.provide(program, service), Metric.MetricRegistry, registry)
    await Effect.runPromise(Effect.scoped(provided))
  })

  it("has the consumers of the stream by name, until their end", async () => {
    const server = await serveMeasured()
    const consumers = await server.run(Effect.gen(function*() {
      const monitor = yield* Monitor.Monitor
      const scope = yield* Scope.make()
      const subscribe = (options?: Monitor.SubscribeOptions) => Scope.provide(monitor.subscribe(options), scope)
      const alarm = yield* subscribe({ name: "alarm", capacity: 2 })
      yield* Effect.asVoid(subscribe())
      yield* Effect.asVoid(subscribe({ capacity: 1 }))
      return { alarm, scope }
    }))
    await server.scrape()
    await begin(server, ["/a", "/b"])
    assert.deepStrictEqual(await server.series("bayeux_monitor_"), {
      "bayeux_monitor_consumers": 3,
      "bayeux_monitor_behind_events{consumer=\"alarm\"}": 3,
      "bayeux_monitor_missed_events{consumer=\"alarm\"}": 1,
      "bayeux_monitor_waiting_bytes{consumer=\"alarm\"}": 260,
      "bayeux_monitor_behind_events{consumer=\"unnamed\"}": 3,
      "bayeux_monitor_missed_events{consumer=\"unnamed\"}": 2,
      "bayeux_monitor_waiting_bytes{consumer=\"unnamed\"}": 518
    })
    await server.run(Scope.close(consumers.scope, Effect.runSync(Effect.exit(Effect.void))))
    await server.run(Stream.runDrain(consumers.alarm))
    await server.scrape()
    assert.deepStrictEqual(await server.series("bayeux_monitor_"), { bayeux_monitor_consumers: 0 })
  })
})

describe("the delay of the event loop", () => {
  it("shows that the process was busy", async () => {
    const server = await serveMeasured()
    const longest = "bayeux_event_loop_delay_seconds{quantile=\"1\"}"
    await until("a first measure", async () => ((await server.scrape()).get(longest) ?? 0) > 0)
    const end = performance.now() + 300
    while (performance.now() < end);
    await until("the delay", async () => ((await server.scrape()).get(longest) ?? 0) > 0.25)
    const delays = await server.series("bayeux_event_loop_delay_seconds")
    assert.isBelow(delays["bayeux_event_loop_delay_seconds{quantile=\"0.5\"}"] ?? 1, 0.25)
  })
})

describe("the page", () => {
  it("is text for Prometheus, to be read only", async () => {
    const server = await serveMeasured()
    const page = (path: string, method = "GET") => request(new URL(path, server.url).href, { method })
    const answer = await page("/metrics")
    assert.deepStrictEqual([answer.status, answer.headers["content-type"]], [
      200,
      "text/plain; version=0.0.4; charset=utf-8"
    ])
    assert.include(answer.text, "# HELP bayeux_sessions Sessions of this process\n# TYPE bayeux_sessions gauge\n")
    assert.include(answer.text, "# TYPE bayeux_messages_received_total counter\n")
    assert.include(answer.text, "# TYPE bayeux_delivery_latency_seconds histogram\n")
    const { status, text } = await page("/metrics", "HEAD")
    assert.deepStrictEqual([status, text], [200, ""])
    assert.deepStrictEqual((await page("/metrics", "POST")).status, 405)
    assert.deepStrictEqual((await page("/metrics/more")).status, 404)
    assert.deepStrictEqual((await page("/metricsmore")).status, 404)
  })

  it("is served on an existing server while its scope is open", async () => {
    const server = createServer((_, response) => void response.end("the rest")).listen(0, "127.0.0.1")
    atEnd(() => server.close())
    await until("the server to listen", () => server.listening)
    const read = (path: string) => request(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
    const runtime = ManagedRuntime.make(Layer.effectDiscard(MetricsPage.attach(server, { path: "/status" })))
    atEnd(() => runtime.dispose())
    await runtime.context()
    assert.include((await read("/status")).headers["content-type"], "version=0.0.4")
    assert.strictEqual((await read("/")).text, "the rest")
    await runtime.dispose()
    assert.strictEqual((await read("/status")).text, "the rest")
  })
})

describe("options", () => {
  it.each([
    [{ templates: ["rooms"] }, "rooms"],
    [{ templates: ["/rooms/{room"] }, "/rooms/{room"],
    [{ templates: ["/rooms/a{room}"] }, "/rooms/a{room}"],
    [{ templates: ["/rooms/**"] }, "/rooms/**"],
    [{ template: [] }, "template"]
  ])("%j make no sense, and are refused with a sentence", async (metrics, named) => {
    const failure = await Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(
      Metrics.layer(metrics as Metrics.MetricsOptions).pipe(
        Layer.provide(Bayeux.layer()),
        Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
      )
    ))))
    assert.match(failure.message, /^The options of Metrics\.layer are not valid: /)
    assert.include(failure.message, named)
  })
})

describe("two services in one registry", () => {
  it("are told apart by attributes", async () => {
    const service = (name: string) =>
      Layer.mergeAll(Metrics.layer(), NodeServer.layer({ port: 0 }), Transports.layer).pipe(
        Layer.provideMerge(Bayeux.layer()),
        Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer())),
        Layer.provide(Layer.succeed(Metric.CurrentMetricAttributes, { service: name })),
        Layer.fresh
      )
    const program = Effect.gen(function*() {
      yield* Layer.build(service("one"))
      yield* Layer.build(service("two"))
      return parse(yield* PrometheusMetrics.format())
    })
    const registry: Metric.MetricRegistry = new Map()
    const scrape = await Effect.runPromise(
      Effect.scoped(Effect.provideService(program, Metric.MetricRegistry, registry))
    )
    assert.deepStrictEqual([...scrape.keys()].filter((name) => name.startsWith("bayeux_sessions")), [
      "bayeux_sessions{service=\"one\"}",
      "bayeux_sessions{service=\"two\"}"
    ])
  })
})
