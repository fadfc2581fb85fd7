/** Pseudonyms replace client ids completely. */
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import * as fc from "fast-check"
import { createHmac } from "node:crypto"
import * as Pseudonym from "../../src/monitor/Pseudonym.ts"
import { runs } from "../support/seeds.ts"

const key = Redacted.make("key")
const clientId = "0123456789abcdef0123456789abcdef01234567"
const nameOf = (clientId: string) => Pseudonym.name(clientId, key)

describe("the pseudonym of a client id", () => {
  it("is the beginning of its keyed hash", () => {
    const expected = createHmac("sha256", "key").update(clientId).digest("hex")
    assert.strictEqual(Pseudonym.hash(clientId, key), expected)
    assert.strictEqual(nameOf(clientId), expected.slice(0, 16))
    assert.notStrictEqual(Pseudonym.name(clientId, Redacted.make("other")), nameOf(clientId))
  })

  it("replaces it everywhere in a text, and the rest stays", () => {
    assert.strictEqual(Pseudonym.text(`/a/${clientId}/b`, 100, nameOf), `/a/${nameOf(clientId)}/b`)
    assert.strictEqual(Pseudonym.text("/a/b", 100, nameOf), "/a/b")
    assert.strictEqual(Pseudonym.text("x".repeat(11), 10, nameOf), `${"x".repeat(10)}…`)
  })

  it("leaves no part of it at the end of a text that is cut", () => {
    const id = fc.stringMatching(/^[0-9a-f]{40}$/)
    fc.assert(
      fc.property(id, fc.string(), fc.string(), fc.nat(120), (id, before, after, limit) => {
        const shown = Pseudonym.text(`${before}-${id}-${after}`, limit, () => "NAME")
        for (let at = 0; at + 8 <= id.length; at++) assert.notInclude(shown, id.slice(at, at + 8))
      }),
      runs()
    )
  })
})
