/**
 * The side of a service that faces transports, servers and telemetry; what applications call is `Bayeux`. `Bayeux.layer`
 * provides both.
 *
 * A transport is offered for as long as its layer lives. A server hands requests to the transports that are offered, and
 * they open a connection for each peer. When a server stops it ends its own connections and no others.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Engine } from "../engine/Engine.ts"
import * as Gauges from "./Gauges.ts"
import type { Probe } from "./Probe.ts"
import type { Shell } from "./Shell.ts"
import type { Open, Transport } from "./Transport.ts"

/** Connections of a running service. */
export class Connections extends Context.Service<Connections, {
  /** Opens a connection, for a peer that a transport has. */
  readonly open: Open
  /** Ends the connections of a server: held connects are answered, written frames leave. */
  readonly end: (owner: object) => Effect.Effect<void>
  /** Offers a transport for as long as the scope is open. */
  readonly addTransport: (transport: Transport) => Effect.Effect<void, never, Scope.Scope>
  /** Transports that are offered now, in the order in which they came. */
  readonly transports: () => ReadonlyArray<Transport>
  /** Installs a probe for as long as the scope is open. */
  readonly addProbe: (probe: Probe) => Effect.Effect<void, never, Scope.Scope>
  /** Numbers of sessions, subscriptions, held connects and queued messages now. */
  readonly gauges: () => Gauges.Gauges
}>()("effect-bayeux/service/Connections") {}

/** Keeps the transports that are offered; the machine offers their connection types. */
const makeTransports = (shell: Shell) => {
  let transports: ReadonlyArray<Transport> = []
  const set = (next: ReadonlyArray<Transport>) =>
    Effect.sync(() => {
      transports = next
      const connectionTypes = [...new Set(next.flatMap((transport) => transport.connectionTypes))]
      shell.step({ _tag: "TransportsChanged", now: shell.now, connectionTypes })
    })
  return {
    list: () => transports,
    add: (transport: Transport) =>
      Effect.acquireRelease(
        Effect.suspend(() => set([...transports, transport])),
        () => Effect.suspend(() => set(transports.filter((other) => other !== transport)))
      )
  }
}

/**
 * Ends the connections of a server. Streams are told whether other processes go on with their sessions; where that cannot
 * be found out in time it is likely, for otherwise the engine would end with this process.
 */
const end = (shell: Shell, engine: Engine["Service"], owner: object): Effect.Effect<void> =>
  Effect.flatMap(
    engine.isShared
      ? engine.hasOthers.pipe(
        Effect.timeoutOrElse({ duration: "500 millis", orElse: () => Effect.succeed(true) }),
        Effect.orElseSucceed(() => true)
      )
      : Effect.succeed(false),
    (goesOn) => Effect.sync(() => shell.endConnections(owner, goesOn))
  )

/**
 * The connections of a shell.
 *
 * @internal
 */
export const make = (shell: Shell, engine: Engine["Service"]): Connections["Service"] => {
  const transports = makeTransports(shell)
  return Connections.of({
    open: (info, sink) => shell.open(info, sink),
    end: (owner) => end(shell, engine, owner),
    addTransport: transports.add,
    transports: transports.list,
    addProbe: (probe) =>
      Effect.acquireRelease(
        Effect.sync(() => shell.watch([...shell.probes, probe])),
        () => Effect.sync(() => shell.watch(shell.probes.filter((other) => other !== probe)))
      ),
    gauges: () => Gauges.of(shell.state)
  })
}
