/**
 * Behind real proxies, in every mode in which they are used, nobody aborts anything: each client gets each message once.
 * The configurations of `docs/deployment.md` are tried as they stand there.
 */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { documented, haproxyConfig, nginxSite, startHaproxy, startNginx, type WebProxy } from "../support/webProxies.ts"
import { begin, openEvents, releaseAll, serve, type Server, until } from "../transport/support.ts"
import { fateOf, type Manner, once, openClient, Poller, pollingClients, socketClients } from "./support.ts"

const [nginx, haproxy] = [inject("nginx"), inject("haproxy")]

afterEach(releaseAll)

const end = "/the/end"

type Start = (port: number) => Promise<WebProxy>

const at = (port: number) => `127.0.0.1:${port}`
const kept = `proxy_http_version 1.1; proxy_set_header Connection "";`

const withNginx = (directives = ""): Start => (port) => startNginx(nginx, nginxSite(at(port), directives))
const withHaproxy = (options = "", server = ""): Start => (port) =>
  startHaproxy(haproxy, haproxyConfig(at(port), options, server))

const nginxAsDocumented: Start = (port) =>
  startNginx(nginx, documented("nginx.conf").replace("127.0.0.1:8000", at(port)))
const haproxyAsDocumented: Start = (port) =>
  startHaproxy(haproxy, documented("haproxy.cfg").replace("127.0.0.1:8000", at(port)))

const ofNginx: ReadonlyArray<readonly [string, Start]> = [
  ["nginx as documented", nginxAsDocumented],
  ["nginx as it is by default", withNginx()],
  ["nginx that keeps connections", withNginx(kept)]
]

const ofHaproxy: ReadonlyArray<readonly [string, Start]> = [
  ["haproxy as documented", haproxyAsDocumented],
  ["haproxy as it is by default", withHaproxy()],
  ["haproxy with http-server-close", withHaproxy("option http-server-close")],
  ["haproxy with httpclose", withHaproxy("option httpclose")],
  ["haproxy with http-reuse never", withHaproxy("http-reuse never")],
  ["haproxy with pool-max-conn 0", withHaproxy("", "pool-max-conn 0")]
]

const ofBoth: ReadonlyArray<readonly [string, Start]> = [
  ["nginx before haproxy, both as they are by default", async (port) => withNginx()((await withHaproxy()(port)).port)]
]

const ways = [
  ...(nginx === "" ? [] : ofNginx),
  ...(haproxy === "" ? [] : ofHaproxy),
  ...(nginx === "" || haproxy === "" ? [] : ofBoth)
]

const channelOf = (n: number) => `/messages/${n}`
const range = (count: number) => Array.from({ length: count }, (_, n) => n)

/** Publishes numbers, each when all have the one before, and then the end, until all have heard it. */
const publishTo = async (server: Server, count: number, haveAll: (channel: string, n: number) => Promise<unknown>) => {
  for (const n of range(count)) {
    await server.publish(channelOf(n), n)
    await haveAll(channelOf(n), n)
  }
  await server.publish(end, count)
  await haveAll(end, count)
}

/** With which of the clients so many numbers, and the end, have not arrived as they ought to. */
const wronged = async (
  server: Server,
  url: string,
  kinds: typeof pollingClients,
  transport: string,
  count: number
): Promise<ReadonlyArray<string>> => {
  const clients = await Promise.all(kinds.map((kind) => openClient(kind, url, transport)))
  for (const client of clients) {
    for (const pattern of ["/messages/*", end]) assert.strictEqual(await client.subscribe(pattern), "accepted")
  }
  await publishTo(
    server,
    count,
    (heard) => Promise.all(clients.map((client) => client.transcript({ heard })))
  )
  const transcripts = await Promise.all(clients.map((client) => client.transcript({ heard: end })))
  return transcripts.flatMap(({ delivered }, at) => {
    const fate = fateOf(delivered.map(({ data }) => data), count + 1)
    return fate === once ? [] : [`${kinds[at]?.name}: ${fate}`]
  })
}

describe.skipIf(ways.length === 0).each(ways)("behind %s", (_, start) => {
  it("each client gets each of 20 messages once by long-polling", async () => {
    const server = await serve()
    const { url } = await start(server.port)
    assert.deepStrictEqual(await wronged(server, url, pollingClients, "long-polling", 20), [])
  })

  it.each(
    [
      ["says by ids what it has read, and keeps its connection", "faye", false],
      ["says by ids what it has read, and closes its connections", "faye", true],
      ["acknowledges", "ack", false],
      ["says nothing, and keeps its connection", "cometd", false],
      ["says nothing, and closes its connections", "cometd", true]
    ] as const
  )("each of four clients that poll gets each of 20 messages once if it %s", async (_, manner, isClosing) => {
    const server = await serve()
    const { url } = await start(server.port)
    const channels = ["/messages/*", end]
    const pollers = await Promise.all(range(4).map(() => Poller.begin(url, channels, { manner, isClosing })))
    await publishTo(
      server,
      20,
      (_, n) => until(`message ${n}`, () => pollers.every(({ received }) => received.includes(n)))
    )
    for (const { received } of pollers) assert.strictEqual(fateOf(received, 21), once)
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// the documented configurations carry everything

const asDocumented = [
  ...(nginx === "" ? [] : ofNginx.slice(0, 1)),
  ...(haproxy === "" ? [] : ofHaproxy.slice(0, 1))
]

describe.skipIf(asDocumented.length === 0).each(asDocumented)("behind %s", (_, start) => {
  it("each client gets each of 20 messages once by WebSocket", async () => {
    const server = await serve()
    const { url } = await start(server.port)
    assert.deepStrictEqual(await wronged(server, url, socketClients, "websocket", 20), [])
  })

  it("an event stream is not held up", async () => {
    const server = await serve()
    const { url } = await start(server.port)
    const clientId = await begin({ url }, "/a")
    const events = await openEvents({ url }, clientId)
    const delays: Array<number> = []
    for (const n of range(15)) {
      const before = performance.now()
      await server.publish("/a", n)
      await events.delivered(n + 1)
      delays.push(performance.now() - before)
    }
    assert.deepStrictEqual(events.data, range(15))
    assert.isBelow(delays.sort((a, b) => a - b)[7] ?? Infinity, 100, delays.join())
  })

  it("the server hears at once that a poll was given up", async () => {
    const server = await serve()
    const { url } = await start(server.port)
    const poller = await Poller.begin(url, "/a", { manner: "cometd" })
    const isPolling = async () => (await server.session(poller.clientId))?.link === "Polling"
    await until("a poll", isPolling)
    await poller.stop()
    await until("the poll to be over", async () => !await isPolling())
    await server.publish("/a", 1)
    assert.strictEqual((await server.session(poller.clientId))?.queueLength, 1)
  })
})

describe.skipIf(haproxy === "")("behind haproxy as it is by default", () => {
  it("clients that wait 6.5 s between polls get nothing twice", async () => {
    const server = await serve()
    const { url } = await withHaproxy()(server.port)
    const manners = range(8).map((n): Manner => n % 2 === 0 ? "faye" : "cometd")
    const pollers = await Promise.all(manners.map((manner) => Poller.begin(url, "/a", { manner, pause: 6_500 })))
    const isOver = new Promise((resolve) => setTimeout(resolve, 10_000))
    let count = 0
    for (let goesOn = true; goesOn;) {
      await server.publish("/a", count++)
      goesOn = await Promise.race([
        isOver.then(() => false),
        new Promise<boolean>((resolve) => setTimeout(resolve, 200, true))
      ])
    }
    await until("all", () => pollers.every(({ received }) => received.includes(count - 1)))
    for (const { received } of pollers) assert.strictEqual(fateOf(received, count), once)
  })
})
