/**
 * Faye's browser client over EventSource in a real Chromium, behind a real nginx, while the processes behind it are
 * replaced. nginx answers 502 while nobody is there, by which the browser closes its stream for good.
 */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { Layer } from "effect"
import * as RedisEngine from "../../src/engine/redis/RedisEngine.ts"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "../../src/index.ts"
import { Command } from "../support/command.ts"
import type { PageClient } from "../support/page.ts"
import { RedisServer } from "../support/redis.ts"
import { startNginx, type WebProxy } from "../support/webProxies.ts"
import { atEnd, post, releaseAll, serveLayer, type Server, stopwatch, until } from "../transport/support.ts"
import { inChromium, type OpenPage } from "./inChromium.ts"

afterEach(releaseAll)

const [nginx, redis] = [inject("nginx"), inject("redis")]

type Engine = typeof MemoryEngine.layer | ReturnType<typeof RedisEngine.layer>

const onRedis = async (): Promise<Engine> => RedisEngine.layer({ url: (await RedisServer.start(redis)).url })

const engines: ReadonlyArray<readonly [name: string, isThere: boolean, make: () => Promise<Engine>]> = [
  ["memory", true, () => Promise.resolve(MemoryEngine.layer)],
  ["Redis", redis !== "", onRedis]
]

const serve = (engine: Engine, port = 0): Promise<Server> =>
  serveLayer(
    NodeServer.layer({ port }).pipe(
      Layer.provide(Transports.layer),
      Layer.provideMerge(Bayeux.layer()),
      Layer.provideMerge(Layer.mergeAll(Layer.fresh(engine), Monitor.layer()))
    )
  )

const before = (...ports: ReadonlyArray<number>): Promise<WebProxy> =>
  startNginx(
    nginx,
    `upstream bayeux { ${ports.map((port) => `server 127.0.0.1:${port} max_fails=0;`).join(" ")} }
server {
  listen 80;
  location / { proxy_pass http://bayeux; proxy_http_version 1.1; proxy_set_header Connection ""; }
}`
  )

/** What Faye's client waits before it tries again, in milliseconds; if nothing is said five seconds. */
const retry = 3_000

const openClient = async (open: OpenPage, { url }: WebProxy): Promise<PageClient> => {
  const client = await open({ library: "faye", crossOrigin: false, transport: "eventsource", url, retry })
  atEnd(() => client.close())
  for (const channel of ["/numbers", "/end"]) assert.strictEqual(await client.subscribe(channel), "accepted")
  return client
}

/** Publishes one number after the other, whether somebody is there to take it or not. */
class Ticker {
  count = 0
  publish: (channel: string, data: unknown) => Promise<unknown>
  #isOver = false
  readonly #running: Promise<void>

  constructor(publish: Ticker["publish"]) {
    this.publish = publish
    this.#running = this.#run()
    atEnd(() => this.#isOver = true)
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.publish("/numbers", this.count++).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async some(): Promise<void> {
    const enough = this.count + 20
    await until("some more numbers", () => this.count >= enough)
  }

  /** Stops, and gives the numbers that the client has heard from one on. */
  async heardBy(client: PageClient, first: number): Promise<ReadonlyArray<number>> {
    this.#isOver = true
    await this.#running
    await this.publish("/end", null)
    const { heard } = await client.transcript({ heard: "/end" })
    const numbers = heard.filter(({ channel }) => channel === "/numbers").map(({ data }) => data as number)
    return numbers.filter((number) => number >= first)
  }
}

const numbersFrom = (first: number, count: number): ReadonlyArray<number> =>
  Array.from({ length: count - first }, (_, n) => first + n)

/** The session whose stream is open and whose subscriptions are there: a stream may be open before them. */
const streaming = async (server: Server): Promise<string | undefined> =>
  (await server.sessions()).find(({ connectionType, subscriptions }) =>
    connectionType === "eventsource" && subscriptions.includes("/numbers") && subscriptions.includes("/end")
  )?.clientId

const behindNginx = (open: OpenPage): void => {
  for (const [name, isThere, make] of engines) {
    it.skipIf(!isThere)(
      `whose only process is replaced is back within five seconds and misses nothing from then on, with ${name}`,
      async () => {
        const engine = await make()
        const first = await serve(engine)
        const client = await openClient(open, await before(first.port))
        const ticker = new Ticker(first.publish)
        await client.transcript({ heard: "/numbers" })
        await first.stop()
        await until("nginx to refuse", () => client.traffic.statuses("xhr").includes(502))
        const second = await serve(engine, first.port)
        const elapsed = stopwatch()
        const mark = ticker.count
        ticker.publish = second.publish
        await until("the client to be back", () => streaming(second))
        assert.isBelow(elapsed(), 5_000)
        const back = ticker.count
        await ticker.some()
        const heard = await ticker.heardBy(client, mark)
        const [begin = Infinity] = heard
        assert.isAtMost(begin, back)
        assert.deepStrictEqual(heard, numbersFrom(begin, ticker.count))
      }
    )
  }

  it("that was kicked is not brought back by its browser, which asks for the stream once more", async () => {
    const server = await serve(MemoryEngine.layer)
    const client = await openClient(open, await before(server.port))
    const clientId = await client.clientId()
    await until("a stream", () => streaming(server))
    assert.isTrue(await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(clientId, "enough"))))
    await until("the stream to be asked for", () => client.traffic.statuses("eventsource").length === 2)
    assert.deepStrictEqual(client.traffic.statuses("eventsource"), [200, 204])
    assert.strictEqual(await client.answers("/meta/handshake"), 1)
    assert.deepStrictEqual(await server.sessions(), [])
  })

  it.skipIf(redis === "")(
    "whose process is replaced beside another one goes there with its session, and misses nothing at all",
    async () => {
      const engine = await onRedis()
      let servers: readonly [Server, Server] = [await serve(engine), await serve(engine)]
      const client = await openClient(open, await before(...servers.map(({ port }) => port)))
      const clientId = await client.clientId()
      const ticker = new Ticker(servers[0].publish)
      for (let round = 0; round < 2; round++) {
        await until("a stream", async () => await streaming(servers[0]) ?? await streaming(servers[1]))
        const [gone, other] = await streaming(servers[0]) === undefined ? [servers[1], servers[0]] : servers
        ticker.publish = other.publish
        await ticker.some()
        await gone.stop()
        await until("the stream to be there", () => streaming(other))
        servers = [other, await serve(engine, gone.port)]
      }
      await ticker.some()
      assert.deepStrictEqual(await ticker.heardBy(client, 0), numbersFrom(0, ticker.count))
      assert.strictEqual(await client.clientId(), clientId)
    }
  )

  it.skipIf(redis === "")(
    "whose process is killed gets what it was sent meanwhile with its next connect, and then a stream again",
    async () => {
      const { url } = await RedisServer.start(redis)
      const start = (port: number) =>
        new Command(["--port", `${port}`, "--engine", url, "--lease", "1", "--timeout", "2"])
      const first = start(0)
      const { port, url: direct } = await first.listening()
      const client = await openClient(open, await before(port))
      const former = await client.clientId()
      const publish = (channel: string, data: unknown) => post({ url: direct }, [{ channel, data }])
      const ticker = new Ticker(publish)
      await client.transcript({ heard: "/numbers" })
      first.process.kill("SIGKILL")
      await first.exit()
      await until("nginx to refuse the stream", () => client.traffic.statuses("eventsource").includes(502))
      await start(port).listening()
      const mark = ticker.count + 1
      const isBack = async () =>
        await client.transport() === "eventsource" && await client.clientId() !== former &&
        client.traffic.eventSources().at(-1)?.endsWith(await client.clientId())
      await until("another stream", isBack)
      await ticker.some()
      const heard = await ticker.heardBy(client, mark)
      assert.deepStrictEqual(heard, [...new Set(heard)].sort((a, b) => a - b), "each once and in order")
      assert.strictEqual(heard[0], mark, "what was published before the client was back came with its connects")
      const gaps = heard.filter((number, i) => number !== (heard[i - 1] ?? number - 1) + 1)
      assert.isAtMost(gaps.length, 1, "between the sessions, and nowhere else")
    }
  )
}

describe.skipIf(nginx === "")(
  nginx === "" ? "behind nginx (skipped: no nginx was found)" : "behind nginx",
  () => {
    inChromium("Faye's browser client over EventSource", behindNginx)
  }
)
