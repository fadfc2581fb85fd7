/** Rates of channels and the rows of their table. */
import { assert, describe, it } from "@effect/vitest"
import type { Channel } from "../../src/core/Channel.ts"
import { Rates } from "../../src/page/Rates.ts"

const count = (rates: Rates, channel: string, times: number) => {
  for (let n = 0; n < times; n++) rates.count(channel as Channel)
}

describe("rates", () => {
  it("are averages over five seconds, of channels and of patterns with subscribers", () => {
    const rates = new Rates()
    count(rates, "/a/b", 10)
    rates.endSecond()
    count(rates, "/a/c", 20)
    rates.endSecond()
    count(rates, "/a/c", 1_000)
    assert.deepStrictEqual(rates.rows(new Map([["/a/*", 3]])), [
      { channel: "/a/*", subscribers: 3, rate: 15 },
      { channel: "/a/c", subscribers: 0, rate: 10 },
      { channel: "/a/b", subscribers: 0, rate: 5 }
    ], "a second that is not over does not count")
    for (let n = 0; n < 6; n++) rates.endSecond()
    assert.deepStrictEqual(rates.rows(new Map()), [])
  })

  it("have rows for the busiest and the largest of many channels", () => {
    const rates = new Rates()
    for (let n = 0; n < 5_000; n++) count(rates, `/rare/${n}`, 1)
    count(rates, "/rare/7", 100)
    rates.endSecond()
    const subscribers = new Map(Array.from({ length: 10_000 }, (_, n) => [`/pattern/${n}/*`, n]))
    const rows = rates.rows(subscribers)
    assert.strictEqual(rows.length, 100)
    assert.deepInclude(rows, { channel: "/rare/7", subscribers: 0, rate: 101 })
    assert.deepInclude(rows, { channel: "/pattern/9999/*", subscribers: 9_999, rate: 0 })
  })
})
