/**
 * Reads the lines of a recording's files, and checks them. Lines that were changed are not returned, but reported. The last
 * lines of a process that was killed may lack their checksum; those that are whole are returned.
 */
import { closeSync, openSync, readSync } from "node:fs"
import { crc32 } from "node:zlib"
import * as Line from "./Line.ts"

/** Place of a line; the first one has the number 1. */
export interface Place {
  readonly file: string
  readonly line: number
}

/** Line that was checked. */
export interface Checked {
  readonly _tag: "Line"
  readonly place: Place
  readonly line: Line.Line
}

/** Lines of which one or more are not as they were written; `from` and `to` are numbers, both included. */
export interface Damage {
  readonly _tag: "Damage"
  readonly file: string
  readonly from: number
  readonly to: number
}

const newline = 10

/** Returns the lines of a file in bytes, each with its newline; the last one may lack it. */
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

/** Length of the longest line of a checksum. */
const longestCheck = 32

const isCheck = (text: string): RegExpExecArray | null =>
  text.length <= longestCheck ? /^\[(\d+),"Check",(\d+)\]\n$/.exec(text) : null

/** Reads the lines of a file. */
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
    yield* isGood ? linesOf(file, from, block) : [{ _tag: "Damage", file, from, to: number } as const]
    block = []
    sum = 0
  }
  yield* linesOf(file, number - block.length + 1, block)
}

/** Returns lines that are whole. If the last one is not, it was being written when the process was killed. */
const linesOf = function*(file: string, from: number, texts: ReadonlyArray<string>): Generator<Checked | Damage> {
  for (const [at, text] of texts.entries()) {
    if (!text.endsWith("\n")) return
    const line = Line.parse(text)
    const number = from + at
    if (line === undefined) return yield { _tag: "Damage", file, from: number, to: number }
    yield { _tag: "Line", place: { file, line: number }, line }
  }
}

/** Reads the header of a file from its first lines. Returns undefined if they have none. */
export const header = (file: string): Pick<Line.Header, "run"> & { readonly format: unknown } | undefined => {
  for (const bytes of split(file)) {
    const [, tag, header] = Line.parse(bytes.toString()) ?? []
    if (tag === "Hole") continue
    return tag === "Begin" ? header as unknown as Line.Header : undefined
  }
  return undefined
}
