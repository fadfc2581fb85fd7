/**
 * Where sessions and messages are shared: the contract between the running service and what carries out its orders.
 *
 * An engine turns each order into exactly one fact, in the order in which they were committed. In memory that happens
 * within `commit`; an engine that is shared by several processes answers when the order is in store, and tells of
 * messages that other processes accepted. What an order means for sessions, queues and events is not decided here but
 * in the core, once for all engines.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type { Change, Outcome } from "../core/Change.ts"
import type { ClientId } from "../core/ClientId.ts"
import type * as PresenceState from "../core/folds/PresenceState.ts"
import type { Event } from "../core/MonitorEvent.ts"
import type { State } from "../core/State.ts"

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

/** Whether the engine can do its work now: `since` when (milliseconds since the epoch), and what there is to say of it. */
export interface Health {
  readonly status: "up" | "down"
  readonly detail: string
  readonly since: number
}

/** Where an event stands in the log of an engine that is shared, as text: a consumer that has it goes on behind it. */
export interface LogPosition {
  readonly position: string
  /** In milliseconds since the epoch, by the clock of the store. */
  readonly at: number
  /** The process that has handled it. */
  readonly node: string
}

/** An event of any process that shares the engine. */
export type ClusterEvent = Event & LogPosition

/** What an engine may know of the service that listens to it. */
export interface Listener {
  readonly onOutcome: (outcome: Outcome) => void
  /** What the service knows now. */
  readonly state: () => State
  /**
   * The sessions of which messages have left the state and are not certain to have left the process, each with the lowest
   * position of these, or `Infinity`. If it comes out that their client has not read them they are in the state again. A
   * session may be told several times.
   */
  readonly unconfirmed: () => Iterable<readonly [clientId: ClientId, position: number]>
}

/** What the service needs of an engine. */
export class Engine extends Context.Service<Engine, {
  /** Whether sessions outlive this process, because others can go on with them. */
  readonly isShared: boolean
  /** Hands in an order. Never throws: an order that cannot be carried out comes back as `Refused`. */
  readonly commit: (change: Change) => void
  /**
   * Receives all facts for as long as the scope is open. There is one listener, the service; it may commit further
   * orders from within `onFact`. When the scope ends, what was ordered before is carried out and told first.
   */
  readonly listen: (listener: Listener) => Effect.Effect<void, EngineError, Scope.Scope>
  /** What is in store now: exact, and over all processes that share the engine. */
  readonly counts: Effect.Effect<Counts, EngineError>
  /** Whether the engine has a session of that name in store. */
  readonly hasSession: (clientId: ClientId) => Effect.Effect<boolean, EngineError>
  /**
   * Every event of all processes that share the engine, each once and in one order, from now on or behind a position. An
   * engine that is not shared has none but those of `Monitor.events`, and fails.
   */
  readonly cluster: (from?: string) => Stream.Stream<ClusterEvent, EngineError>
  /**
   * Who is there, over all processes that share the engine: a reading, with what has ended in the last milliseconds, as
   * many as the grace period has; then what happens behind it, in the order of the log and with its times; and `Passed`
   * again and again, so that time is known to pass where nothing happens. Where something may have been missed there is
   * a new reading. The stream outlives whatever becomes of the connection. An engine that is not shared has none: the
   * monitor of its service tells all.
   */
  readonly presenceFeed: ((gracePeriod: number) => Stream.Stream<PresenceState.PresenceInput>) | undefined
  /** Whether other processes share the engine at present, and could go on with the sessions of this one. */
  readonly hasOthers: Effect.Effect<boolean, EngineError>
  readonly health: SubscriptionRef.SubscriptionRef<Health>
}>()("effect-bayeux/engine/Engine") {}
