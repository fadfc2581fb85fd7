import { assert, describe, it } from "@effect/vitest"
import { boundaries, Latency } from "../../src/telemetry/Latency.ts"

const countUpTo = ({ state }: Latency, seconds: number): number | undefined =>
  state.buckets.find(([boundary]) => boundary === seconds)?.[1]

describe("the latency of deliveries", () => {
  it("is the time from the turn in which they arrived, and counts each of them", () => {
    const latency = new Latency()
    latency.turnBegan(1_000)
    latency.delivered(1_000, 3)
    latency.delivered(880, 2)
    latency.turnBegan(61_000)
    latency.delivered(1_000, 1)
    assert.deepStrictEqual([0.1, 0.25, 30, 90].map((seconds) => countUpTo(latency, seconds)), [3, 5, 5, 6])
    const { count, max, min, sum } = latency.state
    assert.strictEqual(count, 6)
    assert.isAtMost(min, 0.1)
    assert.closeTo(max, 60, 0.1)
    assert.closeTo(sum, 60.24, 0.5)
  })

  it("has no bound above, and none below nothing", () => {
    const latency = new Latency()
    latency.turnBegan(1_000_000)
    latency.delivered(0, 1)
    latency.delivered(2_000_000, 1)
    assert.strictEqual(countUpTo(latency, boundaries.at(-1) ?? 0), 1)
    assert.deepStrictEqual([latency.state.count, latency.state.min], [2, 0])
  })

  it("leaves out those of which it is not known when they arrived", () => {
    const latency = new Latency()
    latency.turnBegan(0)
    latency.delivered(Number.NaN, 1)
    assert.deepInclude(latency.state, { count: 0, min: 0, max: 0, sum: 0 })
  })
})
