import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { connect } from "node:net"
import { releaseAll, within } from "../transport/support.ts"
import { RedisServer } from "./redis.ts"

afterEach(releaseAll)

/** Sends a command and gives the first line of its answer, or the error of the connection. */
const ask = ({ port }: RedisServer, command: string): Promise<string> =>
  within(
    `an answer to ${command}`,
    new Promise<string>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`))
      socket.setEncoding("utf8")
      socket.on("data", (answer: string) => {
        resolve(answer.split("\r\n").find((line) => !line.startsWith("$")) ?? "")
        socket.destroy()
      })
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    })
  )

describe.skipIf(inject("redis") === "")("RedisServer", () => {
  it("keeps its port and, with an append-only file, what it has accepted when it is killed", async () => {
    const redis = await RedisServer.start(inject("redis"), { appendfsync: "always" })
    const { pid, port } = redis
    assert.strictEqual(await ask(redis, "SET a 1"), "+OK")
    await redis.kill()
    assert.strictEqual(await ask(redis, "GET a"), "ECONNREFUSED")
    assert.throws(() => process.kill(pid, 0))
    await redis.start()
    assert.strictEqual(redis.port, port)
    assert.strictEqual(await ask(redis, "GET a"), "1")
  })

  it("forgets all without one", async () => {
    const redis = await RedisServer.start(inject("redis"))
    assert.strictEqual(await ask(redis, "SET a 1"), "+OK")
    await redis.stop()
    await redis.start()
    assert.strictEqual(await ask(redis, "EXISTS a"), ":0")
  })

  it("has nothing in common with another one", async () => {
    const servers = await Promise.all([RedisServer.start(inject("redis")), RedisServer.start(inject("redis"))])
    await ask(servers[0], "SET a 1")
    assert.strictEqual(await ask(servers[1], "EXISTS a"), ":0")
  })

  it("ends with the test", async () => {
    const { pid } = await RedisServer.start(inject("redis"))
    await releaseAll()
    assert.throws(() => process.kill(pid, 0))
  })

  it("says what it said when it cannot start", async () => {
    let error: unknown
    await RedisServer.start(inject("redis"), { args: ["--no-such-option", "1"] }).catch((e: unknown) => error = e)
    assert.match(String(error), /no-such-option/)
  })
})
