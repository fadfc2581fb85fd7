/**
 * What waits for a session that has no connection at the moment, or waits to be acknowledged: first in, first out,
 * persistent, appended to in constant time. Messages whose answer could not be written come back to their places.
 */
import type { Delivery } from "./Message.ts"

interface Appended {
  readonly message: Delivery
  readonly before: Appended | undefined
}

/** A queue of messages; `length` counts them. */
export interface MessageQueue {
  readonly length: number
  readonly front: ReadonlyArray<Delivery>
  readonly last: Appended | undefined
}

/** Nothing waits. */
export const empty: MessageQueue = { length: 0, front: [], last: undefined }

/** Adds a message at the end. */
export const append = (self: MessageQueue, message: Delivery): MessageQueue => ({
  length: self.length + 1,
  front: self.front,
  last: { message, before: self.last }
})

/** Puts messages that were taken before back: among the others in the order of their positions, none twice. */
export const restore = (self: MessageQueue, messages: ReadonlyArray<Delivery>): MessageQueue => {
  const byPosition = new Map(messages.map((message) => [message.position, message]))
  for (const message of toArray(self)) byPosition.set(message.position, message)
  const front = [...byPosition.values()].sort((a, b) => a.position - b.position)
  return { length: front.length, front, last: undefined }
}

/** The position of the first message, if one waits. */
export const first = (self: MessageQueue): number | undefined => {
  if (self.front[0] !== undefined) return self.front[0].position
  let node = self.last
  while (node?.before !== undefined) node = node.before
  return node?.message.position
}

/** Without the messages that stand at this position or before. */
export const after = (self: MessageQueue, acknowledged: number): MessageQueue => {
  const front = toArray(self).filter(({ position }) => position > acknowledged)
  return front.length === self.length ? self : { length: front.length, front, last: undefined }
}

/** As many of the first messages as have no more than so many bytes together, but one at least; and the queue without them. */
export const take = (
  self: MessageQueue,
  bytes: number
): readonly [taken: ReadonlyArray<Delivery>, rest: MessageQueue] => {
  const messages = toArray(self)
  let left = bytes
  const end = messages.findIndex((message, at) => (left -= message.bytes) < 0 && at > 0)
  if (end < 0) return [messages, empty]
  const front = messages.slice(end)
  return [messages.slice(0, end), { length: front.length, front, last: undefined }]
}

/** All messages, the oldest first. */
export const toArray = (self: MessageQueue): ReadonlyArray<Delivery> => {
  if (self.last === undefined) return self.front
  const messages = new Array<Delivery>(self.length)
  for (let i = 0; i < self.front.length; i++) messages[i] = self.front[i] as Delivery
  let at = self.length
  for (let node: Appended | undefined = self.last; node !== undefined; node = node.before) messages[--at] = node.message
  return messages
}
