/** The command, as a process of its own: what it prints where, how it serves and how it ends. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { launchChromium } from "./support/chromium.ts"
import { startCollector } from "./support/collector.ts"
import { Command } from "./support/command.ts"
import {
  atEnd,
  begin,
  connectMessage,
  connectRaw,
  connectRawWebSocket,
  handshakeMessage,
  openSocket,
  post,
  postBytes,
  releaseAll,
  request,
  stopwatch,
  subscribeMessage,
  until
} from "./transport/support.ts"

afterEach(releaseAll)

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

const start = (...args: ReadonlyArray<string>) => new Command(["--port", "0", ...args])

const signals = [["SIGTERM"], ["SIGINT"]] as const

describe("effect-bayeux", () => {
  it("explains itself with --help", async () => {
    const command = new Command(["--help"])
    assert.strictEqual(await command.exit(), 0)
    const options = [
      "host",
      "port",
      "socket",
      "mount",
      "origin",
      "trusted-proxies",
      "jsonp",
      "faye",
      "timeout",
      "session-timeout",
      "interval",
      "ping",
      "max-message",
      "engine",
      "lease",
      "monitor-token",
      "log-events",
      "metrics",
      "otlp",
      "record"
    ]
    for (const option of options) assert.include(command.stdout, `--${option}`)
    for (const byDefault of ["127.0.0.1", "8000", "/bayeux", "45", "20", "memory"]) {
      assert.include(command.stdout, byDefault)
    }
    assert.strictEqual(command.stderr, "")
  })

  it("prints its version with --version", async () => {
    const command = new Command(["--version"])
    assert.strictEqual(await command.exit(), 0)
    assert.match(command.stdout, new RegExp(`^\\S* ?v?${version.replaceAll(".", "\\.")}\n$`))
  })

  it.each([
    [["--port", "x"], "port"],
    [["--port", "70000"], "port"],
    [["--port", "-1"], "port"],
    [["--port", "1.5"], "port"],
    [["--mount", "bayeux"], "mount"],
    [["--mount", "/"], "mount"],
    [["--timeout", "0"], "timeout"],
    [["--timeout", "soon"], "timeout"],
    [["--session-timeout", "45"], "sessionTimeout is 45000 ms and timeout is 45000 ms"],
    [["--interval", "-1"], "interval"],
    [["--ping", "0"], "ping"],
    [["--max-message", "0"], "maxMessage"],
    [["--max-message", "1 MiB"], "max-message"],
    [["--engine", "redis"], "engine"],
    [["--origin", "app.example"], "https://app.example"],
    [["--trusted-proxies", "proxy.example"], "10.0.0.0/8"],
    [["--monitor-token", "short"], "token"],
    [["--otlp", "localhost"], "otlp"],
    [["--host", "no.such.host.invalid", "--port", "0"], "no.such.host.invalid"],
    [["--prot", "1"], "--prot"],
    [["extra"], "extra"]
  ])("says what is wrong with %j, on standard error, and ends with 1 or 2", async (args, name) => {
    const command = new Command(args)
    assert.include([1, 2], await command.exit())
    assert.include(command.stderr, name)
    assert.notMatch(command.stderr, /\n\s+at .*\(?(?:file|node):/, "a sentence, not a stack")
  })

  it("keeps standard output for events also when its options are wrong", async () => {
    const command = new Command(["--log-events", "--prot", "1"])
    assert.include([1, 2], await command.exit())
    assert.strictEqual(command.stdout, "")
  })

  it.each([
    ["BAYEUX_PORT", "x", "PORT"],
    ["BAYEUX_TIMEOUT", "soon", "TIMEOUT"],
    ["BAYEUX_LOG_EVENTS", "perhaps", "LOG_EVENTS"],
    ["BAYEUX_ENGINE", "redis", "ENGINE"]
  ])("says what is wrong with %s=%s", async (variable, value, name) => {
    const command = new Command(["--interval", "0"], { [variable]: value })
    assert.include([1, 2], await command.exit())
    assert.include(command.stderr, name)
    assert.notMatch(command.stderr, /\n\s+at .*\(?(?:file|node):/, "a sentence, not a stack")
  })

  it("says that the port is in use, and ends with 1", async () => {
    const other = createServer()
    atEnd(() => other.close())
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    const { port } = other.address() as AddressInfo
    const command = new Command(["--port", `${port}`])
    assert.strictEqual(await command.exit(), 1)
    assert.match(
      command.stderr,
      new RegExp(`^The server cannot listen on 127\\.0\\.0\\.1, port ${port} .*: choose another port.*\n$`)
    )
    assert.strictEqual(command.stdout, "")
  })

  it("says with one line on standard error where it listens, and nothing on standard output", async () => {
    const command = start()
    const { port, url } = await command.listening()
    assert.strictEqual(url, `http://127.0.0.1:${port}/bayeux`)
    assert.isAbove(port, 0)
    assert.isTrue((await post({ url }, [handshakeMessage])).messages[0]?.successful)
    command.process.kill()
    await command.exit()
    assert.match(command.stderr, /^[^\n]*Listening on [^\n]*\n$/)
    assert.strictEqual(command.stdout, "")
  })

  it("continues if the reader of its events has stopped, whatever is published", async () => {
    const command = new Command(["--port", "0", "--log-events"], { NODE_OPTIONS: "--max-old-space-size=96" })
    const server = await command.listening()
    command.process.stdout.pause()
    const string = JSON.stringify("x".repeat(1_000_000))
    const trees = `[${"[],".repeat(100_000)}1]`
    for (let round = 0; round < 60; round++) {
      const body = `[{"channel":"/a","data":${round % 9 === 0 ? trees : string}}]`
      const headers = { "Content-Type": "application/json" }
      const { messages } = await request(server.url, { method: "POST", headers, body })
      assert.isTrue(messages[0]?.successful)
    }
    assert.notInclude(command.stdout, "Lagged")
    command.process.stdout.resume()
    await post(server, [{ channel: "/a", data: "the last" }])
    await until("all that is left", () => /"the last".*\n/.test(command.stdout.slice(-1_000)))
    const tags = command.stdout.split("\n").map((line) => /^\{"_tag":"(\w+)"/.exec(line)?.[1])
    assert.include(tags, "Lagged")
    assert.isAbove(tags.filter((tag) => tag === "Publish").length, 5)
    command.process.kill()
    assert.strictEqual(await command.exit(), 0)
  })

  it("takes its options", async () => {
    const command = start(
      "--host",
      "127.0.0.1",
      "--mount",
      "/faye",
      "--timeout",
      "7.5",
      "--interval",
      "5",
      "--ping",
      "0.05",
      "--max-message",
      "2000"
    )
    const { url } = await command.listening()
    assert.strictEqual(new URL(url).pathname, "/faye")
    const [reply] = (await post({ url }, [handshakeMessage])).messages
    assert.deepStrictEqual(reply?.advice, { reconnect: "retry", interval: 5, timeout: 7_500 })
    const long = { channel: "/a", data: "x".repeat(2_000), id: "1" }
    const [refusal] = (await post({ url }, [long])).messages
    assert.deepStrictEqual([refusal?.id, refusal?.error], [
      "1",
      `413:${JSON.stringify(long).length}:Message is longer than 2000 bytes`
    ])
    const socket = await openSocket({ url })
    socket.send(long)
    assert.include((await socket.message("a refusal", ({ successful }) => successful === false)).error, "413:")
    await until("pings", () => socket.pings >= 3)
  })

  it("takes its options from the environment as well, where they are not given", async () => {
    const command = new Command(["--interval", "6"], {
      BAYEUX_HOST: "127.0.0.1",
      BAYEUX_PORT: "0",
      BAYEUX_MOUNT: "/faye",
      BAYEUX_TIMEOUT: "7.5",
      BAYEUX_INTERVAL: "5",
      BAYEUX_PING: "0.05",
      BAYEUX_ENGINE: "memory",
      BAYEUX_LOG_EVENTS: "true"
    })
    const { url } = await command.listening()
    assert.strictEqual(new URL(url).pathname, "/faye")
    const [reply] = (await post({ url }, [handshakeMessage])).messages
    assert.deepStrictEqual(reply?.advice, { reconnect: "retry", interval: 6, timeout: 7_500 })
    const socket = await openSocket({ url })
    await until("pings", () => socket.pings >= 3)
    await until("the event", () => command.stdout.includes("\"Handshake\""))
  })
})

describe("effect-bayeux --metrics", () => {
  it("shows its metrics, which it does not without", async () => {
    const [measured, plain] = [start("--metrics"), start()]
    const server = await measured.listening()
    await begin(server, "/a")
    const { status, text } = await request(new URL("/metrics", server.url).href)
    assert.strictEqual(status, 200)
    assert.include(text, "\nbayeux_sessions 1\n")
    const answer = await request(new URL("/metrics", (await plain.listening()).url).href)
    assert.strictEqual(answer.status, 404)
  })
})

describe("effect-bayeux --otlp", () => {
  it.each([
    ["--otlp", (url: string) => new Command(["--port", "0", "--otlp", url], often)],
    ["BAYEUX_OTLP", (url: string) => new Command(["--port", "0"], { ...often, BAYEUX_OTLP: url })],
    [
      "OTEL_EXPORTER_OTLP_ENDPOINT",
      (url: string) => new Command(["--port", "0"], { ...often, OTEL_EXPORTER_OTLP_ENDPOINT: url })
    ]
  ])("sends metrics and traces to a collector, given by %s", async (_, run) => {
    const collector = await startCollector()
    const server = await run(collector.url).listening()
    await begin(server, "/a")
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await post(server, [{ channel: "/a", data: 1, ext: { traceparent } }])
    await until("the span", () => collector.spans.some(({ name }) => name === "publish"))
    const sessions = () => collector.metrics.find(({ name }) => name === "bayeux_sessions")
    await until("the metric", () => sessions()?.gauge?.dataPoints[0]?.asDouble === 1)
    assert.strictEqual(collector.resource["service.name"], "effect-bayeux")
  })

  const often = { OTEL_METRIC_EXPORT_INTERVAL: "100", OTEL_BSP_SCHEDULE_DELAY: "100" }
})

describe("effect-bayeux --log-events", () => {
  it("prints one JSON object a line for each event, on standard output, and nothing else there", async () => {
    const command = start("--log-events")
    const server = await command.listening()
    const clientId = await begin(server, ["/a", "/b"])
    await post(server, [{ channel: "/a", data: { text: "line\n\u2028end" }, clientId }, { channel: "/b", data: null }])
    await post(server, [{ ...subscribeMessage(clientId, "/b"), channel: "/meta/unsubscribe" }])
    await post(server, [subscribeMessage(clientId, "/a"), { channel: "/meta/disconnect", clientId }])
    await until("all events", () => command.stdout.includes("\"Disconnect\""))
    const cause = { _tag: "ClientRequest" }
    const events = command.events.map(({ at, node, sequence, ...event }) => {
      assert.isAbove(Number(at), 1_600_000_000_000)
      assert.isString(node)
      assert.isAbove(Number(sequence), 0)
      return event
    })
    assert.deepStrictEqual(events, [
      { _tag: "Handshake", clientId },
      { _tag: "Subscribe", clientId, channel: "/a" },
      { _tag: "Subscribe", clientId, channel: "/b" },
      { _tag: "Publish", clientId, channel: "/a", data: { text: "line\n\u2028end" } },
      { _tag: "Publish", clientId: null, channel: "/b", data: null },
      { _tag: "Unsubscribe", clientId, channel: "/b", cause, withSession: false },
      { _tag: "Unsubscribe", clientId, channel: "/a", cause, withSession: true },
      { _tag: "Disconnect", clientId, cause }
    ])
    assert.deepStrictEqual(command.events.map(({ sequence }) => sequence), events.map((_, at) => at + 1))
  })

  it("prints the end of a session that disappears", async () => {
    const command = start("--log-events", "--timeout", "0.2")
    const server = await command.listening()
    const clientId = await begin(server, "/a")
    await until("its end", () => command.stdout.includes("\"Disconnect\""))
    const [unsubscribe, disconnect] = command.events.slice(-2)
    assert.deepStrictEqual(
      [unsubscribe?.["_tag"], disconnect?.["_tag"], disconnect?.["clientId"]],
      ["Unsubscribe", "Disconnect", clientId]
    )
    assert.include(disconnect?.["cause"], { _tag: "Timeout" })
  })

  it.each(signals)("prints the end of each session at %s, and exits with 0", async (signal) => {
    const command = start("--log-events")
    const server = await command.listening()
    const clientIds = [await begin(server, "/a"), await begin(server, ["/b", "/c"])]
    command.process.kill(signal)
    assert.strictEqual(await command.exit(), 0)
    const cause = { _tag: "Shutdown" }
    const events = command.events.map(({ at: _at, node: _node, sequence: _sequence, ...event }) => event)
    assert.strictEqual(events.length, 10)
    assert.sameDeepMembers(events.slice(5), [
      { _tag: "Unsubscribe", clientId: clientIds[0], channel: "/a", cause, withSession: true },
      { _tag: "Disconnect", clientId: clientIds[0], cause },
      { _tag: "Unsubscribe", clientId: clientIds[1], channel: "/b", cause, withSession: true },
      { _tag: "Unsubscribe", clientId: clientIds[1], channel: "/c", cause, withSession: true },
      { _tag: "Disconnect", clientId: clientIds[1], cause }
    ])
    assert.deepStrictEqual(command.events.map(({ sequence }) => sequence), events.map((_, at) => at + 1))
  })

  it("continues to serve, and stops in time, although nobody reads its output", async () => {
    const command = start("--log-events")
    const server = await command.listening()
    command.process.stdout.pause()
    const clientId = await begin(server, "/a")
    const data = "x".repeat(10_000)
    for (let i = 0; i < 20; i++) {
      const { messages } = await post(server, Array.from({ length: 50 }, () => ({ channel: "/x", data })))
      assert.isTrue(messages.every(({ successful }) => successful))
    }
    assert.isTrue(
      (await post(server, [connectMessage(clientId, "long-polling", { advice: { timeout: 0 } })])).messages[0]
        ?.successful
    )
    const ended = new Promise((resolve) => command.process.on("exit", (code) => resolve(code)))
    const elapsed = stopwatch()
    command.process.kill("SIGTERM")
    assert.strictEqual(await ended, 0)
    assert.isBelow(elapsed(), 5_000)
  })

  it("continues to serve although the reader of its output has closed it", async () => {
    const command = start("--log-events")
    const server = await command.listening()
    command.process.stdout.destroy()
    for (let i = 0; i < 10; i++) {
      const { messages } = await post(server, [handshakeMessage])
      assert.isTrue(messages[0]?.successful)
    }
    command.process.kill("SIGTERM")
    assert.strictEqual(await command.exit(), 0)
  })
})

describe("effect-bayeux, when it is to end", () => {
  it.each(signals)(
    "answers held connects with advice at %s, closes sockets and ends with 0 within 5 seconds",
    async (signal) => {
      const command = start()
      const server = await command.listening()
      const clientId = await begin(server, "/a")
      const raw = await connectRaw(server)
      raw.send(postBytes(JSON.stringify([connectMessage(clientId)])))
      const socket = await openSocket(server)
      // Answered after the connect that came before it, so that is held by now.
      socket.sendText("[]")
      await until("an answer", () => socket.frames.length > 0)
      const elapsed = stopwatch()
      command.process.kill(signal)
      const [reply] = (await raw.answer()).messages
      assert.deepStrictEqual([reply?.successful, reply?.clientId, reply?.advice?.reconnect], [true, clientId, "retry"])
      assert.strictEqual(await socket.closed(), 1001)
      assert.strictEqual(await command.exit(), 0)
      assert.isBelow(elapsed(), 5_000)
    }
  )

  it("ends with 0 within 5 seconds although peers do not let go", async () => {
    const command = start()
    const server = await command.listening()
    await connectRawWebSocket(server)
    const unfinished = await connectRaw(server)
    unfinished.send(postBytes("[]").subarray(0, -1))
    const clientId = await begin(server, "/a")
    const stuck = await connectRaw(server, { allowHalfOpen: true })
    stuck.send(`GET /bayeux/${clientId} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`)
    await until("the stream to begin", () => stuck.received.includes("retry:"))
    stuck.socket.pause()
    for (let i = 0; i < 30; i++) await post(server, [{ channel: "/a", data: "x".repeat(500_000) }])
    const elapsed = stopwatch()
    command.process.kill("SIGTERM")
    assert.strictEqual(await command.exit(), 0)
    assert.isBelow(elapsed(), 5_000)
  })
})

describe("the page of effect-bayeux", () => {
  it("is at /, and talks to the service", async () => {
    const command = start("--mount", "/faye")
    const { url } = await command.listening()
    const page = new URL("/", url).href
    assert.include(command.stderr, page)
    for (const path of [page, `${page}?a=b`]) {
      const { headers, status, text } = await request(path)
      assert.strictEqual(status, 200)
      assert.strictEqual(headers["content-type"], "text/html; charset=utf-8")
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      assert.include(String(headers["content-security-policy"]), "default-src 'none'")
      assert.include(text, "<script src=\"/faye/client.js\"></script>")
      assert.include(text, "new Faye.Client(\"/faye\")")
    }
    const head = await request(page, { method: "HEAD" })
    assert.deepStrictEqual([head.status, head.text], [200, ""])
    assert.isAbove(Number(head.headers["content-length"]), 1_000)
    assert.strictEqual((await request(new URL("/faye/client.js", url).href)).status, 200)
  })

  it("is read, not written to, and alone", async () => {
    const { url } = await start().listening()
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const answer = await request(new URL("/", url).href, { method, body: method === "OPTIONS" ? "" : "x" })
      assert.strictEqual(answer.status, 405, method)
      assert.include(answer.text, "/bayeux")
      assert.match(String(answer.headers.allow), /\bGET\b/, "405 names what is allowed (RFC 9110, section 15.5.6)")
    }
    for (const path of ["/index.html", "/favicon.ico", "/bayeuxes", "//"]) {
      const answer = await request(`${new URL(url).origin}${path}`)
      assert.strictEqual(answer.status, 404, path)
      assert.match(answer.text, /^There is nothing here: .*\/bayeux\n$/)
    }
  })

  it("leads to the monitor page, where that is served", async () => {
    const { url } = await start().listening()
    const link = /href="(monitor\/)"/.exec((await request(new URL("/", url).href)).text)?.[1]
    const monitor = await request(new URL(link ?? "", new URL("/", url)).href)
    assert.deepStrictEqual([monitor.status, monitor.text.includes("effect-bayeux monitor")], [200, true])
  })

  it("has no monitor page for other machines without a token, and says how to get it", async () => {
    const command = start("--host", "0.0.0.0")
    const { port } = await command.listening()
    const origin = `http://127.0.0.1:${port}`
    assert.notInclude((await request(`${origin}/`)).text, "monitor/")
    for (const path of ["/monitor", "/monitor/", "/monitor/feed"]) {
      const { status, text } = await request(`${origin}${path}`)
      assert.deepStrictEqual([status, text.includes("--monitor-token")], [404, true])
    }
    assert.match(command.stderr, /The monitor page is not served: give --monitor-token or BAYEUX_MONITOR_TOKEN/)
  })

  it("serves the monitor page to clients with the token", async () => {
    const token = "correct horse battery staple"
    const command = new Command(["--port", "0", "--host", "0.0.0.0"], { BAYEUX_MONITOR_TOKEN: token })
    const { port } = await command.listening()
    const monitor = `http://127.0.0.1:${port}/monitor/`
    assert.strictEqual((await request(monitor)).status, 401)
    assert.strictEqual((await request(monitor, { headers: { Authorization: `Bearer ${token}` } })).status, 200)
    assert.notInclude(command.stderr, token)
  })

  it.skipIf(inject("chromium") === "")("has two tabs of a browser chat with each other", async () => {
    const { url } = await start().listening()
    const browser = await launchChromium(inject("chromium"))
    atEnd(() => browser.close())
    const [one, two] = [await browser.newPage(), await browser.newPage()]
    for (const page of [one, two]) {
      await page.goto(new URL("/", url).href)
      await page.getByText("connected", { exact: true }).waitFor({ timeout: 20_000 })
    }
    await one.getByLabel("Message", { exact: true }).fill("hello <b>there</b>")
    await one.getByRole("button", { name: "Send" }).click()
    await two.locator("#log li", { hasText: "hello <b>there</b>" }).waitFor({ timeout: 20_000 })
    await two.getByLabel("Message", { exact: true }).fill("hello yourself")
    await two.keyboard.press("Enter")
    await one.locator("#log li", { hasText: "hello yourself" }).waitFor({ timeout: 20_000 })
    assert.strictEqual(await one.locator("#log li").count(), 2)
    assert.strictEqual(await two.locator("#log li").count(), 2)
  })
})

describe("the origins of effect-bayeux", () => {
  const handshake = async (command: Command, origin: string) => {
    const { url } = await command.listening()
    return await post({ url }, [handshakeMessage], { headers: { Origin: origin } })
  }
  const evil = "http://evil.example"
  const own = "http://localhost:3000"

  it("are those of this machine on a loopback address, without JSONP", async () => {
    const command = start()
    assert.strictEqual((await handshake(command, evil)).status, 403)
    const { messages: [reply], status } = await handshake(command, own)
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(reply?.["supportedConnectionTypes"], [
      "websocket",
      "eventsource",
      "long-polling",
      "cross-origin-long-polling"
    ])
    assert.notInclude(command.stderr, "every origin")
  })

  it("are those that are named", async () => {
    const command = start("--origin", "https://app.example, https://b.example")
    assert.strictEqual((await handshake(command, "https://b.example")).status, 200)
    assert.strictEqual((await handshake(command, own)).status, 403)
  })

  it("are all on other addresses, which is said aloud", async () => {
    const command = start("--host", "0.0.0.0")
    assert.strictEqual((await handshake(command, evil)).status, 200)
    assert.match(command.stderr, /WARN.*Pages of every origin may use the service: give --origin/)
  })

  it("are all with --origin any, and nothing is said", async () => {
    const command = start("--host", "0.0.0.0", "--origin", "any")
    assert.strictEqual((await handshake(command, evil)).status, 200)
    assert.notInclude(command.stderr, "every origin")
  })

  it("are Faye's with --faye, as are JSONP and the length of messages", async () => {
    const command = start("--faye")
    const { messages: [reply] } = await handshake(command, evil)
    assert.include(reply?.["supportedConnectionTypes"] as ReadonlyArray<string>, "callback-polling")
    const { url } = await command.listening()
    const [published] = (await post({ url }, { channel: "/a", data: "x".repeat(2 << 20) })).messages
    assert.strictEqual(published?.successful, true)
  })
})
