import { assert, describe, it } from "@effect/vitest"
import * as Report from "../../../bench/harness/Report.ts"
import { results, rounds } from "./results.ts"

describe("Report", () => {
  it("has a row for each scenario, with the target and what was reached", () => {
    const measured = results(rounds("pairs", "effect-bayeux", [90]), rounds("pairs", "plain-ws", [100]))
    const [row, ...others] = Report.overview(measured).rows
    assert.includeMembers([...row ?? []], ["90", "100", "0.9 × plain", "met"])
    assert.deepStrictEqual(others, [])
  })

  it("has a row for what monitors leave of a figure", () => {
    const measured = results(rounds("pairs", "effect-bayeux", [100]), rounds("pairs", "effect-bayeux", [89], 1))
    assert.deepStrictEqual(Report.monitors(measured).rows.map((row) => row.slice(2)), [
      ["100", "89", "1", "89 %", "NOT MET"]
    ])
  })

  it("has a row for what a recorder leaves of a figure, and none of it for monitors", () => {
    const recorded = rounds("pairs", "effect-bayeux", [95]).map((result) => ({ ...result, isRecorded: true }))
    const measured = results(rounds("pairs", "effect-bayeux", [100]), recorded)
    assert.deepStrictEqual(Report.recorder(measured).rows.map((row) => row.slice(2)), [["100", "95", "95 %", "met"]])
    assert.deepStrictEqual(Report.monitors(measured).rows, [])
  })

  it("says when all that was measured had monitors", () => {
    assert.match(Report.notes(results(rounds("pairs", "effect-bayeux", [1], 1))).join(), /with monitors only/)
    assert.deepStrictEqual(Report.notes(results(rounds("pairs", "effect-bayeux", [1]))), [])
  })
})
