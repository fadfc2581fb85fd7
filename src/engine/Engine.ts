/**
 * Where sessions and messages are shared: the contract between the running service and what carries out its orders.
 *
 * An engine turns each order into exactly one fact, in the order in which they were committed. In memory that happens
 * within `commit`; an engine that is shared by several processes answers when the order is in store, and tells of
 * messages that other processes accepted. What an order means for sessions, queues and events is not decided here but
 * in the core, once for all engines.
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { ClientId } from "../core/ClientId.ts"
import type { Fact, Order } from "../core/Order.ts"

/** The engine cannot do what it was asked: what happened, and what to do about it. */
export class EngineError extends Schema.TaggedError<EngineError>()("EngineError", {
  reason: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.reason
  }
}

/** Sessions and subscribers of everything that shares the engine. `subscribers` counts the sessions of each pattern. */
export interface Counts {
  readonly sessions: number
  readonly subscribers: ReadonlyMap<string, number>
}

/** What the service needs of an engine. */
export class Engine extends Context.Service<Engine, {
  /** Hands in an order. Never throws: an order that cannot be carried out comes back as `Refused`. */
  readonly commit: (order: Order) => void
  /**
   * Receives all facts for as long as the scope is open. There is one listener, the service; it may commit further
   * orders from within `onFact`.
   */
  readonly listen: (onFact: (fact: Fact) => void) => Effect.Effect<void, EngineError, Scope.Scope>
  /** What is in store now: exact, and over all processes that share the engine. */
  readonly counts: Effect.Effect<Counts, EngineError>
  /** Whether the engine has a session of that name in store. */
  readonly hasSession: (clientId: ClientId) => Effect.Effect<boolean, EngineError>
}>()("effect-bayeux/engine/Engine") {}
