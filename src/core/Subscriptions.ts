/**
 * Index from patterns to the sessions that have subscribed to them.
 *
 * Finding the subscribers of a channel looks up each pattern that matches it (`Channel.expand`): the work grows with
 * the depth of the channel and the number of subscribers found, not with the number of all subscriptions.
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import type { Channel, Pattern } from "./Channel.ts"
import { expand } from "./Channel.ts"
import type { ClientId } from "./ClientId.ts"

/** Subscribers by pattern; no pattern has an empty set. */
export type Subscriptions = HashMap.HashMap<Pattern, HashSet.HashSet<ClientId>>

/** Index without subscriptions. */
export const empty: Subscriptions = HashMap.empty()

/** Adds a subscription; one that exists stays as it is. */
export const add = (self: Subscriptions, pattern: Pattern, clientId: ClientId): Subscriptions => {
  const subscribers = HashMap.get(self, pattern)
  return HashMap.set(
    self,
    pattern,
    Option.isSome(subscribers) ? HashSet.add(subscribers.value, clientId) : HashSet.make(clientId)
  )
}

/** Removes a subscription; one that does not exist changes nothing. */
export const remove = (self: Subscriptions, pattern: Pattern, clientId: ClientId): Subscriptions => {
  const subscribers = HashMap.get(self, pattern)
  if (Option.isNone(subscribers)) return self
  const rest = HashSet.remove(subscribers.value, clientId)
  return HashSet.isEmpty(rest) ? HashMap.remove(self, pattern) : HashMap.set(self, pattern, rest)
}

/** Finds the sessions that get a message on the channel: each once, however many of its patterns match. */
export const subscribers = (self: Subscriptions, channel: Channel): Iterable<ClientId> => {
  const found: Array<HashSet.HashSet<ClientId>> = []
  for (const pattern of expand(channel)) {
    const matched = HashMap.get(self, pattern)
    if (Option.isSome(matched)) found.push(matched.value)
  }
  const [first, ...others] = found
  if (first === undefined || others.length === 0) return first ?? []
  const all = new Set(first)
  for (const set of others) for (const clientId of set) all.add(clientId)
  return all
}
