/** The command, as a process of its own. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { launchChromium } from "./support/chromium.ts"

const root = new URL("..", import.meta.url)
const atEnd: Array<() => unknown> = []
afterEach(async () => {
  for (const task of atEnd.splice(0).reverse()) await task()
})

interface Command {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly exit: Promise<number | null>
}

const run = (args: ReadonlyArray<string>, environment: Record<string, string> = {}): Command => {
  const child = spawn(process.execPath, ["src/bin.ts", ...args], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  atEnd.push(() => child.kill("SIGKILL"))
  let out = "", err = ""
  child.stdout.setEncoding("utf8").on("data", (text) => out += text)
  child.stderr.setEncoding("utf8").on("data", (text) => err += text)
  const exit = once(child, "close").then(([code]) => code as number | null)
  return { child, out: () => out, err: () => err, exit }
}

const until = async <A>(what: string, look: () => A | undefined | Promise<A | undefined>): Promise<A> => {
  const deadline = AbortSignal.timeout(20_000)
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (deadline.aborted) throw new Error(`Waited in vain for ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Starts a server on a free port; gives its URL, from the line that it prints. */
const listen = async (args: ReadonlyArray<string> = [], environment?: Record<string, string>) => {
  const command = run(["--port", "0", ...args], environment)
  const url = await until("the line with the URL", () => {
    if (command.child.exitCode !== null) throw new Error(`The command has ended: ${command.err()}`)
    return /Listening on (http:\S+)/.exec(command.err())?.[1]
  })
  return { ...command, url, origin: new URL(url).origin }
}

type Reply = { readonly [field: string]: unknown }

const send = async (url: string, message: object): Promise<Reply> => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify([message])
  })
  return (await response.json() as ReadonlyArray<Reply>)[0] ?? {}
}

const handshake = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["long-polling"] }

describe("effect-bayeux", () => {
  it("explains itself", async () => {
    const help = run(["--help"])
    assert.strictEqual(await help.exit, 0)
    for (const option of ["host", "port", "mount", "timeout", "interval", "ping", "engine", "log-events"]) {
      assert.include(help.out(), `--${option}`)
    }
    const version = run(["--version"])
    assert.strictEqual(await version.exit, 0)
    assert.match(version.out(), /\d+\.\d+\.\d+/)
  })

  it.each([
    [["--nope"], "--nope"],
    [["--port", "http"], "--port"],
    [["--port", "70000"], "port"],
    [["--mount", "bayeux"], "a slash before each segment"],
    [["--timeout", "0"], "a time above 0"],
    [["--engine", "carburettor"], "--engine"]
  ])("refuses %j with a sentence", async (args, sentence) => {
    const command = run(args)
    assert.strictEqual(await command.exit, 1)
    assert.include(command.err() + command.out(), sentence)
  })

  it("says so when the port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1")
    atEnd.push(() => server.close())
    await once(server, "listening")
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const command = run(["--port", `${port}`])
    assert.strictEqual(await command.exit, 1)
    assert.match(command.err(), new RegExp(`cannot listen on 127.0.0.1, port ${port} .*: choose another port`))
  })

  it("takes its options from the environment as well", async () => {
    const { exit, out, url, child } = await listen([], { BAYEUX_MOUNT: "/faye", BAYEUX_LOG_EVENTS: "true" })
    assert.match(url, /\/faye$/)
    assert.isTrue((await send(url, handshake))["successful"])
    child.kill("SIGTERM")
    assert.strictEqual(await exit, 0)
    assert.include(out(), "\"_tag\":\"Handshake\"")
  })

  it.each(["SIGTERM", "SIGINT"] as const)(
    "prints an event a line and nothing else on standard output, to the last at %s, and answers what is held",
    async (signal) => {
      const { child, err, exit, out, url } = await listen(["--log-events"])
      const { clientId } = await send(url, handshake)
      await send(url, { channel: "/meta/subscribe", clientId, subscription: "/a" })
      await send(url, { channel: "/b", data: { text: "hello" } })
      const held = send(url, { channel: "/meta/connect", clientId, connectionType: "long-polling" })
      // Something that the connect does not answer, but that shows that it has arrived: requests are taken in turn.
      await until("the connect to be held", async () => {
        await send(url, { channel: "/c", data: 1 })
        return out().includes("\"/c\"") || undefined
      })
      const began = performance.now()
      child.kill(signal)
      assert.strictEqual((await held)["channel"], "/meta/connect")
      assert.strictEqual(await exit, 0)
      assert.isBelow(performance.now() - began, 5_000, "the issue's bound")
      const events = out().trimEnd().split("\n").map((line) => JSON.parse(line) as Reply)
      const tags = events.map(({ _tag }) => _tag).filter((tag, i, all) => tag !== "Publish" || all[i - 1] !== "Publish")
      assert.deepStrictEqual(tags, ["Handshake", "Subscribe", "Publish", "Unsubscribe", "Disconnect"])
      assert.deepStrictEqual(events.map(({ sequence }) => sequence), events.map((_, i) => i + 1))
      assert.deepStrictEqual(events.at(-1)?.["cause"], { _tag: "Shutdown" })
      assert.strictEqual(err().trimEnd().split("\n").length, 1, "one line, when it listens")
    }
  )

  it("serves a page at / and plain sentences elsewhere", async () => {
    const { origin } = await listen()
    const page = await fetch(`${origin}/`)
    assert.strictEqual(page.headers.get("content-type"), "text/html; charset=utf-8")
    assert.include(await page.text(), "/bayeux/client.js")
    assert.strictEqual((await fetch(`${origin}/elsewhere`)).status, 404)
    assert.strictEqual((await fetch(`${origin}/`, { method: "DELETE" })).status, 405)
    assert.strictEqual((await fetch(`${origin}/bayeux/client.js`)).status, 200)
    assert.strictEqual((await fetch(`${origin}/bayeux.js`)).status, 200)
  })

  it.skipIf(inject("chromium") === "")("has two tabs of a browser chat with each other", async () => {
    const { origin } = await listen()
    const browser = await launchChromium(inject("chromium"))
    atEnd.push(() => browser.close())
    const [one, two] = [await browser.newPage(), await browser.newPage()]
    for (const page of [one, two]) {
      await page.goto(origin)
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
