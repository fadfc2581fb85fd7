import { assert, describe, it } from "@effect/vitest"
import { curves, type Point } from "../../../bench/growth/Growth.ts"
import { works } from "../../../bench/growth/index.ts"
import { timed, type Work } from "../../../bench/growth/Work.ts"

const work: Work = {
  name: "things",
  title: "things",
  sizes: [1, 10],
  operations: timed({ take: "take", drop: "drop" }),
  measure: () => ({})
}

const point = (size: number, round: number, take: number): Point => ({ work: "things", size, round, costs: { take } })

describe("Growth", () => {
  it("makes curves of the medians of all rounds, in the order of the sizes", () => {
    const points = [point(10, 1, 5), point(1, 1, 1), point(1, 2, 9), point(1, 3, 2), {
      ...point(1, 1, 0),
      work: "others"
    }]
    const [take, ...others] = curves({ points }, work)
    assert.deepStrictEqual(take?.values, [{ size: 1, cost: 2 }, { size: 10, cost: 5 }])
    assert.deepStrictEqual(others, [], "what was not measured has no curve")
  })

  for (const work of works) {
    it(`measures each operation by the number of ${work.title}`, () => {
      const size = work.sizes.find((size) => size >= 10) ?? Math.max(...work.sizes)
      const costs = work.measure(size, { warmUp: 0, measured: 200 })
      const expected = work.operations.map(({ name }) => name).filter((name) => name !== "memory")
      assert.sameMembers(Object.keys(costs), expected)
      for (const cost of Object.values(costs)) assert.isAbove(cost, 0)
    })
  }
})
