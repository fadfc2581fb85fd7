import { assert, describe, it } from "@effect/vitest"
import { monitored, verdicts } from "../../../bench/harness/Target.ts"
import { rounds, scenario, summaries } from "./results.ts"

const pairs = (own: number, plain: number) =>
  verdicts(
    scenario("pairs"),
    summaries("pairs", rounds("pairs", "effect-bayeux", [own]), rounds("pairs", "plain-ws", [plain]))
  )

describe("a verdict", () => {
  it("is met from the wanted multiple up where more is better", () => {
    assert.deepStrictEqual(pairs(85, 100), [{ reached: "0.85 × plain", isMet: true }])
    assert.deepStrictEqual(pairs(84, 100), [{ reached: "0.84 × plain", isMet: false }])
  })

  it("is about the server without monitors", () => {
    const all = summaries(
      "pairs",
      rounds("pairs", "effect-bayeux", [10], 1),
      rounds("pairs", "effect-bayeux", [90]),
      rounds("pairs", "plain-ws", [100])
    )
    assert.deepStrictEqual(verdicts(scenario("pairs"), all).map(({ isMet }) => isMet), [true])
  })

  it("is not given where nothing was measured to compare with", () => {
    assert.deepStrictEqual(
      verdicts(scenario("pairs"), summaries("pairs", rounds("pairs", "effect-bayeux", [1]))),
      []
    )
  })
})

describe("what monitors leave", () => {
  const left = (name: string, without: number, withOne: number) =>
    monitored(
      scenario(name),
      summaries(name, rounds(name, "effect-bayeux", [without]), rounds(name, "effect-bayeux", [withOne], 1))
    ).map(({ isMet, ratio }) => [ratio, isMet])

  it("has to be nine tenths where more is better", () => {
    assert.deepStrictEqual(left("pairs", 100, 90), [[0.9, true]])
    assert.deepStrictEqual(left("pairs", 100, 89), [[0.89, false]])
  })

  it("is turned round where less is better", () => {
    assert.deepStrictEqual(left("steady", 20, 25), [[0.8, false]])
    assert.deepStrictEqual(left("steady", 20, 16), [[1.25, true]])
  })

  it("cannot be told without a server that has none", () => {
    assert.deepStrictEqual(
      monitored(scenario("pairs"), summaries("pairs", rounds("pairs", "effect-bayeux", [1], 1))),
      []
    )
  })
})
