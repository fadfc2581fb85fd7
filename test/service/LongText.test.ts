import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Message from "../../src/core/Message.ts"
import * as LongText from "../../src/service/LongText.ts"
import { maxMessages, parseMessages } from "../../src/transport/Http.ts"
import { runs } from "../support/seeds.ts"

const json = JSON.stringify

/** What a text is taken for if a message may have so many bytes; the messages, or the status of the refusal. */
const read = (text: string, maxMessage: number): unknown => {
  const messages = parseMessages(text, maxMessage)
  return messages._tag === "Success" ? messages.success : messages.failure.status
}

const object = fc.dictionary(fc.string(), fc.jsonValue())
const spaced = fc.tuple(fc.array(object, { minLength: 1, maxLength: 5 }), fc.constantFrom(undefined, 1, "\t"))

describe("a text that is longer than a message may be", () => {
  it("is read as JSON is, each of its messages by itself", () => {
    fc.assert(
      fc.property(spaced, fc.nat(30), ([messages, space], maxMessage) => {
        const text = json(messages, null, space)
        const longest = Buffer.byteLength(text) - 1
        assert.deepStrictEqual(read(text, longest), JSON.parse(text), "no message is as long as all of them")
        const each = read(text, Math.min(maxMessage, longest)) as ReadonlyArray<unknown>
        assert.strictEqual(each.length, messages.length)
        for (const [i, message] of each.entries()) {
          if (!(message instanceof Message.TooLong)) assert.deepStrictEqual(message, JSON.parse(json(messages[i])))
          else assert.isAbove(message.bytes, maxMessage)
        }
      }),
      runs()
    )
  })

  it("is refused where JSON is wrong, but for what is inside a message that is too long", () => {
    const long = json({ data: "x".repeat(100) })
    for (
      const text of [
        `[${long}`,
        `[${long}}`,
        `[${long},]`,
        `[,${long}]`,
        `[${long} 1 2, {x}]`,
        `[${long}] x`,
        `x${long}`
      ]
    ) {
      assert.strictEqual(read(text, 50), 400, text)
    }
    assert.strictEqual(read(`[${"[".repeat(100)}${"]".repeat(100)}]`, 50), 400, "nested too deep")
    assert.strictEqual(read(`[${"{},".repeat(maxMessages)}{}]`, 50), 400, "too many")
    assert.strictEqual((read(`[{"data": ${"x".repeat(100)}}]`, 50) as ReadonlyArray<unknown>).length, 1)
  })

  it("counts bytes", () => {
    const text = json([{ data: "€".repeat(10) }])
    const bytes = Buffer.byteLength(text)
    assert.isFalse((read(text, bytes - 2) as ReadonlyArray<unknown>)[0] instanceof Message.TooLong)
    const [message] = read(text, bytes - 3) as ReadonlyArray<unknown>
    assert.instanceOf(message, Message.TooLong)
    assert.deepInclude(message, { bytes: bytes - 2, limit: bytes - 3 })
  })
})

describe("of a message that is too long", () => {
  it.each<[string, object]>([
    [`{"channel":"/a","data":"x","id":"1","clientId":"abc"}`, { channel: "/a", id: "1", clientId: "abc" }],
    [` { "data" : {"id":"2","channel":"/b"} , "id" : 7 } `, { id: 7 }],
    [`{"id":"1","id":"2"}`, { id: "2" }],
    [`{"data":"\\",\\"id\\":\\"3","subscription":["/a","/b"]}`, { subscription: ["/a", "/b"] }],
    [`{"id":"${"x".repeat(2_000)}","channel":"/a"}`, { channel: "/a" }],
    [`{"id":x,"channel":"/a"}`, {}],
    [`{"__proto__":{"id":"1"},"idx":1,"xid":2}`, {}],
    ["{", {}]
  ])("its answer's fields are known: %s", (text, fields) => {
    assert.deepStrictEqual(LongText.fieldsOf(text), fields as never)
  })
})
