/**
 * The engine of a single process: an order is a fact at once. What it stores are the counts; everything else lives in
 * the state of the service, and ends with it.
 */
import { Effect, Layer } from "effect"
import type { Pattern } from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import type { Fact, Order } from "../core/Order.ts"
import { Engine, EngineError } from "./Engine.ts"

const make = Effect.sync(() => {
  const sessions = new Map<ClientId, Set<Pattern>>()
  const subscribers = new Map<Pattern, number>()
  let position = 0
  let listener: ((fact: Fact) => void) | undefined

  const count = (pattern: Pattern, change: 1 | -1): void => {
    const now = (subscribers.get(pattern) ?? 0) + change
    if (now === 0) subscribers.delete(pattern)
    else subscribers.set(pattern, now)
  }

  const subscribe = (clientId: ClientId, patterns: Iterable<Pattern>): void => {
    const own = sessions.get(clientId)
    if (own === undefined) return
    for (const pattern of patterns) {
      if (own.has(pattern)) continue
      own.add(pattern)
      count(pattern, 1)
    }
  }

  const unsubscribe = (clientId: ClientId, patterns: Iterable<Pattern>): void => {
    const own = sessions.get(clientId)
    for (const pattern of patterns) if (own?.delete(pattern) === true) count(pattern, -1)
  }

  const carryOut = (order: Order): Fact => {
    switch (order._tag) {
      case "Publish":
        return { _tag: "Published", order, position: ++position }
      case "CreateSession":
        sessions.set(order.clientId, new Set())
        return { _tag: "SessionCreated", order }
      case "Subscribe":
        subscribe(order.clientId, order.patterns)
        return { _tag: "Subscribed", order }
      case "Unsubscribe":
        unsubscribe(order.clientId, order.patterns)
        return { _tag: "Unsubscribed", order }
      case "EndSession":
        unsubscribe(order.clientId, [...sessions.get(order.clientId) ?? []])
        sessions.delete(order.clientId)
        return { _tag: "SessionEnded", order }
    }
  }

  return Engine.of({
    commit: (order) => listener?.(carryOut(order)),
    listen: (onFact) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (listener !== undefined) {
            return Effect.fail(
              new EngineError({
                reason:
                  "This MemoryEngine already serves a Bayeux service, and it can serve one only: give each service an engine of its own (Layer.fresh(MemoryEngine.layer))"
              })
            )
          }
          listener = onFact
          return Effect.void
        }),
        () => Effect.sync(() => listener = undefined)
      ),
    counts: Effect.sync(() => ({ sessions: sessions.size, subscribers: new Map(subscribers) })),
    hasSession: (clientId) => Effect.sync(() => sessions.has(clientId))
  })
})

/** Sessions and messages in the memory of this process. */
export const layer: Layer.Layer<Engine> = Layer.effect(Engine, make)
