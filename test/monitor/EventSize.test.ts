import { assert, describe, it } from "@effect/vitest"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { MonitorEvent } from "../../src/core/MonitorEvent.ts"
import * as EventSize from "../../src/monitor/EventSize.ts"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const heapInUse = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

const publish = (data: unknown): MonitorEvent =>
  ({ _tag: "Publish", clientId: null, channel: "/a", data, sequence: 1, at: 0, node: "here" }) as never

const kinds: ReadonlyArray<readonly [string, string]> = [
  ["a long string", `"${"x".repeat(100_000)}"`],
  ["a long string with wide characters", `"${"€".repeat(50_000)}"`],
  ["empty arrays", `[${"[],".repeat(30_000)}[]]`],
  ["empty objects", `[${"{},".repeat(30_000)}{}]`],
  ["small integers", `[${"1,".repeat(30_000)}1]`],
  ["strings", `[${Array.from({ length: 10_000 }, (_, i) => `"a text with the number ${i}"`).join()}]`],
  ["rows", `[${Array.from({ length: 5_000 }, (_, i) => `{"id":${i},"name":"name ${i}","on":true}`).join()}]`],
  ["nesting", `[${`${"[".repeat(90)}${"]".repeat(90)},`.repeat(500)}1]`]
]

describe("the size of an event", () => {
  it.each(kinds)("is no less than what it takes of the heap, and not many times as much: %s", (_, json) => {
    const events: Array<MonitorEvent> = []
    const before = heapInUse()
    for (let i = 0; i < 20; i++) events.push(publish(JSON.parse(` ${json}`)))
    const taken = heapInUse() - before
    const size = events.reduce((sum, event) => sum + EventSize.of(event), 0)
    assert.isAbove(size * 1.3, taken)
    assert.isBelow(size, 3 * taken)
  })

  it("counts names as well", () => {
    const channel = `/${"a".repeat(10_000)}`
    assert.isAbove(EventSize.of({ ...publish(1), channel } as MonitorEvent), 10_000)
    const subscribe = { _tag: "Subscribe", clientId: "c", channel, sequence: 1, at: 0, node: "here" } as never
    assert.isAbove(EventSize.of(subscribe), 10_000)
    const arrive = { _tag: "Arrive", clientId: "c", subscriptions: [channel, channel], sequence: 1, at: 0 } as never
    assert.isAbove(EventSize.of(arrive), 20_000)
  })
})
