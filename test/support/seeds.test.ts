import { assert, describe, inject, it } from "vitest"
import { chosen, limit, runs, seeds } from "./seeds.ts"

const { rounds, seed } = inject("lot")

describe("the lot", () => {
  it("is always the same in npm test", () => {
    assert.deepStrictEqual(chosen({}, false), { seed: 1, rounds: 1 })
    assert.deepStrictEqual(chosen({}, false), chosen({}, false))
  })

  it("is a fresh one in a long run, of many rounds", () => {
    const [one, other] = [chosen({}, true), chosen({}, true)]
    assert.notStrictEqual(one.seed, other.seed)
    assert.strictEqual(one.rounds, 10)
    assert.isTrue([one, other].every(({ seed }) => Number.isSafeInteger(seed) && seed > 0))
  })

  it.each([true, false])("is what SEED and ROUNDS say, if they do", (isLong) => {
    assert.deepStrictEqual(chosen({ SEED: "17", ROUNDS: "3" }, isLong), { seed: 17, rounds: 3 })
  })

  it.each([["SEED", "x"], ["SEED", "-1"], ["ROUNDS", "0"], ["ROUNDS", "1.5"]])("is not %s=%s", (name, value) => {
    assert.throws(() => chosen({ [name]: value }, true), `${name}=${value} is not a positive whole number`)
  })

  it("gives each round a seed of its own, and properties the first one", () => {
    assert.deepStrictEqual(seeds(3), Array.from({ length: 3 * rounds }, (_, round) => seed + round))
    assert.deepStrictEqual(runs(50), { seed, numRuns: 50 * rounds })
    assert.strictEqual(limit(1_000), 1_000 * rounds)
  })
})
