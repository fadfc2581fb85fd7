/** Samples of many events. */
import { assert, describe, it } from "@effect/vitest"
import type { MonitorEvent } from "../../src/core/MonitorEvent.ts"
import { Sample } from "../../src/page/Sample.ts"

const event = (sequence: number, _tag: MonitorEvent["_tag"] = "Publish") => ({ _tag, sequence }) as MonitorEvent

describe("a sample", () => {
  it("has all of a few events, and is empty after it was taken", () => {
    const sample = new Sample()
    for (let n = 1; n <= 20; n++) sample.add(event(n))
    const { events, matched } = sample.take()
    assert.deepStrictEqual([events.length, matched], [20, 20])
    assert.deepStrictEqual(sample.take(), { events: [], matched: 0 })
  })

  it("is spread evenly over all events", () => {
    const sample = new Sample()
    for (let n = 1; n <= 10_000; n++) sample.add(event(n))
    const { events, matched } = sample.take()
    assert.strictEqual(matched, 10_000)
    assert.isAtMost(events.length, 20)
    const gaps = events.slice(1).map(({ sequence }, at) => sequence - (events[at]?.sequence ?? 0))
    assert.strictEqual(new Set(gaps).size, 1)
    assert.isAbove(events.at(-1)?.sequence ?? 0, 10_000 - 2 * (gaps[0] ?? 0))
  })

  it("has rare events among frequent ones, in order", () => {
    const sample = new Sample()
    for (let n = 1; n <= 1_000; n++) sample.add(event(n, n === 500 ? "Disconnect" : "Publish"))
    const { events } = sample.take()
    assert.include(events.map(({ _tag }) => _tag), "Disconnect")
    const sequences = events.map(({ sequence }) => sequence)
    assert.deepStrictEqual(sequences, sequences.toSorted((a, b) => a - b))
  })
})
