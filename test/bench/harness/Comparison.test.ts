import { assert, describe, it } from "@effect/vitest"
import { comparison } from "../../../bench/harness/Comparison.ts"
import { results, rounds } from "./results.ts"

const own = (...values: ReadonlyArray<number>) => results(rounds("pairs", "effect-bayeux", values))

describe("a comparison", () => {
  it("tells the change, and marks it where the rounds overlap", () => {
    assert.match(comparison(own(10), own(20)), /\+100 %(?!\?)/)
    assert.match(comparison(own(20), own(10)), /−50 %(?!\?)/)
    assert.match(comparison(own(10, 12, 20), own(11, 15, 25)), /\+25 %\?/)
  })

  it("compares servers with as many monitors only", () => {
    const now = results(rounds("pairs", "effect-bayeux", [20]), rounds("pairs", "effect-bayeux", [1], 1))
    const text = comparison(own(10), now)
    assert.include(text, "+100 %")
    assert.notInclude(text, "1 monitor")
  })

  it("says when there is nothing to compare", () => {
    assert.match(comparison(own(1), results(rounds("idle", "faye", [1]))), /nothing in common/)
  })
})
