/**
 * What a message of the benchmark carries: a stream (a publisher and a channel) and a number within it. The generator
 * finds it in the bytes that arrive, without parsing them. `data` has a mark, and so have the `id` of a publish and of
 * its answer, which begins differently because some servers deliver the `id` as well.
 */

/** How long `data` is. */
export const dataLength = 100

const streamDigits = 3
const sequenceDigits = 7
/** How long a mark is. */
export const length = 2 + streamDigits + sequenceDigits
const sequenceAt = 2 + streamDigits

const at = 0x40
const bang = 0x21
const slash = 0x2f
const m = 0x6d

const mark = (begin: string, stream: number): string =>
  `${begin}${stream.toString(16).padStart(streamDigits, "0")}${"0".repeat(sequenceDigits)}`

/** The `data` of a message, with the number 0. */
export const data = (stream: number): string => mark("@@", stream).padEnd(dataLength, ".")

/** The `id` of a publish, with the number 0. */
export const id = (stream: number): string => mark("!!", stream)

const digits = Buffer.from("0123456789abcdef")
const values = new Uint8Array(256)
for (const [value, digit] of digits.entries()) values[digit] = value

const readNumber = (bytes: Buffer, start: number, count: number): number => {
  let value = 0
  for (let i = start; i < start + count; i++) value = value << 4 | (values[bytes[i] ?? 0] ?? 0)
  return value
}

/** Writes the number into the mark that begins at `start`. */
export const writeSequence = (bytes: Buffer, start: number, sequence: number): void => {
  let rest = sequence
  for (let i = start + sequenceAt + sequenceDigits - 1; i >= start + sequenceAt; i--) {
    bytes[i] = digits[rest & 15] ?? 0
    rest >>= 4
  }
}

/** The same for text that begins with a mark. */
export const numbered = (text: string, sequence: number): string =>
  text.slice(0, sequenceAt) + sequence.toString(16).padStart(sequenceDigits, "0") + text.slice(length)

/** Reads the mark that begins at a place of a text. */
export const parse = (text: string, at: number): readonly [stream: number, sequence: number] => [
  Number.parseInt(text.slice(at + 2, at + sequenceAt), 16),
  Number.parseInt(text.slice(at + sequenceAt, at + length), 16)
]

/** What is done with each mark. */
export type Found = (stream: number, sequence: number) => void

/** Finds the marks in `data`. Gives true if there are replies to meta messages in between. */
export const scanDeliveries = (bytes: Buffer, start: number, end: number, found: Found): boolean => {
  let hasMeta = false
  for (let i = start; i < end; i++) {
    const byte = bytes[i]
    if (byte === at && bytes[i + 1] === at) {
      found(readNumber(bytes, i + 2, streamDigits), readNumber(bytes, i + sequenceAt, sequenceDigits))
      i += dataLength - 1
    } else if (byte === slash && bytes[i + 1] === m) hasMeta = true
  }
  return hasMeta
}

/** Finds the marks in the `id`s of answers. */
export const scanAnswers = (bytes: Buffer, start: number, end: number, found: Found): void => {
  for (let i = start; i < end; i++) {
    if (bytes[i] !== bang || bytes[i + 1] !== bang) continue
    found(readNumber(bytes, i + 2, streamDigits), readNumber(bytes, i + sequenceAt, sequenceDigits))
    i += length - 1
  }
}
