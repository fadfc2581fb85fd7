/**
 * Reads the lines of a recording's files and checks them: what is not as it was written is not handed on, but named. The
 * last lines of a process that was killed may lack their checksum; they are handed on as far as they are whole.
 */
import { closeSync, openSync, readSync } from "node:fs"
import { crc32 } from "node:zlib"
import * as Line from "./Line.ts"

/** Where a line stands; the first one has the number 1. */
export interface Place {
  readonly file: string
  readonly line: number
}

/** A line that was checked. */
export interface Checked {
  readonly _tag: "Line"
  readonly place: Place
  readonly line: Line.Line
}

/** One or more of these lines are not as they were written. */
export interface Damage {
  readonly _tag: "Damage"
  readonly file: string
  readonly from: number
  readonly to: number
}

const newline = 10

/** The lines of a file in bytes, each with its newline; the last one may lack it. */
const split = function*(file: string): Generator<Buffer> {
  const descriptor = openSync(file, "r")
  try {
    let rest = Buffer.alloc(0)
    for (;;) {
      const chunk = Buffer.allocUnsafe(1_024 * 1_024)
      const length = readSync(descriptor, chunk)
      if (length === 0) break
      rest = Buffer.concat([rest, chunk.subarray(0, length)])
      let from = 0
      for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline, from)) {
        yield rest.subarray(from, end + 1)
        from = end + 1
      }
      rest = rest.subarray(from)
    }
    if (rest.length > 0) yield rest
  } finally {
    closeSync(descriptor)
  }
}

/** What a line may hold at most to be the line of a checksum. */
const longestCheck = 32

const isCheck = (text: string): RegExpExecArray | null =>
  text.length <= longestCheck ? /^\[(\d+),"Check",(\d+)\]\n$/.exec(text) : null

/** The lines of a file. */
export const read = function*(file: string): Generator<Checked | Damage> {
  let block: Array<string> = []
  let sum = 0
  let number = 0
  for (const bytes of split(file)) {
    number += 1
    const text = bytes.toString()
    const check = isCheck(text)
    if (check === null) {
      block.push(text)
      sum = crc32(bytes, sum)
      continue
    }
    const isGood = Number(check[1]) === block.length && Number(check[2]) === sum
    const from = number - block.length
    yield* isGood ? handOn(file, from, block) : [{ _tag: "Damage", file, from, to: number } as const]
    block = []
    sum = 0
  }
  yield* handOn(file, number - block.length + 1, block)
}

/** Lines that are whole; a last one that is not was being written when the process was killed. */
const handOn = function*(file: string, from: number, texts: ReadonlyArray<string>): Generator<Checked | Damage> {
  for (const [at, text] of texts.entries()) {
    if (!text.endsWith("\n")) return
    const line = Line.parse(text)
    const number = from + at
    if (line === undefined) return yield { _tag: "Damage", file, from: number, to: number }
    yield { _tag: "Line", place: { file, line: number }, line }
  }
}

/** The header of a file, as far as it can be told from its first lines. */
export const header = (file: string): Pick<Line.Header, "run"> & { readonly format: unknown } | undefined => {
  for (const bytes of split(file)) {
    const [, tag, header] = Line.parse(bytes.toString()) ?? []
    if (tag === "Hole") continue
    return tag === "Begin" ? header as unknown as Line.Header : undefined
  }
  return undefined
}
