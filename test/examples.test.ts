/** The examples do what they say, and the documents show them as they are. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { WebSocket } from "ws"
import { documents, fill } from "../scripts/examples.ts"
import { launchChromium } from "./support/chromium.ts"
import { type Collector, startCollector } from "./support/collector.ts"
import { compileCache } from "./support/compileCache.ts"
import { RedisServer } from "./support/redis.ts"
import { patience, releaseAll, stopwatch } from "./transport/support.ts"

const root = new URL("..", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")
const examples = readdirSync(new URL("examples", root)).filter((file) => file.endsWith(".ts"))

interface Running {
  readonly child: ChildProcess
  readonly origin: string
  readonly output: () => string
}

const children: Array<ChildProcess> = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
  await releaseAll()
})

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

let collector: Collector | undefined

/** What an example needs to be there, and how it is told of it. */
const needs: { readonly [file: string]: () => Promise<Record<string, string>> } = {
  "redis.ts": async () => ({ REDIS_URL: (await RedisServer.start(inject("redis"))).url }),
  "tracing.ts": async () => {
    collector = await startCollector()
    return { COLLECTOR_URL: collector.url }
  }
}

const start = async (file: string): Promise<Running> => {
  const port = await freePort()
  const child = spawn(
    process.execPath,
    ["--conditions=effect-bayeux-source", "--import=./test/support/portOf8000.ts", `examples/${file}`],
    {
      cwd: root,
      env: { ...process.env, ...compileCache, ...await needs[file]?.(), PORT: `${port}` },
      stdio: ["ignore", "pipe", "pipe"]
    }
  )
  children.push(child)
  let output = ""
  child.stdout.on("data", (chunk) => output += chunk)
  child.stderr.on("data", (chunk) => output += chunk)
  return { child, origin: `http://127.0.0.1:${port}`, output: () => output }
}

/** Asks again and again. */
const until = async <A>(running: Running, ask: () => Promise<A | undefined>): Promise<A> => {
  const deadline = AbortSignal.timeout(patience)
  while (!deadline.aborted && running.child.exitCode === null) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`The example gave no answer. It has printed:\n${running.output()}`)
}

type Reply = { readonly [field: string]: unknown }

const send = async ({ origin }: Running, message: object, headers: Record<string, string> = {}): Promise<Reply> => {
  const response = await fetch(`${origin}/bayeux`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify([message]),
    signal: AbortSignal.timeout(patience)
  })
  return (await response.json() as ReadonlyArray<Reply>)[0] ?? {}
}

const handshake = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["long-polling"] }

const begin = (running: Running) => until(running, () => send(running, handshake))

const stop = async ({ child }: Running): Promise<void> => {
  child.kill("SIGINT")
  await once(child, "exit")
}

/** What each example is to show. */
const shows: { readonly [file: string]: (running: Running) => Promise<void> } = {
  "server.ts": async (running) => {
    await begin(running)
    await until(running, async () => running.output().includes("_tag: 'Handshake'") || undefined)
  },
  "application.ts": async (running) => {
    await once(running.child, "exit")
    assert.include(running.output(), "/greetings/effect { text: 'hello' }\n/greetings/bayeux { text: 'hello, too' }\n")
    assert.include(running.output(), "the application has subscribed to [ '/greetings/*' ]")
  },
  "why.ts": async (running) => {
    const { clientId } = await begin(running)
    await send(running, { channel: "/meta/subscribe", clientId, subscription: ["/a", "/b"] })
    await send(running, { channel: "/meta/unsubscribe", clientId, subscription: "/a" })
    await send(running, { channel: "/meta/disconnect", clientId })
    const told = "somebody has left /a\na session ended: its client has said goodbye\n"
    await until(running, async () => running.output().endsWith(told) || undefined)
  },
  "watch.ts": async (running) => {
    const { clientId } = await begin(running)
    await send(running, { channel: "/meta/subscribe", clientId, subscription: ["/news/*", "/**"] })
    await begin(running)
    const line = "2 sessions, 1 of them would get a message on /news/today\n"
    await until(running, async () => running.output().endsWith(line) || undefined)
  },
  "presence.ts": async (running) => {
    const page = (token?: string) => send(running, { ...handshake, ext: { token } })
    await until(running, async () => running.output().includes("there are") || undefined)
    const alice = await page("rabbit")
    assert.strictEqual((await page())["error"], "403::Unknown token")
    const bob = await page("turtle")
    await send(running, { channel: "/meta/subscribe", clientId: bob["clientId"], subscription: "/rooms/*" })
    await send(running, { channel: "/meta/disconnect", clientId: alice["clientId"] })
    const again = await page("rabbit")
    await send(running, { channel: "/meta/disconnect", clientId: again["clientId"] })
    const told = `there are []
alice has come
bob has come
alice has left: ClientRequest - still in room 7: [ 'bob' ]
`
    await until(running, async () => running.output().endsWith(told) || undefined)
    assert.strictEqual(running.output(), told)
  },
  "page.ts": async (running) => {
    await begin(running)
    // The server listens before the page is there.
    const page = await until(running, async () => {
      const answer = await fetch(`${running.origin}/monitor`)
      const text = await answer.text()
      return answer.status === 200 ? text : undefined
    })
    assert.include(page, "effect-bayeux monitor")
    const feed = await fetch(`${running.origin}/monitor/feed`)
    let told = ""
    for await (const text of feed.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      told += text
      if (told.includes("\"sessions\":1,")) break
    }
    assert.include(told, "event: hello")
  },
  "slow-consumer.ts": async (running) => {
    await once(running.child, "exit")
    assert.strictEqual(
      running.output(),
      `newest: 12 behind, 9 missed
oldest: 12 behind, 9 missed
sample: 12 behind, 9 missed
[ '(1-9)', 10, 11, 12 ]
[ 1, 2, 3, '(4-12)' ]
[ '(1-3)', 4, '(5-7)', 8, '(9-11)', 12 ]
`
    )
  },
  "metrics.ts": async (running) => {
    const { clientId } = await begin(running)
    await send(running, { channel: "/meta/subscribe", clientId, subscription: "/rooms/*" })
    await send(running, { channel: "/rooms/1", data: "hello" })
    const scrape = await (await fetch(`${running.origin}/metrics`)).text()
    for (
      const sample of [
        "bayeux_sessions 1",
        "bayeux_queue_messages 1",
        "bayeux_messages_received_total{template=\"/rooms/{room}\"} 1",
        "bayeux_messages_delivered_total{template=\"/rooms/{room}\"} 0"
      ]
    ) assert.include(scrape, `\n${sample}\n`)
  },
  "tracing.ts": async (running) => {
    await begin(running)
    const [traceId, spanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]
    const change = { channel: "/orders/1", data: "tea", ext: { traceparent: `00-${traceId}-${spanId}-01` } }
    // The application may not have subscribed yet.
    await until(running, async () => {
      await send(running, change)
      return running.output().includes("an order: tea\n") || undefined
    })
    const names = () => new Set(collector?.spans.filter((span) => span.parentSpanId === spanId).map(({ name }) => name))
    await until(running, async () => names().size === 3 || undefined)
    assert.sameMembers([...names()], [
      "publish /orders/{order}",
      "deliver /orders/{order}",
      "process /orders/{order}"
    ])
  },
  "flight-recorder.ts": async (running) => {
    await once(running.child, "exit")
    const [, ...lines] = running.output().split("\n").map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3}  /, ""))
    assert.deepStrictEqual(lines, [
      "2 Subscribe",
      "3 Publish",
      "4 Unsubscribe",
      "5 Disconnect",
      "published #3 on /news/today: \"string\"",
      "was to get #3 on /news/today, by /news/*",
      "#3 on /news/today was written to connection 3",
      "That was all: 13 steps, to the end of the service",
      ""
    ])
  },
  "attach.ts": async (running) => {
    assert.isTrue((await begin(running))["successful"])
    assert.strictEqual(await (await fetch(`${running.origin}/`)).text(), "the rest of the application\n")
  },
  "http-router.ts": async (running) => {
    const { clientId } = await begin(running)
    assert.strictEqual(await (await fetch(`${running.origin}/`)).text(), "the rest of the application\n")
    const { port } = new URL(running.origin)
    const silent = connect(Number(port), "127.0.0.1").on("error", () => undefined).resume()
    const socket = new WebSocket(`ws://127.0.0.1:${port}/bayeux`)
    await Promise.all([once(silent, "connect"), once(socket, "open")])
    const held = fetch(`${running.origin}/bayeux`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify([{ channel: "/meta/connect", clientId, connectionType: "long-polling" }])
    })
    // It has come before this one is answered.
    await send(running, { channel: "/a", data: 1 })
    const closed = once(socket, "close")
    const gone = Promise.all([once(silent, "close"), once(running.child, "exit")])
    const elapsed = stopwatch()
    running.child.kill("SIGTERM")
    const [reply] = await (await held).json() as ReadonlyArray<Reply>
    assert.deepStrictEqual([reply?.["channel"], reply?.["successful"]], ["/meta/connect", true])
    assert.strictEqual((await closed)[0], 1001)
    await gone
    assert.isBelow(elapsed(), 3_000)
    assert.notInclude(running.output(), "ERROR")
  },
  "protocol-test.ts": async (running) => {
    await once(running.child, "exit")
    assert.strictEqual(running.output(), "[ 'Commit' ]\n")
  },
  "redis.ts": async (running) => {
    // The stream may not have begun yet.
    await until(running, async () => {
      await begin(running)
      return running.output().includes("_tag: 'Handshake'") || undefined
    })
    assert.include(running.output(), "sessions of all processes: ")
    assert.deepStrictEqual((await (await fetch(`${running.origin}/bayeux/health`)).json() as Reply)["status"], "up")
  },
  "token-on-subscribe.ts": async (running) => {
    const { clientId } = await begin(running)
    const subscribe = (subscription: string, authToken?: string) =>
      send(running, { channel: "/meta/subscribe", clientId, subscription, ext: { authToken } })
    assert.strictEqual((await subscribe("/users/alice"))["error"], "403::Invalid subscription auth token")
    assert.strictEqual((await subscribe("/users/alice", "turtle"))["error"], "403::Invalid subscription auth token")
    assert.isTrue((await subscribe("/users/alice", "rabbit"))["successful"])
    assert.isTrue((await subscribe("/anything"))["successful"])
  },
  "push-only.ts": async (running) => {
    assert.isTrue((await begin(running))["successful"])
    const publish = (ext: object) => send(running, { channel: "/a", data: 1, ext })
    assert.strictEqual((await publish({}))["error"], "403::Password required")
    assert.isTrue((await publish({ password: "swordfish" }))["successful"])
  },
  "origins.ts": async (running) => {
    assert.isTrue((await begin(running))["successful"])
    const status = async (origin: string) =>
      (await fetch(`${running.origin}/bayeux`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Origin": origin },
        body: JSON.stringify([handshake])
      })).status
    assert.strictEqual(await status("http://evil.example"), 403)
    assert.strictEqual(await status("https://www.example.com"), 200)
  }
}

describe("the examples", () => {
  it("are all tried here", () => assert.sameMembers(Object.keys(shows), examples))

  const tried = Object.entries(shows).filter(([file]) => file !== "redis.ts" || inject("redis") !== "")

  it.each(tried)("%s does what it says", async (file, show) => {
    const running = await start(file)
    await show(running)
    if (running.child.exitCode === null) await stop(running)
  })

  it.skipIf(inject("chromium") === "")("client.html does what it says", async () => {
    const running = await start("server.ts")
    await until(running, () => fetch(`${running.origin}/bayeux/client.js`))
    const browser = await launchChromium(inject("chromium"))
    try {
      const page = await browser.newPage()
      const body = read("examples/client.html").replaceAll("http://127.0.0.1:8000", running.origin)
      await page.route(`${running.origin}/page`, (route) => route.fulfill({ contentType: "text/html", body }))
      await page.goto(`${running.origin}/page`)
      await page.getByText("hello").waitFor()
    } finally {
      await browser.close()
    }
    await until(running, async () => running.output().includes("data: { text: 'hello' }") || undefined)
    await stop(running)
  }, 60_000)
})

describe("the documents", () => {
  it.each(documents())("%s shows examples as they are, and no other programs", (path) => {
    const document = read(path)
    assert.strictEqual(fill(document), document, "npm run docs:examples makes it right")
    for (const [block] of document.matchAll(/```ts\n.*?```/gs)) assert.match(block, /^```ts\n\/\/ examples\//)
  })

  it("show each example", () => {
    const shown = documents().flatMap((path) => [...read(path).matchAll(/^(?:\/\/|<!--) examples\/(\S+)/gm)])
    assert.sameMembers([...new Set(shown.map(([, file]) => file))], readdirSync(new URL("examples", root)))
  })
})
