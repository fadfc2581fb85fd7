import { assert, describe, it } from "@effect/vitest"
import { fill } from "../../../bench/charts/Document.ts"
import * as GrowthChart from "../../../bench/charts/GrowthChart.ts"
import * as RatioChart from "../../../bench/charts/RatioChart.ts"
import * as Svg from "../../../bench/charts/Svg.ts"
import { format } from "../../../bench/growth/Growth.ts"
import { results, rounds, scenario, summaries } from "../harness/results.ts"

/** All numbers that say where something is drawn. */
const coordinates = (svg: string): ReadonlyArray<number> =>
  [...svg.matchAll(/ (?:x|y|x1|y1|x2|y2|cx|cy|width|height)="([^"%]*)"/g)].map(([, text]) => Number(text))

const isDrawn = (svg: string): void => {
  assert.match(svg, /^<svg [^>]*viewBox="0 0 \d+ \d+"/)
  assert.include(svg, "prefers-color-scheme:dark")
  const most = Math.max(...(/viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []).slice(1).map(Number))
  for (const coordinate of coordinates(svg)) assert.isTrue(coordinate >= 0 && coordinate <= most, String(coordinate))
}

describe("the chart of servers", () => {
  it("has a bar above 1 where effect-bayeux delivers more, and the target at the bar that it is about", () => {
    const all = summaries(
      "fan-out-100",
      rounds("fan-out-100", "effect-bayeux", [600]),
      rounds("fan-out-100", "effect-bayeux", [100], 1),
      rounds("fan-out-100", "faye", [100]),
      rounds("fan-out-100", "bare-socket", [1_000])
    )
    assert.deepStrictEqual(RatioChart.bars(scenario("fan-out-100"), all), [
      { server: "faye", factor: 6, target: undefined },
      { server: "bare-socket", factor: 0.6, target: 0.5 }
    ])
  })

  it("has a bar above 1 where effect-bayeux uses less", () => {
    const all = summaries(
      "idle",
      rounds("idle", "effect-bayeux", [8]),
      rounds("idle", "faye", [32]),
      rounds("idle", "plain-ws", [4])
    )
    assert.deepStrictEqual(RatioChart.bars(scenario("idle"), all), [
      { server: "faye", factor: 4, target: 2 },
      { server: "plain-ws", factor: 0.5, target: 0.25 }
    ])
  })

  it("is drawn within its picture, and says what is met", () => {
    const svg = RatioChart.chart(results(
      rounds("pairs", "effect-bayeux", [90]),
      rounds("pairs", "faye", [0.5]),
      rounds("pairs", "plain-ws", [100]),
      rounds("long-polling", "effect-bayeux", [1]),
      rounds("long-polling", "plain-http", [90]),
      rounds("patterns", "faye", [90])
    ))
    isDrawn(svg)
    assert.include(svg, "target 0.85 × plain ws: met")
    assert.include(svg, "target 0.75 × plain http: not met")
    assert.notInclude(svg, scenario("patterns").title, "of which there is nothing to show")
  })
})

describe("the chart of growth", () => {
  it("has a panel for each curve, with its verdict", () => {
    const point = (size: number, costs: { readonly [name: string]: number }) => ({
      work: "queue",
      size,
      round: 1,
      costs
    })
    const svg = GrowthChart.chart({
      format,
      at: "",
      node: "",
      machine: "",
      points: [
        point(1, { append: 1, poll: 1 }),
        point(10, { append: 1, poll: 10 }),
        point(100, { append: 1, poll: 100 })
      ]
    })
    isDrawn(svg)
    assert.deepStrictEqual([...svg.matchAll(/>(flat|logarithmic|worse)</g)].map(([, growth]) => growth), [
      "flat",
      "worse"
    ])
    assert.include(svg, "100 µs/message")
  })
})

describe("Svg", () => {
  it("lets no text become a part of the picture", () => {
    assert.include(Svg.text("text", 0, 0, "a < b & \"c\""), ">a &lt; b &amp; &quot;c&quot;<")
  })

  it("has equal factors equally far apart on a logarithmic axis", () => {
    const at = Svg.logarithmic(1, 100, 0, 50)
    assert.deepStrictEqual([1, 10, 100].map(at).map(Math.round), [0, 25, 50])
  })
})

describe("Document", () => {
  const document = "# A\n\n<!-- begin one -->\n\nold\n\n<!-- end one -->\n\nkept\n"

  it("puts parts between their marks, again and again", () => {
    const filled = fill(document, { one: "new" })
    assert.strictEqual(filled, "# A\n\n<!-- begin one -->\n\nnew\n\n<!-- end one -->\n\nkept\n")
    assert.strictEqual(fill(filled, { one: "new" }), filled)
  })

  it("refuses a part that has no place", () => {
    assert.throws(() => fill(document, { two: "new" }), /begin two/)
  })
})
