import { assert, describe, it } from "@effect/vitest"
import { contenders, nameOf } from "../../../bench/harness/Results.ts"
import { rounds, summaries } from "./results.ts"

describe("contenders", () => {
  it("are each server once, and effect-bayeux with each number of monitors", () => {
    const found = contenders({ servers: ["effect-bayeux", "faye"] }, [0, 1, 2])
    assert.deepStrictEqual(found.map(nameOf), [
      "effect-bayeux",
      "effect-bayeux, 1 monitor",
      "effect-bayeux, 2 monitors",
      "faye"
    ])
  })

  it("are measured with a recorder as well, where that is asked for", () => {
    const found = contenders({ servers: ["effect-bayeux", "faye"] }, [0, 1], true)
    assert.deepStrictEqual(found.map(nameOf), [
      "effect-bayeux",
      "effect-bayeux, 1 monitor",
      "effect-bayeux, recorded",
      "effect-bayeux, 1 monitor, recorded",
      "faye"
    ])
  })
})

describe("summaries", () => {
  it("are the median round, with the least and the most", () => {
    const [odd, even] = summaries("pairs", rounds("pairs", "faye", [30, 10, 20]), rounds("pairs", "plain-ws", [1, 4]))
    assert.deepStrictEqual([odd?.least, odd?.median.value, odd?.most], [10, 20, 30])
    assert.strictEqual(even?.median.value, 2.5)
  })

  it("keep servers with and without monitors apart", () => {
    const found = summaries("pairs", rounds("pairs", "effect-bayeux", [1], 1), rounds("pairs", "effect-bayeux", [2]))
    assert.deepStrictEqual(found.map(({ median, monitors }) => [monitors, median.value]), [[0, 2], [1, 1]])
  })

  it("leave out whose runs all failed, and count the others' failures", () => {
    const failure = { scenario: "pairs", server: "faye", monitors: 0, round: 2, failure: "lost" } as const
    assert.deepStrictEqual(summaries("pairs", [failure]), [])
    assert.strictEqual(summaries("pairs", rounds("pairs", "faye", [1]), [failure])[0]?.failures, 1)
  })
})
