import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { releaseAll } from "../transport/support.ts"
import { RedisServer } from "./redis.ts"

afterEach(releaseAll)

describe.skipIf(inject("redis") === "")("RedisServer", () => {
  it("keeps its port and, with an append-only file, what it has accepted when it is killed", async () => {
    const redis = await RedisServer.start(inject("redis"), { appendfsync: "always" })
    const { pid, port } = redis
    assert.strictEqual(await redis.command("SET", "a", "1"), "OK")
    await redis.kill()
    assert.match(String(await redis.command("GET", "a").catch((error: unknown) => error)), /ECONNREFUSED/)
    assert.throws(() => process.kill(pid, 0))
    await redis.start()
    assert.strictEqual(redis.port, port)
    assert.strictEqual(await redis.command("GET", "a"), "1")
  })

  it("forgets what was at the end of its append-only file", async () => {
    const redis = await RedisServer.start(inject("redis"), { appendfsync: "no" })
    await redis.command("SET", "a", "1")
    const { appended } = redis
    await redis.command("SET", "b", "2")
    await redis.kill()
    redis.forgetAfter(appended)
    await redis.start()
    assert.deepStrictEqual(await redis.command("MGET", "a", "b"), ["1", null])
  })

  it("forgets all without one", async () => {
    const redis = await RedisServer.start(inject("redis"))
    assert.strictEqual(await redis.command("SET", "a", "1"), "OK")
    await redis.stop()
    await redis.start()
    assert.strictEqual(await redis.command("EXISTS", "a"), 0)
  })

  it("has nothing in common with another one", async () => {
    const servers = await Promise.all([RedisServer.start(inject("redis")), RedisServer.start(inject("redis"))])
    await servers[0].command("SET", "a", "1")
    assert.strictEqual(await servers[1].command("EXISTS", "a"), 0)
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
