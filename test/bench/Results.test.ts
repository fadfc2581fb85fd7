import { assert, describe, it } from "@effect/vitest"
import { fill } from "../../bench/charts/Document.ts"
import * as RatioChart from "../../bench/charts/RatioChart.ts"
import { comparison } from "../../bench/harness/Comparison.ts"
import { format, type Result, type Results, summaries } from "../../bench/harness/Results.ts"
import { verdicts } from "../../bench/harness/Target.ts"
import { scenarios } from "../../bench/scenarios/index.ts"
import type { Scenario } from "../../bench/scenarios/Scenario.ts"
import type { Name } from "../../bench/servers/Server.ts"

const scenario = (name: string): Scenario => {
  const found = scenarios.find((scenario) => scenario.name === name)
  if (found === undefined) throw new Error(`There is no scenario ${name}`)
  return found
}

/** Rounds of a server, each with its figure. */
const rounds = (name: string, server: Name, values: ReadonlyArray<number>): ReadonlyArray<Result> =>
  values.map((value, index) => ({
    scenario: name,
    server,
    monitors: 0,
    round: index + 1,
    figures: { value, serverCpu: 1, generatorCpu: 0.5, othersCpu: 0 }
  }))

const results = (...all: ReadonlyArray<ReadonlyArray<Result>>): Results => ({
  format,
  at: "2026-01-01T00:00:00.000Z",
  node: "v24",
  machine: "a machine",
  seconds: 2,
  results: all.flat()
})

const pairs = (own: ReadonlyArray<number>, plain: ReadonlyArray<number>): Results =>
  results(rounds("pairs", "effect-bayeux", own), rounds("pairs", "plain-ws", plain))

describe("a summary", () => {
  it("is the median round, with the least and the most", () => {
    const [summary] = summaries(pairs([30, 10, 20], []), scenario("pairs"))
    assert.deepStrictEqual([summary?.least, summary?.median.value, summary?.most], [10, 20, 30])
  })
})

describe("a verdict", () => {
  const verdictOn = (own: number, plain: number) =>
    verdicts(scenario("pairs"), summaries(pairs([own], [plain]), scenario("pairs"))).map(({ isMet }) => isMet)

  it("is met from the wanted multiple up", () => {
    assert.deepStrictEqual(verdictOn(85, 100), [true])
    assert.deepStrictEqual(verdictOn(84, 100), [false])
  })

  it("is not given where nothing was measured to compare with", () => {
    assert.deepStrictEqual(verdicts(scenario("pairs"), summaries(pairs([1], []), scenario("pairs"))), [])
  })
})

describe("a bar of the chart", () => {
  it("is above 1 where effect-bayeux does better, whether more or less is better", () => {
    const bars = (name: string, own: number, faye: number) => {
      const all = results(rounds(name, "effect-bayeux", [own]), rounds(name, "faye", [faye]))
      return RatioChart.bars(scenario(name), summaries(all, scenario(name))).map(({ factor }) => factor)
    }
    assert.deepStrictEqual(bars("pairs", 20, 10), [2])
    assert.deepStrictEqual(bars("idle", 10, 20), [2])
  })

  it("escapes what it writes", () => {
    assert.include(RatioChart.chart(pairs([1], [2])), "200 pairs, each publish answered")
    assert.notMatch(RatioChart.chart(pairs([1], [2])), /&(?!amp;|lt;|gt;|quot;)/)
  })
})

describe("a comparison", () => {
  it("tells the change, and marks it where the rounds overlap", () => {
    assert.match(comparison(pairs([10], []), pairs([20], [])), /\+100 %(?!\?)/)
    assert.match(comparison(pairs([10, 12, 20], []), pairs([11, 15, 25], [])), /\+25 %\?/)
  })

  it("says when there is nothing to compare", () => {
    assert.match(comparison(pairs([1], []), results(rounds("idle", "faye", [1]))), /nothing in common/)
  })
})

describe("a part of a document", () => {
  it("takes the place of the one before and leaves the rest", () => {
    const document = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n"
    const filled = fill(document, { x: "new" })
    assert.strictEqual(filled, "a\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nb\n")
    assert.strictEqual(fill(filled, { x: "new" }), filled)
  })

  it("needs its place", () => {
    assert.throws(() => fill("nothing", { x: "new" }), /<!-- begin x -->/)
  })
})
