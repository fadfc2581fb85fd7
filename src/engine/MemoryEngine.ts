/**
 * The engine of a single process: an order is a fact at once. What it stores are the counts; everything else lives in
 * the state of the service, and ends with it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as BayeuxError from "../core/BayeuxError.ts"
import type { Change, CreateSession, Outcome, PublishChange } from "../core/Change.ts"
import type { Pattern } from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import * as Message from "../core/Message.ts"
import type * as Retries from "../core/Retries.ts"
import { Engine, EngineError, type Health, type Listener } from "./Engine.ts"
import * as Idempotency from "./Idempotency.ts"

/** All sessions are here: what is not, is not anywhere. */
const unknown = (change: Change): Outcome => ({
  _tag: "Refused",
  change,
  error: BayeuxError.clientUnknown(change.clientId ?? "")
})

const make = Effect.gen(function*() {
  const health = yield* SubscriptionRef.make<Health>({ status: "up", detail: "in memory", since: 0 })
  const sessions = new Map<ClientId, Set<Pattern>>()
  const subscribers = new Map<Pattern, number>()
  const marks = new Map<string, Idempotency.Marks>()
  let position = 0
  let service: Listener | undefined

  const count = (pattern: Pattern, change: 1 | -1): void => {
    const now = (subscribers.get(pattern) ?? 0) + change
    if (now === 0) subscribers.delete(pattern)
    else subscribers.set(pattern, now)
  }

  /** Changes what a session has subscribed to; gives the patterns that were really added or removed. */
  const resubscribe = (own: Set<Pattern>, patterns: Iterable<Pattern>, by: 1 | -1): ReadonlyArray<Pattern> => {
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

  const marksOf = ({ key }: Retries.IdempotencyKey): Idempotency.Marks => {
    const known = marks.get(key)
    if (known !== undefined) return known
    const none: Idempotency.Marks = new Map()
    marks.set(key, none)
    return none
  }

  const publish = (change: PublishChange): Outcome => {
    const { once } = change
    if (once === undefined) return { _tag: "Published", change, position: ++position, isOwn: true }
    const json = Message.write(change)
    return Idempotency.isRepeated(marksOf(once), once, Idempotency.markOf(once, json))
      ? { _tag: "Repeated", change }
      : { _tag: "Published", change, position: ++position, isOwn: true, json }
  }

  const carryOut = (change: Change): Outcome => {
    switch (change._tag) {
      case "Publish":
        return change.isKnown ? publish(change) : unknown(change)
      case "CreateSession":
        sessions.set(change.clientId, new Set())
        return { _tag: "SessionCreated", change }
      case "Subscribe":
      case "Unsubscribe":
      case "EndSession":
      case "Adopt":
      case "Yield":
      case "GiveBack": {
        const own = sessions.get(change.clientId)
        return own === undefined ? unknown(change) : carryOutOf(change, own)
      }
    }
  }

  const carryOutOf = (change: Exclude<Change, CreateSession | PublishChange>, own: Set<Pattern>): Outcome => {
    switch (change._tag) {
      case "Subscribe":
        return { _tag: "Subscribed", change, patterns: resubscribe(own, change.patterns, 1), isOwn: true }
      case "Unsubscribe":
        return { _tag: "Unsubscribed", change, patterns: resubscribe(own, change.patterns, -1), isOwn: true }
      case "EndSession":
        sessions.delete(change.clientId)
        marks.delete(change.clientId)
        return { _tag: "SessionEnded", change, patterns: resubscribe(own, [...own], -1), isOwn: true }
      case "Adopt":
      case "Yield":
      case "GiveBack":
        return unknown(change)
    }
  }

  return Engine.of({
    isShared: false,
    commit: (change) => service?.onOutcome(carryOut(change)),
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
    presenceFeed: undefined,
    hasOthers: Effect.succeed(false),
    health
  })
})

/** Sessions and messages in the memory of this process. */
export const layer: Layer.Layer<Engine> = Layer.effect(Engine, make)
