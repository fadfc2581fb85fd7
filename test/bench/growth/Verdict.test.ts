import { assert, describe, it } from "@effect/vitest"
import { verdict } from "../../../bench/growth/Verdict.ts"

const sizes = [1, 10, 100, 1_000, 10_000]

const of = (cost: (size: number) => number) => verdict({ values: sizes.map((size) => ({ size, cost: cost(size) })) })

describe("Verdict", () => {
  it("takes a cost that is always the same for flat", () => {
    assert.deepStrictEqual(of(() => 2), { factor: 1, exponent: 0, growth: "flat" })
  })

  it("takes a cost that falls for flat", () => {
    assert.strictEqual(of((size) => 1 + 5 / size)?.growth, "flat")
  })

  it("takes the depth of a tree for logarithmic", () => {
    assert.strictEqual(of((size) => 1 + Math.log2(size))?.growth, "logarithmic")
  })

  it("takes growth in proportion for worse, and finds its exponent", () => {
    const found = of((size) => 3 * size)
    assert.strictEqual(found?.growth, "worse")
    assert.approximately(found?.exponent ?? 0, 1, 1e-9)
    assert.approximately(found?.factor ?? 0, 10_000, 1e-6)
  })

  it("takes a square root for worse", () => {
    assert.strictEqual(of(Math.sqrt)?.growth, "worse")
  })

  it("sees growth behind a cost that comes first", () => {
    assert.strictEqual(of((size) => 1 + size / 1_000)?.growth, "worse")
  })

  it("says nothing of a single size", () => {
    assert.isUndefined(verdict({ values: [{ size: 1, cost: 1 }] }))
    assert.isUndefined(verdict({ values: [] }))
  })
})
