/**
 * The engine of a single process: an order is a fact at once. What it stores are the counts; everything else lives in
 * the state of the service, and ends with it.
 */
import { Effect, Layer, Stream, SubscriptionRef } from "effect"
import * as BayeuxError from "../core/BayeuxError.ts"
import type { Pattern } from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import * as Message from "../core/Message.ts"
import type { CreateSession, Fact, Order, PublishOrder } from "../core/Order.ts"
import type * as Retries from "../core/Retries.ts"
import { Engine, EngineError, type Health, type Listener } from "./Engine.ts"
import * as Once from "./Once.ts"

/** All sessions are here: what is not, is not anywhere. */
const unknown = (order: Order): Fact => ({
  _tag: "Refused",
  order,
  error: BayeuxError.clientUnknown(order.clientId ?? "")
})

const make = Effect.gen(function*() {
  const health = yield* SubscriptionRef.make<Health>({ status: "up", detail: "in memory", since: 0 })
  const sessions = new Map<ClientId, Set<Pattern>>()
  const subscribers = new Map<Pattern, number>()
  const marks = new Map<string, Once.Marks>()
  let position = 0
  let service: Listener | undefined

  const count = (pattern: Pattern, change: 1 | -1): void => {
    const now = (subscribers.get(pattern) ?? 0) + change
    if (now === 0) subscribers.delete(pattern)
    else subscribers.set(pattern, now)
  }

  /** Changes what a session has subscribed to; gives the patterns that were really added or removed. */
  const change = (own: Set<Pattern>, patterns: Iterable<Pattern>, by: 1 | -1): ReadonlyArray<Pattern> => {
    const changed: Array<Pattern> = []
    for (const pattern of patterns) {
      if (own.has(pattern) === (by === 1)) continue
      if (by === 1) own.add(pattern)
      else own.delete(pattern)
      count(pattern, by)
      changed.push(pattern)
    }
    return changed
  }

  const marksOf = ({ key }: Retries.Once): Once.Marks => {
    const known = marks.get(key)
    if (known !== undefined) return known
    const none: Once.Marks = new Map()
    marks.set(key, none)
    return none
  }

  const publish = (order: PublishOrder): Fact => {
    const { once } = order
    if (once === undefined) return { _tag: "Published", order, position: ++position, isOwn: true }
    const json = Message.write(order)
    return Once.isRepeated(marksOf(once), once, Once.markOf(once, json))
      ? { _tag: "Repeated", order }
      : { _tag: "Published", order, position: ++position, isOwn: true, json }
  }

  const carryOut = (order: Order): Fact => {
    switch (order._tag) {
      case "Publish":
        return order.isKnown ? publish(order) : unknown(order)
      case "CreateSession":
        sessions.set(order.clientId, new Set())
        return { _tag: "SessionCreated", order }
      case "Subscribe":
      case "Unsubscribe":
      case "EndSession":
      case "Adopt":
      case "Yield":
      case "GiveBack": {
        const own = sessions.get(order.clientId)
        return own === undefined ? unknown(order) : carryOutOf(order, own)
      }
    }
  }

  const carryOutOf = (order: Exclude<Order, CreateSession | PublishOrder>, own: Set<Pattern>): Fact => {
    switch (order._tag) {
      case "Subscribe":
        return { _tag: "Subscribed", order, patterns: change(own, order.patterns, 1), isOwn: true }
      case "Unsubscribe":
        return { _tag: "Unsubscribed", order, patterns: change(own, order.patterns, -1), isOwn: true }
      case "EndSession":
        sessions.delete(order.clientId)
        marks.delete(order.clientId)
        return { _tag: "SessionEnded", order, patterns: change(own, [...own], -1), isOwn: true }
      case "Adopt":
      case "Yield":
      case "GiveBack":
        return unknown(order)
    }
  }

  return Engine.of({
    isShared: false,
    commit: (order) => service?.onFact(carryOut(order)),
    listen: (listener) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (service !== undefined) {
            return Effect.fail(
              new EngineError({
                reason:
                  "This MemoryEngine already serves a Bayeux service, and it can serve one only: give each service an engine of its own (Layer.fresh(MemoryEngine.layer))"
              })
            )
          }
          service = listener
          return Effect.void
        }),
        () => Effect.sync(() => service = undefined)
      ),
    counts: Effect.sync(() => ({ sessions: sessions.size, subscribers: new Map(subscribers) })),
    hasSession: (clientId) => Effect.sync(() => sessions.has(clientId)),
    cluster: () =>
      Stream.fail(
        new EngineError({
          reason:
            "A MemoryEngine is of one process and keeps no log: take Monitor.events, or a RedisEngine for several processes"
        })
      ),
    attendance: undefined,
    hasOthers: Effect.succeed(false),
    health
  })
})

/** Sessions and messages in the memory of this process. */
export const layer: Layer.Layer<Engine> = Layer.effect(Engine, make)
