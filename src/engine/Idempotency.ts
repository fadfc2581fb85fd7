/**
 * How an engine knows an order that it has carried out: a client that has not read the answer sends its request again,
 * with the same id (`Retries.once`). Under a key, that of a session now, a few slots each hold the mark of the order that
 * came last; an order whose mark is there already is answered and not carried out again. So what is kept for a key is
 * bounded, and ends with it.
 */
import type { IdempotencyKey } from "../core/Retries.ts"

/** A number of 32 bits that hardly any two texts of the same length have in common. */
const hash = (text: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** What tells an order from others under its key: its id and, by its length and a hash, its content. */
export const markOf = ({ id }: IdempotencyKey, content: string): string => `${content.length}.${hash(content)}.${id}`

/** The marks of a key, by their slots. */
export type Marks = Map<number, string>

/** Whether an order with this mark was carried out before; it is from now on. */
export const isRepeated = (marks: Marks, { slot }: IdempotencyKey, mark: string): boolean => {
  if (marks.get(slot) === mark) return true
  marks.set(slot, mark)
  return false
}
