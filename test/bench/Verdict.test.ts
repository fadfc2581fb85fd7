import { assert, describe, it } from "@effect/vitest"
import { verdict } from "../../bench/growth/Verdict.ts"

const sizes = [1, 10, 100, 1_000, 10_000, 100_000]
const growth = (cost: (size: number) => number) =>
  verdict({ values: sizes.map((size) => ({ size, cost: cost(size) })) })

describe("the growth of a cost", () => {
  it("is flat where it stays", () => {
    assert.strictEqual(growth(() => 3)?.growth, "flat")
    assert.strictEqual(growth(() => 3)?.factor, 1)
  })

  it("is logarithmic for a logarithm", () => {
    assert.strictEqual(growth((size) => 1 + Math.log2(size))?.growth, "logarithmic")
  })

  it("is worse for a square root and all above", () => {
    assert.strictEqual(growth(Math.sqrt)?.growth, "worse")
    assert.strictEqual(growth((size) => size)?.growth, "worse")
    assert.closeTo(growth((size) => size)?.exponent ?? 0, 1, 1e-9)
  })

  it("cannot be told from one size", () => {
    assert.isUndefined(verdict({ values: [{ size: 1, cost: 1 }] }))
  })
})
