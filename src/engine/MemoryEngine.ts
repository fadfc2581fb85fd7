/**
 * Engine of a single process: `commit` returns the outcome.
 *
 * It has no copy of sessions and subscriptions but reads those of the service. Its own are the last position, and the
 * marks of publishes that clients may repeat.
 */
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as BayeuxError from "../core/BayeuxError.ts"
import type { Change, CreateSession, Outcome, PublishChange } from "../core/Change.ts"
import type { Pattern } from "../core/Channel.ts"
import * as Message from "../core/Message.ts"
import type * as Session from "../core/Session.ts"
import * as State from "../core/State.ts"
import { type Counts, Engine, EngineError, type Health, type Listener } from "./Engine.ts"
import * as Idempotency from "./Idempotency.ts"

/** Refuses a change of a session that does not exist: all sessions are in this process. */
const unknown = (change: Change): Outcome => ({
  _tag: "Refused",
  change,
  error: BayeuxError.clientUnknown(change.clientId ?? "")
})

/** Outcome of a change of a session that exists. */
const outcomeFor = (
  change: Exclude<Change, CreateSession | PublishChange>,
  { subscriptions }: Session.Session
): Outcome => {
  const has = (pattern: Pattern) => HashSet.has(subscriptions, pattern)
  switch (change._tag) {
    case "Subscribe": {
      const patterns = [...new Set(change.patterns)].filter((pattern) => !has(pattern))
      return { _tag: "Subscribed", change, patterns, isOwn: true }
    }
    case "Unsubscribe":
      return { _tag: "Unsubscribed", change, patterns: [...new Set(change.patterns)].filter(has), isOwn: true }
    case "EndSession":
      return { _tag: "SessionEnded", change, patterns: [...subscriptions], isOwn: true }
    case "Adopt":
    case "Yield":
    case "GiveBack":
      return unknown(change)
  }
}

const countsOf = ({ routes, sessions }: State.State): Counts => ({
  sessions: HashMap.size(sessions),
  subscribers: new Map(Array.from(routes.subscriptions, ([pattern, clientIds]) => [pattern, HashSet.size(clientIds)]))
})

const noCounts: Counts = { sessions: 0, subscribers: new Map() }

const servesAlready = (): EngineError =>
  new EngineError({
    reason:
      "This MemoryEngine already serves a Bayeux service, and it can serve one only: give each service an engine of its own (Layer.fresh(MemoryEngine.layer))"
  })

const keepsNoLog = (): EngineError =>
  new EngineError({
    reason:
      "A MemoryEngine is of one process and keeps no log: take Monitor.events, or a RedisEngine for several processes"
  })

const make = Effect.gen(function*() {
  const health = yield* SubscriptionRef.make<Health>({ status: "up", detail: "in memory", since: 0 })
  const marks = new Map<string, Idempotency.Marks>()
  let position = 0
  let service: Listener | undefined

  const isRepeated = (change: PublishChange, json: string): boolean => {
    const { once } = change
    if (once === undefined) return false
    const known = marks.get(once.key) ?? new Map<number, string>()
    marks.set(once.key, known)
    return Idempotency.isRepeated(known, once, Idempotency.markOf(once, json))
  }

  const publish = (change: PublishChange): Outcome => {
    if (change.once === undefined) return { _tag: "Published", change, position: ++position, isOwn: true }
    const json = Message.write(change)
    return isRepeated(change, json)
      ? { _tag: "Repeated", change }
      : { _tag: "Published", change, position: ++position, isOwn: true, json }
  }

  const carryOut = (change: Change, state: State.State): Outcome => {
    if (change._tag === "Publish") return change.isKnown ? publish(change) : unknown(change)
    if (change._tag === "CreateSession") return { _tag: "SessionCreated", change }
    const session = State.session(state, change.clientId)
    if (session === undefined) return unknown(change)
    if (change._tag === "EndSession") marks.delete(change.clientId)
    return outcomeFor(change, session)
  }

  return Engine.of({
    isShared: false,
    commit: (change) => service && carryOut(change, service.state()),
    listen: (listener) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (service !== undefined) return Effect.fail(servesAlready())
          service = listener
          return Effect.void
        }),
        () => Effect.sync(() => service = undefined)
      ),
    counts: Effect.sync(() => service === undefined ? noCounts : countsOf(service.state())),
    hasSession: (clientId) =>
      Effect.sync(() => service !== undefined && State.session(service.state(), clientId) !== undefined),
    cluster: () => Stream.fail(keepsNoLog()),
    presenceFeed: undefined,
    hasOthers: Effect.succeed(false),
    health
  })
})

/** Provides an engine in the memory of this process, for one service. */
export const layer: Layer.Layer<Engine> = Layer.effect(Engine, make)
