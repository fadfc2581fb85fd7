/** A server on a Unix socket: who may connect, what is left of one that was killed, and that messages come once. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Option } from "effect"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { request as httpRequest } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { NodeServer } from "../../src/index.ts"
import { Command } from "../support/command.ts"
import {
  atEnd,
  connectMessage,
  dataOf,
  handshakeMessage,
  type Message,
  releaseAll,
  serve,
  type Server,
  serverLayer,
  subscribeMessage,
  until,
  within
} from "./support.ts"

afterEach(releaseAll)

const freshPath = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "effect-bayeux-"))
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, "server.sock")
}

/** Posts messages over a connection of their own, as nginx does by default. */
const post = (socketPath: string, ...messages: ReadonlyArray<unknown>) =>
  within(
    "an answer",
    new Promise<ReadonlyArray<Message>>((resolve, reject) => {
      const options = { socketPath, path: "/bayeux", method: "POST", agent: false }
      const sent = httpRequest({ ...options, headers: { "Content-Type": "application/json" } }, (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (chunk: string) => text += chunk)
        response.on("end", () => resolve(JSON.parse(text) as ReadonlyArray<Message>))
      })
      sent.on("error", reject)
      sent.end(JSON.stringify(messages))
    })
  )

const connectionsOf = ({ http }: Server): Promise<number> =>
  new Promise((resolve) => http.getConnections((_, count) => resolve(count)))

const connects = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    }).on("error", () => resolve(false))
  })

/** Builds the server's layer and gives what it says when that fails. */
const failure = async (node: NodeServer.NodeServerOptions): Promise<string> => {
  const exit = await Effect.runPromiseExit(Effect.scoped(Layer.build(serverLayer({ node }))))
  if (Exit.isSuccess(exit)) throw new Error("The server did start")
  return (Option.getOrThrow(Cause.findErrorOption(exit.cause)) as Error).message
}

/** A process of the command on a Unix socket. */
const start = async (path: string, ...args: ReadonlyArray<string>) => {
  const command = new Command(["--socket", path, ...args])
  await until(() => `the command to listen; it said ${command.stderr}`, () => command.stderr.includes("Listening on"))
  return command
}

describe("a server on a Unix socket", () => {
  it("listens there for the user and the group, says so, and takes it away at its end", async () => {
    const socketPath = freshPath()
    const server = await serve({ node: { socketPath } })
    assert.strictEqual(server.url, `http://unix:${socketPath}:/bayeux`)
    assert.strictEqual(statSync(socketPath).mode & 0o777, 0o660)
    assert.isTrue((await post(socketPath, handshakeMessage))[0]?.successful)
    await server.stop()
    assert.isFalse(existsSync(socketPath))
  })

  it("has the permissions that it is given", async () => {
    const socketPath = freshPath()
    await serve({ node: { socketPath, socketMode: 0o600 } })
    assert.strictEqual(statSync(socketPath).mode & 0o777, 0o600)
  })

  it("delivers a message once to a client that closes each of its connections", async () => {
    const socketPath = freshPath()
    const server = await serve({ node: { socketPath } })
    const [{ clientId = "" } = {}] = await post(socketPath, handshakeMessage)
    await post(socketPath, subscribeMessage(clientId, "/a"))
    await server.publish("/a", "once")
    const delivered: Array<unknown> = []
    for (let i = 0; i < 20; i++) {
      const connect = connectMessage(clientId, "long-polling", { advice: { timeout: 0 } })
      delivered.push(...dataOf(await post(socketPath, connect)))
      await until("the connection to be over", async () => await connectionsOf(server) === 0)
    }
    assert.deepStrictEqual(delivered, ["once"])
  })

  it("takes the place of a process that was killed, and not of one that listens", async () => {
    const path = freshPath()
    const first = await start(path)
    const second = new Command(["--socket", path])
    assert.strictEqual(await second.exit(), 1)
    assert.include(second.stderr, "another process listens there")
    assert.isTrue(await connects(path))
    first.process.kill("SIGKILL")
    await first.exit()
    assert.isTrue(existsSync(path))
    const third = await start(path, "--socket-mode", "600")
    assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    assert.isTrue((await post(path, handshakeMessage))[0]?.successful)
    third.process.kill("SIGTERM")
    assert.strictEqual(await third.exit(), 0)
    assert.isFalse(existsSync(path))
  })

  it("touches nothing that is no socket", async () => {
    const socketPath = freshPath()
    writeFileSync(socketPath, "precious")
    assert.include(await failure({ socketPath }), "or it is no socket")
    assert.strictEqual(readFileSync(socketPath, "utf8"), "precious")
  })

  it.each([["in a folder that is not there", "no/such/folder"], ["with a path that is too long", "x".repeat(120)]])(
    "does not start %s, and says what to do",
    async (_, name) => {
      const message = await failure({ socketPath: join(freshPath(), "..", name) })
      assert.include(message, name)
      assert.include(message, "at most 107 bytes, in a folder that exists")
    }
  )

  it("does not start with a port beside the socket", async () => {
    const message = await failure({ socketPath: "/tmp/a", port: 80 })
    assert.include(message, "/tmp/a")
    assert.include(message, "give one of them")
  })

  it("is not started with an invalid mode", async () => {
    const command = new Command(["--socket", "/tmp/a", "--socket-mode", "rw"])
    assert.include([1, 2], await command.exit())
    assert.include(command.stderr, "such as 660")
  })

  it("does not serve the monitor page without a token: clients of a proxy are not on this machine", async () => {
    const path = freshPath()
    const command = await start(path)
    assert.include(command.stderr, "The monitor page is not served")
  })
})
