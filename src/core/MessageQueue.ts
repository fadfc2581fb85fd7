/**
 * Queue of a session's messages that wait for a connection, or to be acknowledged: first in, first out, persistent,
 * appended to in constant time. Messages whose answer could not be written return to their places.
 */
import type { Delivery } from "./Message.ts"

interface Appended {
  readonly message: Delivery
  readonly before: Appended | undefined
}

/** Queue of messages. */
export interface MessageQueue {
  /** Number of messages. */
  readonly length: number
  /** Number of bytes that they have in JSON. */
  readonly bytes: number
  readonly front: ReadonlyArray<Delivery>
  readonly last: Appended | undefined
}

/** Queue without messages. */
export const empty: MessageQueue = { length: 0, bytes: 0, front: [], last: undefined }

const sizeOf = (messages: ReadonlyArray<Delivery>): number => messages.reduce((sum, { bytes }) => sum + bytes, 0)

const make = (front: ReadonlyArray<Delivery>, bytes: number): MessageQueue =>
  front.length === 0 ? empty : { length: front.length, bytes, front, last: undefined }

/** Appends a message. */
export const append = (self: MessageQueue, message: Delivery): MessageQueue => ({
  length: self.length + 1,
  bytes: self.bytes + message.bytes,
  front: self.front,
  last: { message, before: self.last }
})

/** Returns messages to their places, in the order of their positions, none twice. */
export const restore = (self: MessageQueue, messages: ReadonlyArray<Delivery>): MessageQueue => {
  const byPosition = new Map(messages.map((message) => [message.position, message]))
  for (const message of toArray(self)) byPosition.set(message.position, message)
  const front = [...byPosition.values()].sort((a, b) => a.position - b.position)
  return make(front, sizeOf(front))
}

/** Position of the first message, if there is one. */
export const first = (self: MessageQueue): number | undefined => {
  if (self.front[0] !== undefined) return self.front[0].position
  let node = self.last
  while (node?.before !== undefined) node = node.before
  return node?.message.position
}

/** Removes the messages up to a position, which is included. */
export const after = (self: MessageQueue, acknowledged: number): MessageQueue => {
  const front = toArray(self).filter(({ position }) => position > acknowledged)
  return front.length === self.length ? self : make(front, sizeOf(front))
}

/** Takes the first messages that have at most so many bytes together, but at least one; gives them and the rest. */
export const take = (
  self: MessageQueue,
  bytes: number
): readonly [taken: ReadonlyArray<Delivery>, rest: MessageQueue] => {
  const messages = toArray(self)
  if (self.bytes <= bytes) return [messages, empty]
  let left = bytes
  const end = messages.findIndex((message, at) => (left -= message.bytes) < 0 && at > 0)
  if (end < 0) return [messages, empty]
  const taken = messages.slice(0, end)
  return [taken, make(messages.slice(end), self.bytes - sizeOf(taken))]
}

/**
 * Drops the oldest messages, at least so many and of at least so many bytes. A sixteenth of the queue goes with them, so
 * that a queue that stays full is not walked through for each message.
 */
export const dropOldest = (self: MessageQueue, messages: number, bytes: number): MessageQueue => {
  const all = toArray(self)
  const least = { messages: messages + (self.length >> 4), bytes: bytes + Math.floor(self.bytes / 16) }
  let dropped = 0
  let freed = 0
  for (const message of all) {
    if (dropped >= least.messages && freed >= least.bytes) break
    dropped++
    freed += message.bytes
  }
  return make(all.slice(dropped), self.bytes - freed)
}

/** Lists the messages, the oldest first. */
export const toArray = (self: MessageQueue): ReadonlyArray<Delivery> => {
  if (self.last === undefined) return self.front
  const messages = new Array<Delivery>(self.length)
  for (let i = 0; i < self.front.length; i++) messages[i] = self.front[i] as Delivery
  let at = self.length
  for (let node: Appended | undefined = self.last; node !== undefined; node = node.before) messages[--at] = node.message
  return messages
}
