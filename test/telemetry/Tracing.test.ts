/** Messages of a publisher with traces: their context at subscribers, and their spans at a collector over real sockets. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { CometD, type Message as CometdMessage } from "cometd"
import { adapt } from "cometd-nodejs-client"
import { Effect, Layer, ManagedRuntime, Option, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpExporter, OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import { Client } from "faye"
import type { OptionsInvalid } from "../../src/base/Options.ts"
import type * as Engine from "../../src/engine/Engine.ts"
import * as RedisEngine from "../../src/engine/redis/RedisEngine.ts"
import { Bayeux, MemoryEngine, Metrics, Monitor, NodeServer, Tracing, Transports } from "../../src/index.ts"
import { type Connections } from "../../src/service/Connections.ts"
import { openCometd, openFaye } from "../support/clients.ts"
import { attributesOf, type CollectedSpan, type Collector, startCollector } from "../support/collector.ts"
import { RedisServer } from "../support/redis.ts"
import { atEnd, begin, beginSocket, poll, post, releaseAll, type Server, until } from "../transport/support.ts"

adapt()
afterEach(releaseAll)

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"
const traceparent = `00-${traceId}-${spanId}-01`
const unrecorded = `00-${traceId}-${spanId}-00`

const traced = (channel: string, data: unknown, parent = traceparent) => ({
  channel,
  data,
  ext: { traceparent: parent }
})

interface TracedServer extends Server {
  readonly flush: () => Promise<void>
}

const exporters = (url: string) =>
  Layer.mergeAll(
    OtlpTracer.layer({ url: `${url}/v1/traces`, resource: { serviceName: "test" } }),
    OtlpMetrics.layer({ url: `${url}/v1/metrics`, resource: { serviceName: "test" } })
  ).pipe(
    Layer.provideMerge(OtlpExporter.layerFlusher),
    Layer.provide(OtlpSerialization.layerJson),
    Layer.provide(FetchHttpClient.layer)
  )

interface ServeOptions {
  readonly collector: Collector
  readonly engine?: Layer.Layer<Engine.Engine, Engine.EngineError | OptionsInvalid>
  readonly tracing?: Layer.Layer<never, OptionsInvalid, Connections>
}

const templates = ["/rooms/{room}"]

const serve = async (
  { collector, engine = MemoryEngine.layer, tracing = Tracing.layer({ templates }) }: ServeOptions
): Promise<TracedServer> => {
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(NodeServer.layer({ port: 0 }), Transports.layer, tracing, Metrics.layer({ templates })).pipe(
      Layer.provideMerge(Bayeux.layer()),
      Layer.provideMerge(Layer.mergeAll(engine, Monitor.layer())),
      Layer.provideMerge(exporters(collector.url))
    )
  )
  const stop = () => runtime.dispose()
  atEnd(stop)
  const { address, server, url } = await runtime.runPromise(NodeServer.NodeServer)
  const run: Server["run"] = (effect) => runtime.runPromise(effect)
  const sessions = () => run(Bayeux.Bayeux.use((bayeux) => bayeux.sessions))
  return {
    url,
    port: address.port,
    http: server,
    run,
    publish: (channel, data) => run(Bayeux.Bayeux.use((bayeux) => bayeux.publish(channel, data as string))),
    sessions,
    session: async (clientId) => (await sessions()).find((session) => session.clientId === clientId),
    stop,
    flush: () => runtime.runPromise(OtlpExporter.Flusher.use(({ flush }) => flush))
  }
}

const start = async (options: Partial<ServeOptions> = {}) => {
  const collector = options.collector ?? await startCollector()
  return { collector, server: await serve({ ...options, collector }) }
}

const spans = async (
  server: TracedServer,
  { spans }: Collector,
  count: number
): Promise<ReadonlyArray<CollectedSpan>> => {
  await until(() => `${count} spans, there were ${JSON.stringify(spans)}`, async () => {
    await server.flush()
    return spans.length >= count
  })
  return spans
}

describe("a message that is traced", () => {
  it("has a span for its publish and one for all of its deliveries in a turn, in the trace of its publisher", async () => {
    const { collector, server } = await start()
    const sockets = await Promise.all([1, 2, 3].map(() => beginSocket(server, "/rooms/*")))
    await post(server, [{ ...traced("/rooms/7", "hello"), id: "m1" }])
    for (const { socket } of sockets) {
      const delivered = await socket.message("the message", ({ data }) => data === "hello")
      assert.deepStrictEqual<unknown>(delivered, { channel: "/rooms/7", data: "hello", id: "m1", ext: { traceparent } })
    }
    const [publish, deliver, ...others] = await spans(server, collector, 2)
    assert.deepStrictEqual(others, [])
    const common = {
      "messaging.system": "bayeux",
      "messaging.destination.name": "/rooms/7",
      "messaging.destination.template": "/rooms/{room}",
      "messaging.message.id": "m1"
    }
    assert.deepInclude(publish, { name: "publish /rooms/{room}", traceId, parentSpanId: spanId, kind: 2 })
    assert.deepStrictEqual(publish?.attributes, { ...common, "messaging.operation.name": "publish" })
    assert.deepInclude(deliver, { name: "deliver /rooms/{room}", traceId, parentSpanId: spanId, kind: 1 })
    assert.deepStrictEqual(deliver?.attributes, {
      ...common,
      "messaging.operation.name": "deliver",
      "messaging.bayeux.sessions": 3
    })
    for (const span of [publish, deliver]) assert.isAtLeast(span?.milliseconds ?? -1, 0)
  })

  it("has a span for each turn in which sessions collect it later, up to ten", async () => {
    const { collector, server } = await start()
    const clientIds = await Promise.all(Array.from({ length: 12 }, () => begin(server, "/a")))
    await post(server, [traced("/a", 1)])
    for (const clientId of clientIds) assert.deepStrictEqual(await poll(server, clientId), [1])
    const all = await spans(server, collector, 11)
    assert.deepStrictEqual(all.map(({ name }) => name), ["publish", ...Array.from({ length: 10 }, () => "deliver")])
  })

  it("keeps its trace context, and has no span, if its trace is not sampled", async () => {
    const { collector, server } = await start()
    const { socket } = await beginSocket(server, "/a")
    await post(server, [traced("/a", 1, unrecorded), traced("/a", 2)])
    await socket.delivered(2)
    const contexts = socket.messages.filter(({ channel }) => channel === "/a").map(({ ext }) => ext as unknown)
    assert.deepStrictEqual(contexts, [{ traceparent: unrecorded }, { traceparent }])
    assert.strictEqual((await spans(server, collector, 2)).length, 2)
  })

  it("has no publish span when it is refused", async () => {
    const { collector, server } = await start()
    await post(server, [{ ...traced("/a", 1), clientId: "nobody" }, traced("/a/*", 1), traced("/a", 1)])
    assert.deepStrictEqual((await spans(server, collector, 1)).map(({ name }) => name), ["publish"])
  })
})

describe("a message that is not", () => {
  it.each([
    ["no ext", undefined],
    ["an ext of another kind", { token: 1, traceparent: 7 }],
    ["no trace context", { traceparent: "00-abc-def-01" }],
    ["a trace context of nothing", { traceparent: `00-${"0".repeat(32)}-${spanId}-01` }],
    ["a list", [traceparent]]
  ])("reaches its subscribers as ever: it has %s", async (_, ext) => {
    const { collector, server } = await start()
    const { socket } = await beginSocket(server, "/a")
    await post(server, [{ channel: "/a", data: 1, ext }, traced("/x", 1)])
    await socket.delivered(1)
    assert.deepStrictEqual<unknown>(socket.messages.at(-1), { channel: "/a", data: 1 })
    assert.strictEqual((await spans(server, collector, 1)).length, 1)
  })

  it("is any message where nobody traces", async () => {
    const { server } = await start({ tracing: Layer.empty })
    const { socket } = await beginSocket(server, "/a")
    await post(server, [traced("/a", 1)])
    await socket.delivered(1)
    assert.deepStrictEqual<unknown>(socket.messages.at(-1), { channel: "/a", data: 1 })
  })
})

describe("the application", () => {
  it("publishes within its span, and finds it again where it subscribes", async () => {
    const { collector, server } = await start()
    const [first] = await server.run(Effect.scoped(Effect.gen(function*() {
      const bayeux = yield* Bayeux.Bayeux
      const messages = yield* bayeux.subscription("/rooms/1")
      yield* Effect.withSpan(bayeux.publish("/rooms/1", "hello"), "work")
      return yield* Stream.runCollect(Stream.take(messages, 1))
    })))
    assert(first !== undefined)
    const all = await spans(server, collector, 3)
    const work = all.find(({ name }) => name === "work")
    const publisher = Option.getOrThrow(Tracing.publisher(first))
    assert.deepStrictEqual([publisher.traceId, publisher.spanId], [work?.traceId, work?.spanId])
    assert.sameMembers(all.filter(({ parentSpanId }) => parentSpanId === work?.spanId).map(({ name }) => name), [
      "publish /rooms/{room}",
      "deliver /rooms/{room}"
    ])
  })
})

describe("Effect's OTLP exporter", () => {
  it("sends the metrics as they are", async () => {
    const { collector, server } = await start()
    await begin(server, "/a")
    await server.flush()
    const metric = (name: string) => collector.metrics.find((metric) => metric.name === name)
    assert.deepStrictEqual(metric("bayeux_sessions")?.gauge?.dataPoints.map(({ asDouble }) => asDouble), [1])
    const received = metric("bayeux_messages_received_total")?.sum
    assert.isTrue(received?.isMonotonic)
    const points = received?.dataPoints.map((
      { asDouble, attributes }
    ) => [attributesOf(attributes)["template"], asDouble])
    assert.deepInclude(points, ["/meta/handshake", 1])
    assert.deepInclude(points, ["/rooms/{room}", 0])
    assert.strictEqual(metric("bayeux_delivery_latency_seconds")?.histogram?.dataPoints[0]?.count, 0)
    assert.strictEqual(metric("bayeux_delivery_latency_seconds")?.unit, "s")
    assert.strictEqual(collector.resource["service.name"], "test")
  })
})

describe("clients", () => {
  const open = {
    faye: (url: string, transport: string) => openFaye(Client, { url, transport, retry: 100 }),
    cometd: (url: string, transport: string) => openCometd(CometD, { url, transport, retry: 100 })
  }

  it.each(
    [
      ["faye", "websocket"],
      ["faye", "long-polling"],
      ["cometd", "websocket"],
      ["cometd", "long-polling"]
    ] as const
  )("of %s over %s take a message that brings its trace context", async (name, transport) => {
    const { server } = await start()
    const client = await open[name](server.url, transport)
    atEnd(() => client.close())
    assert.strictEqual(await client.subscribe("/a"), "accepted")
    await post(server, [traced("/a", "traced"), { channel: "/a", data: "not traced" }])
    const { delivered, heard } = await client.transcript({ heard: "/a" })
    assert.deepInclude(heard, { pattern: "/a", channel: "/a", data: "traced" })
    assert.deepStrictEqual(delivered[0]?.fields, ["channel", "data", "ext"])
  })

  it("can trace what they publish, and see it", async () => {
    const { collector, server } = await start()
    const cometd = new CometD()
    cometd.configure({ url: server.url, logLevel: "warn" })
    atEnd(() => new Promise<void>((resolve) => cometd.disconnect(() => resolve())))
    const seen: Array<CometdMessage> = []
    await new Promise<void>((resolve) => cometd.handshake(() => resolve()))
    await new Promise<void>((resolve) =>
      void cometd.subscribe("/a", (message) => void seen.push(message), () => resolve())
    )
    cometd.publish("/a", "hello", { ext: { traceparent } })
    await until("the message", () => seen.length === 1)
    assert.deepStrictEqual<unknown>(seen[0]?.ext, { traceparent })
    assert.strictEqual((await spans(server, collector, 2))[1]?.parentSpanId, spanId)
  })
})

describe.runIf(inject("redis") !== "")("with Redis", () => {
  it("has a deliver span in each process, and a publish span where it was published", async () => {
    const redis = await RedisServer.start(inject("redis"))
    atEnd(() => redis.stop())
    const engine = () => Layer.fresh(RedisEngine.layer({ url: redis.url }))
    const here = await start({ engine: engine() })
    const there = await start({ engine: engine() })
    const [one, two] = [await beginSocket(here.server, "/a"), await beginSocket(there.server, "/a")]
    await post(here.server, [traced("/a", 1)])
    await Promise.all([one.socket.delivered(1), two.socket.delivered(1)])
    for (const { socket } of [one, two]) assert.deepStrictEqual<unknown>(socket.messages.at(-1)?.ext, { traceparent })
    const names = async ({ collector, server }: typeof here, count: number) =>
      (await spans(server, collector, count)).map(({ name, parentSpanId }) => [name, parentSpanId])
    assert.deepStrictEqual(await names(here, 2), [["publish", spanId], ["deliver", spanId]])
    assert.deepStrictEqual(await names(there, 1), [["deliver", spanId]])
  })
})
