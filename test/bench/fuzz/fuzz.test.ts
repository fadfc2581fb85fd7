/** The fuzzer itself, for a moment. `npm run fuzz` is the long run. */
import { assert, describe, it } from "@effect/vitest"
import { Client, Flaw } from "../../../bench/fuzz/Client.ts"
import { text } from "../../../bench/fuzz/messages.ts"
import { Random } from "../../../bench/fuzz/Random.ts"
import { fuzz } from "../../../bench/fuzz/run.ts"

const sent = (seed: number): ReadonlyArray<string> => {
  const random = new Random(seed)
  return Array.from({ length: 200 }, () => text(random, { clientIds: ["one", "two"] }))
}

describe("the fuzzer", () => {
  it("sends the same with the same seed, and something else with another one", () => {
    assert.deepStrictEqual(sent(1), sent(1))
    assert.notDeepEqual(sent(1), sent(2))
  })

  it("sends what is JSON and what is not", () => {
    const isJson = (text: string) => {
      try {
        JSON.parse(text)
        return true
      } catch {
        return false
      }
    }
    const share = sent(3).filter(isJson).length / 200
    assert.isAbove(share, 0.5)
    assert.isBelow(share, 0.95)
  })

  it.each([[500, "The server has failed\n"], [0, "[{\"successful\":false,\"error\":\"500::Internal server error\"}]"]])(
    "takes a failure of the server for a flaw: %s %s",
    (status, text) => assert.throws(() => new Client(1).look({ status, text }), Flaw)
  )

  it("finds nothing in a few cases, beside a client that notices", async () => {
    const lines: Array<string> = []
    const tell = (line: string) => void lines.push(line)
    const result = await fuzz({ seed: 1, cases: 60, milliseconds: 8_000, abreast: 4, heap: 256, tell })
    assert.deepStrictEqual(result.flaws, [], lines.join("\n"))
    assert.isAbove(result.cases, 0)
    assert.isAbove(result.heapAfter, 0)
  })
})
