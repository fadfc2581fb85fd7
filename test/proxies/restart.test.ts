/** Real proxies, the server behind them and its processes are restarted under clients that go on. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { Cluster } from "../support/cluster.ts"
import { Command } from "../support/command.ts"
import { RedisServer } from "../support/redis.ts"
import { documented, startHaproxy, startNginx, type WebProxy } from "../support/webProxies.ts"
import { post, releaseAll, serve, stopwatch, until } from "../transport/support.ts"
import { fateOf, once, openClient, Poller, pollingClients, socketClients } from "./support.ts"

const [nginx, haproxy] = [inject("nginx"), inject("haproxy")]

afterEach(releaseAll)

const target = "127.0.0.1:8000"

/** The documented configuration with a line for each process. */
const nginxBefore = (...ports: ReadonlyArray<number>): Promise<WebProxy> => {
  const line = /^.*127\.0\.0\.1:8000.*$/m
  const site = documented("nginx.conf")
  const lines = ports.map((port) => line.exec(site)?.[0].replace(target, `127.0.0.1:${port}`))
  return startNginx(nginx, site.replace(line, lines.join("\n")))
}

const haproxyBefore = (...ports: ReadonlyArray<number>): Promise<WebProxy> => {
  const line = /^.*server one 127\.0\.0\.1:8000.*$/m
  const config = documented("haproxy.cfg")
  const lines = ports.map((port) =>
    line.exec(config)?.[0].replace("server one", `server on${port}`).replace(target, `127.0.0.1:${port}`)
  )
  return startHaproxy(haproxy, config.replace(line, lines.join("\n")))
}

type Start = (...ports: ReadonlyArray<number>) => Promise<WebProxy>

const ways: ReadonlyArray<readonly [string, Start]> = [
  ...(nginx === "" ? [] : [["nginx", nginxBefore]] as const),
  ...(haproxy === "" ? [] : [["haproxy", haproxyBefore]] as const)
]

const end = "/the/end"

const subscribed = async (url: string, kinds: typeof pollingClients, transport: string, retry: number) => {
  const clients = await Promise.all(kinds.map((kind) => openClient(kind, url, transport, retry)))
  for (const client of clients) {
    for (const pattern of ["/messages", "/messages/*", end]) {
      assert.strictEqual(await client.subscribe(pattern), "accepted")
    }
  }
  return clients
}

/** Publishes numbers until something has happened, and gives how many. */
const publishDuring = async (happens: Promise<unknown>, publish: (n: number) => Promise<unknown>): Promise<number> => {
  let goesOn = true
  const isOver = happens.finally(() => goesOn = false)
  let count = 0
  while (goesOn) {
    await publish(count++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await isOver
  return count
}

describe.skipIf(ways.length === 0).each(ways)("behind %s as documented", (_, start) => {
  it("clients whose proxy is killed three times while their polls are held get each message once", async () => {
    const server = await serve()
    const proxy = await start(server.port)
    const kinds = pollingClients.slice(0, 3)
    const clients = await subscribed(proxy.url, kinds, "long-polling", 100)
    const ids = await Promise.all(clients.map((client) => client.clientId()))
    const polling = () =>
      until("all polls", async () => (await server.sessions()).filter(({ link }) => link === "Polling").length === 3)
    let count = 0
    const publish = async () => {
      await server.publish(`/messages/${count}`, count)
      count += 1
    }
    const heard = () => Promise.all(clients.map((client) => client.transcript({ heard: `/messages/${count - 1}` })))
    for (let i = 0; i < 3; i++) {
      await publish()
      await heard()
      await polling()
      await proxy.kill()
      await until(
        "the end of the polls",
        async () => (await server.sessions()).every(({ link }) => link !== "Polling")
      )
      await publish()
      await proxy.start()
      await heard()
    }
    await server.publish(end, null)
    for (const [place, client] of clients.entries()) {
      const { heard } = await client.transcript({ heard: end })
      const received = heard.filter(({ pattern }) => pattern === "/messages/*").map(({ data }) => data)
      assert.strictEqual(fateOf(received, count), once, kinds[place]?.name)
      assert.strictEqual(await client.clientId(), ids[place], "it is the same session still")
    }
  })

  it("clients of a server that is restarted are back within 5 s of it", async () => {
    const first = new Command(["--port", "0"])
    const { port } = await first.listening()
    const proxy = await start(port)
    const polling = await subscribed(proxy.url, pollingClients.slice(0, 3), "long-polling", 500)
    const sockets = await subscribed(proxy.url, socketClients, "websocket", 500)
    const clients = [...polling, ...sockets]
    first.process.kill("SIGTERM")
    assert.strictEqual(await first.exit(), 0)
    const second = new Command(["--port", `${port}`])
    await second.listening()
    const elapsed = stopwatch()
    const back = clients.map((client) => client.transcript({ answers: "/meta/subscribe", count: 6 }))
    await Promise.all(back)
    assert.isBelow(elapsed(), 5_000)
    const direct = { url: `http://127.0.0.1:${port}/bayeux` }
    for (const channel of ["/messages", end]) await post(direct, [{ channel, data: 0 }])
    for (const client of clients) {
      const { heard } = await client.transcript({ heard: end })
      assert.deepStrictEqual(heard.map(({ channel }) => channel), ["/messages", end])
    }
  })

  it.skipIf(inject("redis") === "")(
    "a rolling restart on Redis loses nothing, doubles nothing where the client tells what it has read, and refuses no publish",
    async () => {
      const redis = await RedisServer.start(inject("redis"))
      const ports: Array<number> = []
      const cluster = await Cluster.start({
        size: 2,
        args: (place) => ["--engine", redis.url, ...(ports[place] === undefined ? [] : ["--port", `${ports[place]}`])]
      })
      for (const url of cluster.urls) ports.push(Number(new URL(url).port))
      const proxy = await start(...ports)
      const manners = ["faye", "cometd", "ack"] as const
      const pollers = await Promise.all(
        manners.map((manner) => Poller.begin(proxy.url, ["/messages", end], { manner }))
      )
      const sockets = await subscribed(proxy.url, socketClients, "websocket", 100)
      const roll = async () => {
        for (const place of ports.keys()) {
          assert.strictEqual(await cluster.stop(place), 0)
          await cluster.start(place)
        }
      }
      // Published without a session, as by a program that sees to it that each of its messages is accepted.
      const publish = async (channel: string, data: unknown) => {
        const { messages, status } = await post(proxy, [{ channel, data }])
        assert.strictEqual(status, 200)
        assert.isTrue(messages[0]?.successful, messages[0]?.error)
      }
      const count = await publishDuring(roll(), (n) => publish("/messages", n))
      await publish(end, count)
      await until("the end", () => pollers.every(({ received }) => received.includes(count)))
      for (const [at, { failed, received }] of pollers.entries()) {
        // One that tells nothing may be given an answer again by the process that it comes to.
        if (manners[at] === "cometd") assert.strictEqual(new Set(received).size, count + 1)
        else assert.strictEqual(fateOf(received, count + 1), once, manners[at])
        // A poll may break with its process; its client sends it again.
        assert.isAtMost(failed, 1)
      }
      for (const socket of sockets) {
        const { heard } = await socket.transcript({ heard: end })
        assert.strictEqual(fateOf(heard.map(({ data }) => data), count + 1), once)
      }
    }
  )
})
