/** Connections to Redis that break in the middle of what they carry, or carry nothing for a while. */
import { describe, inject, it } from "@effect/vitest"
import type { Direction } from "../../support/proxy.ts"
import { limit, seeds } from "../../support/seeds.ts"
import { assertKept, runRounds } from "./rounds.ts"
import { assertNoSessions, lasting, lease, longLease, share } from "./setting.ts"

describe.skipIf(inject("redis") === "")("RedisEngine, when the way to Redis", () => {
  const shared = share({ isProxied: true })

  it("is cut in the middle of a pipeline, loses and doubles nothing", { timeout: limit(180_000) }, async () => {
    const setting = shared()
    const { proxies } = setting
    const figures = await runRounds({
      name: "cut in the middle of a pipeline",
      setting,
      seeds: seeds(3),
      fault: async ({ published, random }) => {
        for (let cuts = 0; cuts < 4; cuts++) {
          const proxy = proxies[random.below(3)]
          await proxy?.cutAfter(1 + random.below(3_000), random.pick<Direction>(["up", "down"]))
          await published(random.below(5))
        }
      }
    })
    assertKept(figures, { mayDouble: false })
    await assertNoSessions(setting)
  })

  it("is a black hole for less than the lease, loses and doubles nothing", { timeout: limit(180_000) }, async () => {
    const setting = shared()
    const { proxies } = setting
    const figures = await runRounds({
      name: "black hole for less than the lease",
      setting,
      seeds: seeds(3),
      fault: async ({ random }) => {
        const proxy = proxies[random.below(3)]
        proxy?.blackHole()
        await lasting(random.below(longLease * 0.2))
        if (random.chance(0.5)) proxy?.cut()
        proxy?.heal()
      }
    })
    assertKept(figures, { mayDouble: false })
    await assertNoSessions(setting)
  })
})

describe.skipIf(inject("redis") === "")("RedisEngine, when the way to Redis, with a short lease,", () => {
  const shared = share({ isProxied: true, lease })

  it("is a black hole for longer than the lease, loses nothing", { timeout: limit(180_000) }, async () => {
    const setting = shared()
    const { proxies } = setting
    const figures = await runRounds({
      name: "black hole for longer than the lease",
      setting,
      seeds: seeds(3),
      fault: async ({ random }) => {
        const proxy = proxies[random.below(3)]
        proxy?.blackHole()
        await lasting(lease * 1.2 + random.below(800))
        if (random.chance(0.5)) proxy?.cut()
        proxy?.heal()
      }
    })
    assertKept(figures, { mayDouble: true })
    await assertNoSessions(setting)
  })
})
