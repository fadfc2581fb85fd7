/** Processes that die without a word, or halt and come back when others have taken their sessions. */
import { describe, inject, it } from "@effect/vitest"
import { limit, seeds } from "../../support/seeds.ts"
import { assertKept, runRounds } from "./rounds.ts"
import { assertNoSessions, lasting, lease, share } from "./setting.ts"

describe.skipIf(inject("redis") === "")("RedisEngine, when a process", () => {
  const shared = share({ lease })

  it("is killed, loses nothing", { timeout: limit(180_000) }, async () => {
    const setting = shared()
    const { cluster } = setting
    const figures = await runRounds({
      name: "kill -9 of a process",
      setting,
      isDeadly: true,
      seeds: seeds(3),
      fault: async ({ published, random }) => {
        const place = random.below(3)
        await cluster.kill(place)
        await published(random.below(20))
        await cluster.start(place)
      }
    })
    assertKept(figures, { mayDouble: true })
    await assertNoSessions(setting)
  })

  it("is halted for longer than its lease, loses nothing", { timeout: limit(180_000) }, async () => {
    const setting = shared()
    const { cluster } = setting
    const figures = await runRounds({
      name: "SIGSTOP for longer than the lease",
      setting,
      seeds: seeds(3),
      patience: 1.5 * lease,
      fault: async ({ random }) => {
        const place = random.below(3)
        cluster.signal(place, "SIGSTOP")
        await lasting(2 * lease + random.below(lease))
        cluster.signal(place, "SIGCONT")
      }
    })
    assertKept(figures, { mayDouble: true })
    await assertNoSessions(setting)
  })
})
