import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Printable from "../../src/base/Printable.ts"

/** What no line may have: `Cc`, `Zl`, `Zp` and the characters of `Bidi_Control`, as Unicode has them. */
const harmful = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/u

const hostile = fc.string({
  unit: fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    fc.integer({ min: 0, max: 0xa0 }).map((code) => String.fromCharCode(code)),
    fc.constantFrom("\u2028", "\u2029", "\u202e", "\u2066", "\u200f", "\u061c", "\ud800", "\\", "\"")
  )
})

describe("Printable.escape", () => {
  it.each([
    ["C0", "\u0007", "\\u0007"],
    ["ESC", "\u001b[2J", "\\u001b[2J"],
    ["line ends", "a\r\nb", "a\\u000d\\u000ab"],
    ["DEL", "\u007f", "\\u007f"],
    ["C1, which are sequences of one character", "\u009b31m\u009d0;mine\u009c", "\\u009b31m\\u009d0;mine\\u009c"],
    ["separators", "\u2028\u2029", "\\u2028\\u2029"],
    ["overrides of direction", "\u202egnp.exe\u202c\u2066\u2069", "\\u202egnp.exe\\u202c\\u2066\\u2069"],
    ["marks of direction", "\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"]
  ])("shows %s by their numbers", (_, text, shown) => {
    assert.strictEqual(Printable.escape(text), shown)
  })

  it("leaves all other text as it is", () => {
    const text = "Grüße, 你好, שלום, مرحبا, 👩‍👩‍👧, \\u001b, \"quoted\""
    assert.strictEqual(Printable.escape(text), text)
  })

  it("leaves nothing that a terminal obeys, whatever it is given", () => {
    fc.assert(fc.property(hostile, (text) => {
      assert.notMatch(Printable.escape(text), harmful)
    }))
  })
})

describe("Printable.json", () => {
  it("is JSON of the same value, and nothing in it that a terminal obeys", () => {
    fc.assert(fc.property(fc.dictionary(hostile, fc.oneof(hostile, fc.double({ noNaN: true }))), (value) => {
      const text = Printable.json(value)
      assert.notMatch(text, harmful)
      assert.strictEqual(JSON.stringify(JSON.parse(text)), JSON.stringify(value))
    }))
  })
})

describe("Printable.lines", () => {
  it("keeps line ends, and no line but the first can begin like an entry of a log", () => {
    const text = Printable.lines("It failed\n    at f (a.ts:1)\n[12:00:00] INFO: all is well\u001b[1A\u2028")
    assert.strictEqual(text, "It failed\n      at f (a.ts:1)\n  [12:00:00] INFO: all is well\\u001b[1A\\u2028")
  })
})
