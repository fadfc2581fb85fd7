import { assert, describe, it } from "@effect/vitest"
import { Effect, FiberSet } from "effect"
import { TestClock } from "effect/testing"
import * as LogThrottle from "../../src/service/LogThrottle.ts"

const make = Effect.gen(function*() {
  const lines: Array<string> = []
  const write = (line: string) => Effect.sync(() => void lines.push(line))
  const logThrottle = LogThrottle.make(yield* FiberSet.makeRuntime(), "1 minute")
  const say = (what: string, more = "") =>
    logThrottle.say(what, write(what), (times, within) => write(`${what}: ${times} within ${within}${more}`))
  return { lines, say }
})

describe("what is said seldom", () => {
  it.effect("is said at once, then counted, and said with the count when its time has come", () =>
    Effect.gen(function*() {
      const { lines, say } = yield* make
      for (let i = 0; i < 5; i++) yield* say("a", `, last ${i}`)
      yield* say("b")
      assert.deepStrictEqual(lines, ["a", "b"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(lines, ["a", "b", "a: 4 within 1m, last 4"])
      yield* say("a")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(lines.slice(3), ["a: 1 within 1m"])
    }))

  it.effect("is new again when it has not come for so long", () =>
    Effect.gen(function*() {
      const { lines, say } = yield* make
      yield* say("a")
      yield* TestClock.adjust("1 minute")
      yield* say("a")
      assert.deepStrictEqual(lines, ["a", "a"])
    }))
})
