/** Connections to Redis that break in the middle of what they carry, or carry nothing for a while. */
import { afterEach, describe, inject, it } from "@effect/vitest"
import type { Direction } from "../../support/proxy.ts"
import { releaseAll } from "../../transport/support.ts"
import { assertKept, runRounds, seeds } from "./rounds.ts"
import { assertNoSessions, begin, lasting, lease } from "./setting.ts"

afterEach(releaseAll)

describe.skipIf(inject("redis") === "")("RedisEngine, when the way to Redis", () => {
  it("is cut in the middle of a pipeline, loses and doubles nothing", { timeout: 180_000 }, async () => {
    const setting = await begin({ isProxied: true })
    const { proxies } = setting
    const figures = await runRounds({
      name: "cut in the middle of a pipeline",
      setting,
      seeds: seeds(20),
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

  it("is a black hole for less than the lease, loses and doubles nothing", { timeout: 180_000 }, async () => {
    const setting = await begin({ isProxied: true })
    const { proxies } = setting
    const figures = await runRounds({
      name: "black hole for less than the lease",
      setting,
      seeds: seeds(20),
      fault: async ({ random }) => {
        const proxy = proxies[random.below(3)]
        proxy?.blackHole()
        await lasting(random.below(lease * 0.5))
        if (random.chance(0.5)) proxy?.cut()
        proxy?.heal()
      }
    })
    assertKept(figures, { mayDouble: false })
    await assertNoSessions(setting)
  })

  it("is a black hole for longer than the lease, loses nothing", { timeout: 180_000 }, async () => {
    const setting = await begin({ isProxied: true })
    const { proxies } = setting
    const figures = await runRounds({
      name: "black hole for longer than the lease",
      setting,
      seeds: seeds(20),
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
