/**
 * Recovery after the store may have lost something: the sessions of the service are compared with those in the store.
 *
 * A session that the store does not know as it is ends. One that this process owns in the store and does not have, because
 * it has gone elsewhere or ended since, comes back from where it was then.
 */
import * as Effect from "effect/Effect"
import type { ClientId } from "../../core/ClientId.ts"
import type { State } from "../../core/State.ts"
import type { Listener } from "../Engine.ts"
import type { LogState } from "./LogState.ts"
import type * as RedisConnection from "./RedisConnection.ts"
import * as Store from "./Store.ts"

/** Number of sessions that are compared at once. */
const most = 500

/** Surroundings of a recovery. */
export interface Parts {
  readonly listener: Listener
  readonly logState: LogState
  readonly now: () => number
  /** Ends a session that is lost. */
  readonly lose: (clientId: ClientId) => void
}

/** Compares all sessions, and makes the service agree with the store. */
export const run = Effect.fnUntraced(
  function*(commands: RedisConnection.Connection, { listener, logState, lose, now }: Parts) {
    const sessions = [...sessionsIn(listener.state())]
    const own = new Set(sessions.map(([clientId]) => clientId))
    for (let i = 0; i < Math.max(1, sessions.length); i += most) {
      const some = sessions.slice(i, i + most)
      const clientIds = some.map(([clientId]) => clientId)
      const { found, local, remote } = yield* Store.compare(commands, logState.name, clientIds)
      some.forEach(([clientId, patterns], j) => {
        const inStore = found[j]
        if (inStore?.isOwned === false) return listener.onOutcome(logState.release(clientId))
        if (inStore === undefined || !isSame(patterns, inStore.patterns)) return lose(clientId)
        logState.keep(clientId, inStore.generation)
      })
      if (i > 0) continue
      for (const clientId of remote) if (!own.has(clientId)) logState.reclaim(clientId, now())
      for (const clientId of local) if (!own.has(clientId)) lose(clientId)
    }
  }
)

const sessionsIn = function*(state: State): Generator<readonly [clientId: ClientId, patterns: ReadonlySet<string>]> {
  for (const [clientId, { subscriptions }] of state.sessions) yield [clientId, new Set(subscriptions)]
}

const isSame = (patterns: ReadonlySet<string>, inStore: ReadonlyArray<string>): boolean =>
  inStore.length === patterns.size && inStore.every((pattern) => patterns.has(pattern))
