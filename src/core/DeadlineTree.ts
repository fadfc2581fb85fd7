/**
 * Deadlines of sessions: a persistent search tree, ordered by time, with one entry a session.
 *
 * An entry may be earlier than what is really due for its session (the held connect, the session's end), never later.
 * So a session that connects again and again moves its deadline without touching the tree: its old entry comes up,
 * nothing is due, and it is entered anew (`State.arm`).
 *
 * The tree is a treap whose priorities are hashes of the client ids: the same entries give the same tree, whatever the
 * order they came in, and its depth grows with the logarithm of their number.
 */
import * as Hash from "effect/Hash"
import type { ClientId } from "./ClientId.ts"

/** Entries; `undefined` is the empty tree. */
export type DeadlineTree = Entry | undefined

/** Entry with the entries before and after it. Times are milliseconds since the epoch. */
export interface Entry {
  readonly at: number
  readonly clientId: ClientId
  readonly priority: number
  readonly before: DeadlineTree
  readonly after: DeadlineTree
}

/** Tree without entries. */
export const empty: DeadlineTree = undefined

/** Time of the first entry; `Infinity` if there is none. */
export const next = (self: DeadlineTree): number => {
  let entry = self
  while (entry?.before !== undefined) entry = entry.before
  return entry === undefined ? Infinity : entry.at
}

/** Session of the first entry, if that entry is at `now` or earlier. */
export const due = (self: DeadlineTree, now: number): ClientId | undefined => {
  let entry = self
  while (entry?.before !== undefined) entry = entry.before
  return entry !== undefined && entry.at <= now ? entry.clientId : undefined
}

/** Number of entries. */
export const size = (self: DeadlineTree): number => self === undefined ? 0 : size(self.before) + 1 + size(self.after)

const precedes = (at: number, clientId: ClientId, entry: Entry): boolean =>
  at < entry.at || (at === entry.at && clientId < entry.clientId)

const isAbove = (a: Entry, b: Entry): boolean =>
  a.priority > b.priority || (a.priority === b.priority && a.clientId > b.clientId)

/** Adds an entry for a session, which must not have one yet. */
export const add = (self: DeadlineTree, at: number, clientId: ClientId): DeadlineTree =>
  insert(self, { at, clientId, priority: Hash.string(clientId), before: undefined, after: undefined })

const insert = (self: DeadlineTree, entry: Entry): Entry => {
  if (self === undefined) return entry
  if (isAbove(entry, self)) {
    const [before, after] = split(self, entry)
    return { ...entry, before, after }
  }
  return precedes(entry.at, entry.clientId, self)
    ? { ...self, before: insert(self.before, entry) }
    : { ...self, after: insert(self.after, entry) }
}

const split = (self: DeadlineTree, entry: Entry): readonly [DeadlineTree, DeadlineTree] => {
  if (self === undefined) return [undefined, undefined]
  if (precedes(entry.at, entry.clientId, self)) {
    const [before, after] = split(self.before, entry)
    return [before, { ...self, before: after }]
  }
  const [before, after] = split(self.after, entry)
  return [{ ...self, after: before }, after]
}

/** Moves all entries by so many milliseconds. */
export const postpone = (self: DeadlineTree, milliseconds: number): DeadlineTree =>
  self && {
    ...self,
    at: self.at + milliseconds,
    before: postpone(self.before, milliseconds),
    after: postpone(self.after, milliseconds)
  }

/** Removes the entry of a session at exactly this time; without such an entry nothing changes. */
export const remove = (self: DeadlineTree, at: number, clientId: ClientId): DeadlineTree => {
  if (self === undefined) return undefined
  if (self.at === at && self.clientId === clientId) return merge(self.before, self.after)
  if (precedes(at, clientId, self)) {
    const before = remove(self.before, at, clientId)
    return before === self.before ? self : { ...self, before }
  }
  const after = remove(self.after, at, clientId)
  return after === self.after ? self : { ...self, after }
}

const merge = (before: DeadlineTree, after: DeadlineTree): DeadlineTree => {
  if (before === undefined) return after
  if (after === undefined) return before
  return isAbove(before, after)
    ? { ...before, after: merge(before.after, after) }
    : { ...after, before: merge(before, after.before) }
}
