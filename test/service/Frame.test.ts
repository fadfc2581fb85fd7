import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Channel from "../../src/core/Channel.ts"
import * as Message from "../../src/core/Message.ts"
import * as Frame from "../../src/service/Frame.ts"

const channel = Result.getOrThrow(Channel.parse("/a", 64))
const delivery = (data: string, position = 1) => new Message.Delivery(channel, data, undefined, position)
const frameOf = (...messages: ReadonlyArray<Message.Outgoing>) =>
  messages.reduce((frame, message) => frame.append(message), new Frame.Frame())

describe("a frame in parts", () => {
  it("is itself when it is short, or has one message however long", () => {
    const short = frameOf(delivery("a"), delivery("b"))
    assert.deepStrictEqual(short.parts(1_000), [short])
    const long = frameOf(delivery("x".repeat(2_000)))
    assert.deepStrictEqual(long.parts(1_000), [long])
  })

  it("has all messages in their order, and no more bytes in a part than it may", () => {
    const texts = ["ä".repeat(300), "b", "c".repeat(900), "🙂".repeat(400), "e"]
    const frame = frameOf({ channel: "/meta/connect", successful: true }, ...texts.map((text) => delivery(text)))
    const parts = frame.parts(1_000)
    assert.deepStrictEqual(parts.map(({ length }) => length), [3, 1, 1, 1])
    assert.deepStrictEqual(parts.flatMap(({ messages }) => messages), [...frame.messages])
    for (const part of parts) {
      const bytes = part.deliveries.reduce((sum, message) => sum + message.bytes, 0)
      assert.isTrue(bytes <= 1_000 || part.length === 1)
    }
  })

  it("is the same for all that share it", () => {
    const frame = frameOf(delivery("x".repeat(800)), delivery("y".repeat(800)))
    assert.strictEqual(frame.parts(1_000), frame.parts(1_000))
    assert.strictEqual(frame.parts(1_000).length, 2)
  })
})

describe("the bytes of a frame", () => {
  const counted = (prefix: string) => {
    const encoder = (text: string) => {
      encoder.calls++
      return Buffer.from(prefix + text)
    }
    encoder.calls = 0
    return encoder
  }

  it("are made once for each encoding, whichever peers take turns", async () => {
    const webSocket = counted("")
    const eventSource = counted("data: ")
    const compressed = counted("gzip")
    const frame = frameOf(delivery("a"))
    for (let peer = 0; peer < 500; peer++) {
      for (const encoder of [webSocket, eventSource, compressed]) {
        assert.strictEqual(frame.encode(encoder).length, encoder("").length + frame.text.length)
        encoder.calls--
      }
    }
    assert.deepStrictEqual([webSocket.calls, eventSource.calls, compressed.calls], [1, 1, 1])
    await Promise.resolve()
    frame.encode(eventSource)
    frame.encode(webSocket)
    assert.deepStrictEqual([webSocket.calls, eventSource.calls], [2, 2], "they are not kept")
  })

  it("have a size, also when they are forgotten, that is the same for all encodings", async () => {
    const frame = frameOf(delivery("a"))
    assert.strictEqual(frame.size, 0)
    const { length } = frame.encode(counted(""))
    frame.encode(counted("data: "))
    await Promise.resolve()
    frame.encode(counted("data: "))
    assert.strictEqual(frame.size, length)
  })
})

it("a frame that was written says the same again when it is written again", async () => {
  const frame = frameOf(delivery("a"), delivery("b"))
  const utf8 = (text: string) => Buffer.from(text)
  const text = String(frame.encode(utf8))
  await Promise.resolve()
  assert.strictEqual(String(frame.encode(utf8)), text)
  assert.strictEqual(frame.text, text)
})

it("a message knows how many bytes it has in JSON", () => {
  for (const text of ["", "a", "ä", "€", "🙂", "\"\\\n\u0000\u2028"]) {
    assert.strictEqual(delivery(text).bytes, Buffer.byteLength(delivery(text).json))
  }
})
