import { assert, describe, it } from "@effect/vitest"
import type { Bytes } from "../../src/service/Frame.ts"
import * as WebSocketFrame from "../../src/transport/WebSocketFrame.ts"

/** Reads a frame as RFC 6455, section 5.2, has it: opcode, length, text. */
const read = (written: Bytes) => {
  const bytes = typeof written === "string" ? Buffer.from(written, "latin1") : written
  const short = bytes.readUInt8(1)
  const [length, start] = short < 126
    ? [short, 2]
    : short === 126
    ? [bytes.readUInt16BE(2), 4]
    : [Number(bytes.readBigUInt64BE(2)), 10]
  return { opcode: bytes.readUInt8(0), length, text: bytes.toString("utf8", start), size: bytes.length - start }
}

describe("the frame of a text", () => {
  for (const length of [0, 1, 2, 125, 126, 127, 255, 256, 16_380, 16_381, 65_535, 65_536, 100_000]) {
    it(`of ${length} bytes is whole, with and without letters beyond ASCII`, () => {
      const ascii = "a".repeat(length)
      assert.deepStrictEqual(read(WebSocketFrame.encode(ascii)), { opcode: 0x81, length, text: ascii, size: length })
      if (length < 2) return
      const text = `ä${"a".repeat(length - 2)}`
      assert.deepStrictEqual(read(WebSocketFrame.encode(text)), { opcode: 0x81, length, text, size: length })
    })
  }
})
