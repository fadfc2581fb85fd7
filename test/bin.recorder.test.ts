/** The command that records, and those that read recordings: processes of their own, and clients of several kinds. */
import { afterAll, afterEach, assert, describe, inject, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Command } from "./support/command.ts"
import { compileCache } from "./support/compileCache.ts"
import { RedisServer } from "./support/redis.ts"
import {
  begin,
  connectMessage,
  openEvents,
  openSocket,
  patience,
  poll,
  post,
  releaseAll,
  subscribeMessage,
  until
} from "./transport/support.ts"

const folder = mkdtempSync(join(tmpdir(), "bayeux-bin-recorder-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(releaseAll)

let files = 0
const freshFile = () => join(folder, `recording-${++files}`)

const start = (file: string, ...args: ReadonlyArray<string>) =>
  new Command(["--port", "0", "--log-events", "--record", file, ...args])

type Address = { readonly url: string }

/** A client with a WebSocket, connected. */
const connectSocket = async (server: Address, clientId: string) => {
  const socket = await openSocket(server)
  socket.send(connectMessage(clientId, "websocket", { advice: { timeout: 0 } }))
  await socket.message("the answer", ({ channel }) => channel === "/meta/connect")
  socket.send(connectMessage(clientId, "websocket"))
  return socket
}

/** Clients by long-polling, WebSocket and EventSource, and one that does not come back. */
const fly = async (server: Address) => {
  const polling = await begin(server, ["/a", "/b/*"])
  const held = post(server, [connectMessage(polling)])
  const onSocket = await begin(server, "/**")
  const socket = await connectSocket(server, onSocket)
  const streaming = await begin(server, "/a")
  const stream = await openEvents(server, streaming)
  const gone = await begin(server, "/a")
  await post(server, [{ channel: "/a", data: { text: "line\n end \ud800", ["__proto__"]: 1 }, clientId: polling }])
  await held
  for (let i = 0; i < 50; i++) await post(server, [{ channel: `/b/${i}`, data: i, id: `${i}` }])
  await until("all messages", async () => (await poll(server, polling)).length === 0)
  await stream.delivered(1)
  stream.destroy()
  socket.ws.close()
  await post(server, [{ ...subscribeMessage(polling, "/a"), channel: "/meta/unsubscribe" }])
  await post(server, [{ channel: "/meta/disconnect", clientId: polling }])
  return { polling, gone }
}

const stop = async (command: Command) => {
  command.process.kill("SIGTERM")
  assert.strictEqual(await command.exit(), 0)
}

const run = async (...args: ReadonlyArray<string>) => {
  const command = new Command(args)
  return { code: await command.exit(), stdout: command.stdout, stderr: command.stderr }
}

describe("effect-bayeux replay", () => {
  it("prints the very bytes that --log-events has printed, whatever kinds of clients there were", async () => {
    const file = freshFile()
    const command = start(file, "--record-plain", "--timeout", "0.5")
    const server = await command.listening()
    const { gone } = await fly(server)
    await until("the end of who has gone", () => command.stdout.includes(`"Disconnect","clientId":"${gone}"`))
    await stop(command)
    const { code, stderr, stdout } = await run("replay", file)
    assert.strictEqual(stdout, command.stdout)
    assert.strictEqual(code, 0)
    assert.match(stderr, /^That was all: \d+ steps, to the end of the service\n$/)

    const upTo = await run("replay", file, "--until", "20")
    assert.strictEqual(upTo.stdout, `${command.stdout.split("\n").slice(0, 20).join("\n")}\n`)
    assert.strictEqual(upTo.code, 0)
  })

  it("reads what is left after kill -9, up to the last whole line", async () => {
    const file = freshFile()
    const command = start(file, "--record-plain")
    const server = await command.listening()
    await fly(server)
    const marker = await begin(server, "/marker")
    await until("the file to be written", () => readFileSync(file, "utf8").includes(marker))
    for (let i = 0; i < 20; i++) void post(server, [{ channel: "/a", data: "x".repeat(10_000) }]).catch(() => undefined)
    command.process.kill("SIGKILL")
    await command.exit()
    const { code, stderr, stdout } = await run("replay", file)
    assert.strictEqual(code, 0)
    assert.include(stderr, "it was killed, or still runs")
    assert.include(stdout, `"Handshake","clientId":"${marker}"`)
    // A pipe of a killed process may have less than its file.
    const [shorter, longer] = [stdout, command.stdout].toSorted((a, b) => a.length - b.length)
    assert.isTrue(longer?.startsWith(shorter?.slice(0, shorter.lastIndexOf("\n")) ?? "-"))
  })

  it("reads to the last step what a process has left that an exception has ended", async () => {
    const file = freshFile()
    const program = `
      import { Effect, Layer } from "effect"
      import { Bayeux, MemoryEngine, Monitor } from "effect-bayeux"
      import { Recorder } from "effect-bayeux/recorder"
      const service = Bayeux.layer().pipe(
        Layer.provide(Recorder.layer({ file: ${JSON.stringify(file)} })),
        Layer.provide(MemoryEngine.layer),
        Layer.provide(Monitor.layer())
      )
      const publish = Bayeux.Bayeux.use((bayeux) => bayeux.publish("/a", "the last"))
      const fail = Effect.sync(() => queueMicrotask(() => { throw new Error("a bug") }))
      Effect.runFork(Effect.provide(Effect.andThen(publish, Effect.andThen(fail, Effect.never)), service))
    `
    const args = ["--conditions=effect-bayeux-source", "--input-type=module", "--eval", program]
    const { status } = spawnSync(process.execPath, args, {
      cwd: new URL("..", import.meta.url),
      env: { ...process.env, ...compileCache },
      timeout: patience
    })
    assert.strictEqual(status, 1)
    const { code, stdout } = await run("replay", file)
    assert.strictEqual(code, 0)
    assert.include(stdout, "\"the last\"")
  })

  it("ends with 1 and names the lines if the file was damaged, and with 2 if there is no recording in it", async () => {
    const file = freshFile()
    const command = start(file)
    await fly(await command.listening())
    await stop(command)
    const lines = readFileSync(file, "utf8").split("\n")
    const damaged = freshFile()
    writeFileSync(damaged, lines.toSpliced(50, 1, (lines[50] ?? "").replace("1", "2")).join("\n"))
    const result = await run("replay", damaged)
    assert.strictEqual(result.code, 1)
    assert.match(result.stderr, /A line between \d+ and \d+ of \S+ is not as it was written/)

    for (const path of [join(folder, "missing"), new URL(import.meta.url).pathname]) {
      const { code, stderr, stdout } = await run("replay", path)
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.match(stderr, /^\S+ is not a recording: .*\n$/)
    }
  })

  it.skipIf(inject("redis") === "")(
    "replays each of two processes on one Redis, between which sessions move",
    async () => {
      const { url } = await RedisServer.start(inject("redis"))
      const files = [freshFile(), freshFile()]
      const commands = files.map((file) => start(file, "--record-plain", "--engine", url, "--lease", "1"))
      const [one, two] = await Promise.all(commands.map((command) => command.listening()))
      if (one === undefined || two === undefined) return assert.fail()
      const clientId = await begin(one, "/a")
      await poll(one, clientId)
      for (let i = 0; i < 10; i++) {
        await post(i % 2 === 0 ? two : one, [{ channel: "/a", data: i }])
        await until("the message", async () => (await poll(i % 3 === 0 ? one : two, clientId)).includes(i))
      }
      await post(one, [{ channel: "/a", data: "waits", clientId }, { channel: "/meta/disconnect", clientId }])
      for (const command of commands) await stop(command)
      for (const [at, file] of files.entries()) {
        const { code, stdout } = await run("replay", file)
        assert.deepStrictEqual([stdout, code], [commands[at]?.stdout, 0])
      }
    }
  )
})

describe("what is printed of a client", () => {
  it("has nothing in it that a terminal obeys, and is JSON of the same value", async () => {
    const hostile = "\u001b]0;mine\u0007\u007f\u009b2J\u202e\u2066\u2028\n"
    const file = freshFile()
    const command = start(file, "--record-plain", "--max-message", "1000")
    const server = await command.listening()
    const clientId = await begin(server, "/a")
    await post(server, [
      { channel: "/a", clientId, data: { [hostile]: hostile } },
      { channel: `/${hostile}`, clientId, data: 1 },
      { channel: `/${hostile}`, data: "x".repeat(2_000) },
      subscribeMessage(clientId, `/${hostile}`)
    ])
    await until("the log line", () => command.stderr.includes("was refused"))
    await stop(command)
    const published = command.events.find(({ _tag }) => _tag === "Publish")
    assert.deepStrictEqual(published?.["data"], { [hostile]: hostile })
    const read = [
      { stdout: command.stdout, stderr: command.stderr },
      await run("replay", file),
      await run("inspect", file, "--client", clientId),
      await run("inspect", file, "--client", clientId, "--json"),
      await run("inspect", file, "--message", String(published?.["sequence"]), "--json")
    ]
    for (const { stderr, stdout } of read) {
      assert.notStrictEqual(stdout, "")
      assert.notMatch((stdout + stderr).replaceAll("\n", ""), /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
    }
    const story = read[2]?.stdout.trimEnd().split("\n") ?? []
    for (const line of story) assert.match(line, /^\d\d:\d\d:\d\d\.\d{3}  /)
  })
})

describe("effect-bayeux inspect", () => {
  it("prints the timeline of a session, by its name in the recording, and of a message", async () => {
    const file = freshFile()
    const command = start(file, "--record-redact", "--record-size", "1")
    const server = await command.listening()
    const clientId = await begin(server, "/a")
    await post(server, [{ channel: "/a", data: "a secret" }])
    assert.deepStrictEqual(await poll(server, clientId), ["a secret"])
    await stop(command)

    const events = (await run("replay", file)).stdout.split("\n")
    const { clientId: name } = JSON.parse(events[0] ?? "") as { readonly clientId: string }
    assert.notStrictEqual(name, clientId)
    const ofSession = await run("inspect", file, "--client", name)
    assert.strictEqual(ofSession.code, 0)
    assert.deepStrictEqual(
      ofSession.stdout.split("\n").map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3}  /, "")),
      [
        "began over connection 1",
        "subscribed to /a",
        "was to get #3 on /a, by /a",
        "#3 on /a was queued, 1 message waiting",
        "connected over connection 4 (long-polling), not held",
        "its connect was answered over connection 4 with 1 message",
        "#3 on /a was written to connection 4",
        "ended, 0 messages waiting: the server stopped",
        ""
      ]
    )
    const ofMessage = await run("inspect", file, "--message", "3", "--json")
    const entries = ofMessage.stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepStrictEqual(entries.map(({ _tag, clientId }) => [_tag, clientId]), [
      ["Published", null],
      ["Matched", name],
      ["Queued", name],
      ["Written", name]
    ])
    assert.deepStrictEqual(entries[0]?.["data"], { redacted: "string", length: 10 })

    const raw = await run("inspect", file, "--client", clientId)
    assert.strictEqual(raw.stdout, "")
    assert.include(raw.stderr, "hash of its client id")
  })

  it("says what is wrong with its options", async () => {
    const neither = await run("inspect", "file")
    assert.deepStrictEqual([neither.code, neither.stdout], [2, ""])
    assert.include(neither.stderr, "either --client or --message")
    assert.include([1, 2], (await run("replay")).code)
    assert.isFalse(existsSync("file"))
    const server = new Command(["--port", "0", "--record", join(folder, "no", "folder")])
    assert.strictEqual(await server.exit(), 1)
    assert.include(server.stderr, "name a file in a folder")
  })
})
