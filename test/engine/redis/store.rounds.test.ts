/** A Redis server that dies and comes back, with all that it had or with less. */
import { afterEach, describe, inject, it } from "@effect/vitest"
import { limit, seeds } from "../../support/seeds.ts"
import { releaseAll } from "../../transport/support.ts"
import { assertKept, runRounds } from "./rounds.ts"
import { assertNoSessions, begin, lasting } from "./setting.ts"

afterEach(releaseAll)

describe.skipIf(inject("redis") === "")("RedisEngine, when Redis", () => {
  it("is killed and keeps what it has accepted, loses nothing", { timeout: limit(180_000) }, async () => {
    const setting = await begin({ redis: { appendfsync: "always" } })
    const { redis } = setting
    const figures = await runRounds({
      name: "kill -9 of Redis with appendfsync always",
      setting,
      seeds: seeds(3),
      fault: async ({ random }) => {
        await redis.kill()
        await lasting(random.below(500))
        await redis.start()
      }
    })
    assertKept(figures, { mayDouble: true })
    await assertNoSessions(setting)
  })

  // As with everysec when the machine dies; but here the file is at any time as long as what was answered.
  it("goes back to what was on its disk, loses at most what came later", { timeout: limit(180_000) }, async () => {
    const setting = await begin({ redis: { appendfsync: "no" } })
    const { redis } = setting
    let atRisk = 0
    const figures = await runRounds({
      name: "Redis with the end of its file cut off",
      setting,
      isForgetful: true,
      seeds: seeds(3),
      fault: async ({ log, published, random }) => {
        const accepted = () => log().filter(({ outcome }) => outcome === "accepted").length
        const before = accepted()
        const { appended } = redis
        await published(random.below(20))
        await redis.kill()
        redis.forgetAfter(appended)
        await redis.start()
        atRisk += accepted() - before
      }
    })
    console.log(`Redis with the end of its file cut off: ${atRisk} accepted publishes were not on its disk`)
    assertKept(figures, { mayDouble: true, atRisk: 3 * atRisk })
    await assertNoSessions(setting)
  })
})
