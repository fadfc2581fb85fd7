import { assert, describe, it } from "@effect/vitest"
import * as Text from "../../../bench/harness/Text.ts"

const table: Text.Table = { head: ["", "cost"], rows: [["handshake", "1"], ["publish", "0.25"]] }

describe("Text", () => {
  it("rounds to what can be read, and makes no small number zero", () => {
    const numbers = [1_234_567.8, 45.67, 1.234, 0.1234, 0.001234, 0]
    assert.deepStrictEqual(numbers.map(Text.number), ["1,234,568", "45.7", "1.23", "0.12", "0.0012", "0"])
  })

  it("prints the first column to the left and the others to the right", () => {
    assert.strictEqual(
      Text.print(table),
      ["           cost", "---------  ----", "handshake     1", "publish    0.25"].join("\n")
    )
  })

  it("writes tables as the formatter wants them", () => {
    assert.strictEqual(
      Text.markdown(table),
      ["|           | cost |", "| --------- | ---: |", "| handshake |    1 |", "| publish   | 0.25 |"].join("\n")
    )
  })
})
