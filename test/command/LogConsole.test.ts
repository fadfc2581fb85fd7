import { assert, describe, it } from "@effect/vitest"
import { Cause, Console, Effect, References } from "effect"
import { format } from "node:util"
import * as LogConsole from "../../src/command/LogConsole.ts"

const hostile = "\u001b]0;mine\u0007\u009b2J\u202e\u2028\n[12:00:00.000] INFO (#1): all is well"

/** What is written to standard error. */
const written = Effect.fnUntraced(function*(print: Effect.Effect<void>) {
  let text = ""
  const console: Console.Console = { ...globalThis.console, error: (...args) => void (text += `${format(...args)}\n`) }
  yield* print.pipe(
    Effect.provide(LogConsole.layer),
    Effect.provideService(Console.Console, console),
    Effect.provideService(References.LogToStderr, true)
  )
  return text
})

const isSafe = (text: string): void => {
  assert.notMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
  assert.notMatch(text.slice(1), /^\[/m, "no line but the first looks like an entry")
  assert.include(text, "\\u001b]0;mine\\u0007\\u009b2J\\u202e\\u2028")
}

describe("what the command writes to standard error", () => {
  const prints: ReadonlyArray<readonly [string, Effect.Effect<void>]> = [
    ["a log line", Effect.logWarning(`A message on ${hostile}`)],
    ["a log line with a cause", Effect.logError("It failed", Cause.fail(new Error(hostile)))],
    ["a log line with annotations", Effect.annotateLogs(Effect.logInfo(hostile), { channel: "/a" })],
    ["a complaint", Console.error(hostile)]
  ]
  it.effect.each(prints)(
    "has nothing in it that a terminal obeys: %s",
    ([, print]) => Effect.map(written(print), isSafe)
  )

  it.effect("is cut where it is very long", () =>
    Effect.gen(function*() {
      const text = yield* written(Effect.logWarning(`A message on ${"x".repeat(1_000_000)}`))
      assert.isBelow(text.length, 17_000)
      assert.match(text, /… and \d+ characters more\n$/)
    }))

  it.effect("keeps what stands for something in a format", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* written(Console.error("100 %s %d %%")), "100 %s %d %%\n")
    }))
})
