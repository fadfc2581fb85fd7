/**
 * Contract between the running service and the engine that carries out its changes.
 *
 * Each change that is committed gets exactly one outcome. In memory `commit` returns it; an engine that several processes
 * share tells it later, when the change is in store, together with the outcomes of other processes' changes. The meaning
 * of a change for sessions, queues and events is not decided here but in the core, once for all engines.
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

/** Failure of an engine. `reason` says what happened and what to do about it. */
export class EngineError extends Schema.TaggedError<EngineError>()("BayeuxEngineError", {
  reason: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.reason
  }
}

/** Number of sessions, and of subscribed sessions by pattern, over all processes that share the engine. */
export interface Counts {
  readonly sessions: number
  readonly subscribers: ReadonlyMap<string, number>
}

/** State of an engine: `up` if it can carry out changes, `since` in milliseconds since the epoch, `detail` for people. */
export interface Health {
  readonly status: "up" | "down"
  readonly detail: string
  readonly since: number
}

/** Place of an event in the log of a shared engine. */
export interface LogPosition {
  /** Text after which a consumer can continue (`Engine.cluster`). */
  readonly position: string
  /** Milliseconds since the epoch, by the clock of the store. */
  readonly at: number
  /** Name of the process that handled it. */
  readonly node: string
}

/** Event of any process that shares the engine. */
export type ClusterEvent = Event & LogPosition

/** Service that an engine works for. */
export interface Listener {
  /** Receives each outcome that `commit` has not returned. */
  readonly onOutcome: (outcome: Outcome) => void
  /** Returns the state of the service as it is now. */
  readonly state: () => State
  /**
   * Returns the sessions with messages that have left the state but perhaps not the process, each with the lowest position
   * of these messages or `Infinity`. Messages that turn out to be unread return to the state. A session may appear several
   * times.
   */
  readonly unconfirmed: () => Iterable<readonly [clientId: ClientId, position: number]>
}

/** Engine of a service. */
export class Engine extends Context.Service<Engine, {
  /** Whether sessions outlive this process, because others can go on with them. */
  readonly isShared: boolean
  /**
   * Carries out a change, or begins to. Returns the outcome if it is known at once: in memory it always is, a shared engine
   * returns no more than refusals. Any other outcome follows by `Listener.onOutcome`, in the order of the commits. Never
   * throws: a change that cannot be carried out has the outcome `Refused`.
   */
  readonly commit: (change: Change) => Outcome | undefined
  /**
   * Serves a service until the scope closes; changes that were committed before are carried out and told first. There is
   * one listener, and it may commit further changes from within `onOutcome`. Fails with `EngineError` if the engine serves
   * a service already, or cannot begin.
   */
  readonly listen: (listener: Listener) => Effect.Effect<void, EngineError, Scope.Scope>
  /** Counts of the store as it is now, exact. */
  readonly counts: Effect.Effect<Counts, EngineError>
  /** Whether there is a session of that name, in whatever process. */
  readonly hasSession: (clientId: ClientId) => Effect.Effect<boolean, EngineError>
  /**
   * Every event of all processes that share the engine, each once and in one order, from now on or after a position. Fails
   * in an engine that is not shared, whose events are those of `Monitor.events`, and where the position cannot be
   * continued from.
   */
  readonly cluster: (from?: string) => Stream.Stream<ClusterEvent, EngineError>
  /**
   * Inputs of presence over all processes that share the engine, for a grace period in milliseconds: a `PresenceSnapshot` of the
   * store, with the sessions that ended within the grace period; then the events after it, in the order of the log and with
   * its times; and `TimePassed` repeatedly, so that time passes where nothing happens. Where something may have been missed a
   * new `PresenceSnapshot` follows. The stream survives broken connections. Undefined in an engine that is not shared, where the
   * monitor of the service has all events.
   */
  readonly presenceFeed: ((gracePeriod: number) => Stream.Stream<PresenceState.PresenceInput>) | undefined
  /** Whether other processes share the engine now and could continue the sessions of this one. */
  readonly hasOthers: Effect.Effect<boolean, EngineError>
  readonly health: SubscriptionRef.SubscriptionRef<Health>
}>()("effect-bayeux/engine/Engine") {}
