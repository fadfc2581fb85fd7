/**
 * Recognition of changes that were carried out before. A client that has not read the answer repeats its request with the
 * same id (`Retries.once`). Under a key, which is that of a session, a few slots each have the mark of the last change. A
 * change whose mark is there is answered and not carried out again. So what is kept for a key is bounded, and ends with it.
 */
import type { IdempotencyKey } from "../core/Retries.ts"

/** Hash of a text in 32 bits (FNV-1a). */
const hash = (text: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** Mark of a change: length and hash of its content, and its id. */
export const markOf = ({ id }: IdempotencyKey, content: string): string => `${content.length}.${hash(content)}.${id}`

/** Marks of a key, by slot. */
export type Marks = Map<number, string>

/** Whether a change with this mark was carried out before. Stores the mark. */
export const isRepeated = (marks: Marks, { slot }: IdempotencyKey, mark: string): boolean => {
  if (marks.get(slot) === mark) return true
  marks.set(slot, mark)
  return false
}
