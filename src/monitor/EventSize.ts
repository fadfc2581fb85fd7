/**
 * Size of an event in memory, estimated from its content, which bounds the buffers of consumers: an event may have a megabyte
 * of JSON, and `[[],[],…]` takes fourteen times as much memory as text.
 */
import type * as Schema from "effect/Schema"
import type { MonitorEvent } from "../core/MonitorEvent.ts"

/** Bytes of V8's objects on 64-bit machines, by kind. Strings have at least one byte for each character. */
const bytes = { event: 128, string: 24, array: 48, object: 56, slot: 8 }

/** Cached sizes of large values: each consumer needs them. */
const sizes = new WeakMap<object, number>()
const large = 4_096
const isWide = /[\u0100-\uffff]/

/** Size of a string: two bytes for each character if any of them does not fit into one. */
const ofString = (text: string): number =>
  bytes.string + (text.length >= large && isWide.test(text) ? 2 : 1) * text.length

const ofArray = (values: ReadonlyArray<Schema.Json>): number => {
  let size = bytes.array
  for (const value of values) size += bytes.slot + ofJson(value)
  return size
}

const ofObject = (fields: { readonly [name: string]: Schema.Json }): number => {
  let size = bytes.object
  for (const name in fields) size += bytes.slot + name.length + ofJson(fields[name] ?? null)
  return size
}

const isArray = (value: object): value is ReadonlyArray<Schema.Json> => Array.isArray(value)

const ofJson = (value: Schema.Json): number => {
  if (typeof value === "string") return ofString(value)
  if (typeof value !== "object" || value === null) return 0
  const before = sizes.get(value)
  if (before !== undefined) return before
  const size = isArray(value) ? ofArray(value) : ofObject(value)
  if (size >= large) sizes.set(value, size)
  return size
}

/** Estimates the bytes of an event in memory. */
export const of = (event: MonitorEvent): number => {
  switch (event._tag) {
    case "Publish":
      return bytes.event + event.channel.length + ofJson(event.data)
    case "Subscribe":
    case "Unsubscribe":
      return bytes.event + event.channel.length
    case "Arrive":
      return bytes.event + ofArray(event.subscriptions)
    case "Handshake":
    case "Disconnect":
    case "Depart":
      return bytes.event
  }
}
