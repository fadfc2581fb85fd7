/**
 * WebSocket frames from the client's side. The mask is four zeroes: servers unmask as always, and a frame made once
 * can be copied and its sequence number changed in place.
 */

const maskLength = 4

const header = (opcode: number, length: number): Buffer => {
  const size = length < 126 ? 2 : 4
  if (length > 0xffff) throw new Error(`A frame of ${length} bytes was asked for: the generator sends 65,535 at most`)
  const bytes = Buffer.alloc(size + maskLength)
  bytes[0] = 0x80 | opcode
  bytes[1] = 0x80 | (size === 2 ? length : 126)
  if (size === 4) bytes.writeUInt16BE(length, 2)
  return bytes
}

/** A text frame. */
export const text = (content: string): Buffer =>
  Buffer.concat([header(0x1, Buffer.byteLength(content)), Buffer.from(content)])

/** The answer to a ping. */
export const pong = (content: Buffer): Buffer => Buffer.concat([header(0xa, content.length), content])

/** A normal closure. */
export const close = Buffer.concat([header(0x8, 2), Buffer.from([0x03, 0xe8])])
