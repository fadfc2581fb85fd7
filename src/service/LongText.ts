/**
 * Texts that are too long to be parsed as a whole. They are walked through once: the parts between the outermost
 * brackets are told apart, and of a message that is too long only the fields of its answer are parsed. Whether all of
 * it is JSON is not found out.
 */
import { type Raw, TooLong } from "../core/Message.ts"

const quote = 34
const comma = 44
const backslash = 92

const isOpening = (code: number): boolean => code === 91 || code === 123
const isClosing = (code: number): boolean => code === 93 || code === 125
const isSpace = (code: number): boolean => code === 32 || code === 9 || code === 10 || code === 13

/** Finds the end of the string that begins at a quote; the length of the text if it does not end. */
export const endOfString = (text: string, start: number): number => {
  for (let i = start + 1;; i++) {
    const end = text.indexOf("\"", i)
    if (end < 0) return text.length
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === backslash) backslashes++
    if (backslashes % 2 === 0) return end
    i = end
  }
}

/** Flaw of a text: its brackets do not match, or nest too deep. */
export type Flaw = "NotJson" | "TooDeep"

/**
 * Visits the elements of an array, or the members of an object, until `visit` gives false. Each goes from the first
 * character after a bracket or comma up to the next comma or bracket.
 */
export const visitParts = (
  text: string,
  maxDepth: number,
  visit: (start: number, end: number) => boolean
): Flaw | undefined => {
  let depth = 0
  let start = 0
  let closing = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) i = endOfString(text, i)
    else if (isOpening(code)) {
      if (++depth === 1) [start, closing] = [i + 1, code + 2]
      else if (depth > maxDepth) return "TooDeep"
    } else if (isClosing(code)) {
      if (--depth > 0) continue
      visit(start, i)
      return code === closing && isBlank(text, i + 1) ? undefined : "NotJson"
    } else if (code === comma && depth === 1) {
      if (!visit(start, i)) return undefined
      start = i + 1
    }
  }
  return "NotJson"
}

const isBlank = (text: string, from: number): boolean => {
  for (let i = from; i < text.length; i++) if (!isSpace(text.charCodeAt(i))) return false
  return true
}

const wanted = /^\s*"(channel|clientId|id|subscription)"\s*:/

/** Maximum length of a field; a longer channel, id or name is not worth an answer. */
const longestField = 1_000

/**
 * Parses the fields that the answer to a message needs: `channel`, `id`, `clientId` and `subscription`, as far as they
 * are short. Of a field that comes twice the last one counts, as with `JSON.parse`.
 */
export const fieldsOf = (text: string): Raw => {
  const members = new Map<string, string>()
  visitParts(text, Infinity, (start, end) => {
    if (end - start > longestField) return true
    const member = text.slice(start, end)
    const name = wanted.exec(member)?.[1]
    if (name !== undefined) members.set(name, member)
    return true
  })
  try {
    return JSON.parse(`{${[...members.values()].join()}}`) as Raw
  } catch {
    return {}
  }
}

/** Creates a message that is longer than the limit (bytes): its answer names both. */
export const tooLong = (text: string, limit: number): TooLong =>
  new TooLong(fieldsOf(text), Buffer.byteLength(text), limit)
