import { assert, describe, it } from "@effect/vitest"
import { Equal } from "effect"
import * as fc from "fast-check"
import * as ClientId from "../../src/core/ClientId.ts"
import * as DeadlineTree from "../../src/core/DeadlineTree.ts"
import { runs } from "../support/seeds.ts"

const id = (n: number) => ClientId.make(`c${n}`)

describe("Deadlines", () => {
  it("says which session is due first", () => {
    const deadlines = DeadlineTree.add(DeadlineTree.add(DeadlineTree.empty, 30, id(1)), 20, id(2))
    assert.strictEqual(DeadlineTree.next(deadlines), 20)
    assert.strictEqual(DeadlineTree.due(deadlines, 20), id(2))
    assert.isUndefined(DeadlineTree.due(deadlines, 19))
    const rest = DeadlineTree.remove(deadlines, 20, id(2))
    assert.strictEqual(DeadlineTree.next(rest), 30)
    assert.strictEqual(DeadlineTree.next(DeadlineTree.remove(rest, 30, id(1))), Infinity)
    assert.strictEqual(DeadlineTree.next(deadlines), 20, "the old tree is as it was")
  })

  const change = fc.record({
    add: fc.boolean(),
    at: fc.integer({ min: 0, max: 20 }),
    id: fc.integer({ min: 0, max: 20 })
  })

  it("agrees with a sorted list", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        let tree = DeadlineTree.empty
        const list = new Map<string, number>()
        for (const { add, at, id: n } of changes) {
          const key = `${at}/${n}`
          if (add && !list.has(key)) {
            tree = DeadlineTree.add(tree, at, id(n))
            list.set(key, at)
          } else if (!add) {
            tree = DeadlineTree.remove(tree, at, id(n))
            list.delete(key)
          }
          assert.strictEqual(DeadlineTree.size(tree), list.size)
          assert.strictEqual(DeadlineTree.next(tree), Math.min(Infinity, ...list.values()))
        }
      }),
      runs()
    )
  })

  it("is the same tree for the same entries, in whatever order they came", () => {
    const entries = fc.uniqueArray(fc.tuple(fc.nat(50), fc.nat(50)), { selector: ([, n]) => n })
    fc.assert(
      fc.property(
        entries.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([a, b]) => {
          const build = (list: typeof a) =>
            list.reduce((tree, [at, n]) => DeadlineTree.add(tree, at, id(n)), DeadlineTree.empty)
          assert.isTrue(Equal.equals(build(a), build(b)))
        }
      ),
      runs()
    )
  })

  it("stays flat: 10,000 entries are no more than 40 deep", () => {
    let tree = DeadlineTree.empty
    for (let i = 0; i < 10_000; i++) tree = DeadlineTree.add(tree, i, id(i))
    const depth = (tree: DeadlineTree.DeadlineTree): number =>
      tree === undefined ? 0 : 1 + Math.max(depth(tree.before), depth(tree.after))
    assert.isAtMost(depth(tree), 40)
  })
})
