/**
 * The usual server in one layer: a Node server with all transports, the memory engine and the monitor. Each part can be
 * replaced by an option; to put the parts together yourself use their own layers, as this one does.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Options from "./base/Options.ts"
import type { Engine, EngineError } from "./engine/Engine.ts"
import * as MemoryEngine from "./engine/MemoryEngine.ts"
import * as Monitor from "./monitor/Monitor.ts"
import * as Bayeux from "./service/Bayeux.ts"
import type { Connections } from "./service/Connections.ts"
import * as NodeServer from "./transport/NodeServer.ts"
import * as Transports from "./transport/Transports.ts"

const monitorFields = {
  node: Schema.optionalKey(Schema.NonEmptyString)
}

/**
 * Checks the options that are data.
 *
 * @internal
 */
export const BayeuxServerOptions = Schema.Struct({
  ...NodeServer.NodeServerOptions.fields,
  ...Bayeux.BayeuxOptions.fields,
  ...monitorFields
})

/** Services that every server has. */
export type Services = Bayeux.Bayeux | Connections | Engine | Monitor.Monitor

/** Parts of a server that are layers; each may be left out. `A` is what they provide, `E` how they fail. */
export interface Parts<A = never, E = never> {
  /** Default: `MemoryEngine.layer`. */
  readonly engine?: Layer.Layer<Engine, E>
  /** Default: `Transports.layer`, all of them. */
  readonly transports?: Layer.Layer<never, E, Services>
  /** What is there before the first client comes: extensions, metrics, presence … Its services are provided, too. */
  readonly install?: Layer.Layer<A, E, Services>
}

/** The options of {@link layer} without its parts: those of `NodeServer.layer` and `Bayeux.layer`, and `node`. */
export type ServerOptions = NodeServer.NodeServerOptions & Bayeux.BayeuxOptions & {
  /** Name of this process in its events. Default: the host's name and the process id. */
  readonly node?: string
}

/** The options of {@link layer}; each may be left out. */
export type BayeuxServerOptions<A = never, E = never> = ServerOptions & Parts<A, E>

/** The errors of the usual parts. */
export type BayeuxServerError = EngineError | NodeServer.ServerError | Options.OptionsInvalid

const picked = (fields: object, options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([name]) => name in fields))

/**
 * A listening server. Options that do not exist or make no sense fail with `OptionsInvalid`.
 *
 * ```ts
 * BayeuxServer.layer({ port: 8000, timeout: "30 seconds", install: Bayeux.layerExtensions(authenticate) })
 * ```
 */
export const layer = <A = never, E = never>(
  { createServer, engine, install, transports, ...input }: BayeuxServerOptions<A, E> = {}
): Layer.Layer<A | NodeServer.NodeServer | Services, BayeuxServerError | E> =>
  Layer.unwrap(Effect.map(Options.decode("BayeuxServer.layer", BayeuxServerOptions, input), (options) => {
    const carriers: Layer.Layer<never, E | Options.OptionsInvalid, Services> = transports ?? Transports.layer
    const installed: Layer.Layer<A, E, Services> = install ?? Layer.empty as Layer.Layer<A>
    const shared: Layer.Layer<Engine, E> = engine ?? MemoryEngine.layer
    return NodeServer.layer({
      ...picked(NodeServer.NodeServerOptions.fields, options),
      ...(createServer && { createServer })
    }).pipe(
      Layer.provide(carriers),
      Layer.provideMerge(installed),
      Layer.provideMerge(Bayeux.layer(picked(Bayeux.BayeuxOptions.fields, options))),
      Layer.provideMerge(shared),
      Layer.provideMerge(Monitor.layer(picked(monitorFields, options)))
    )
  }))

/** Options from the variables of the command: those of `NodeServer.config` and of `Bayeux.config`. */
export const config: Config.Config<ServerOptions> = Config.map(
  Config.all([NodeServer.config, Bayeux.config]),
  ([server, bayeux]) => ({ ...server, ...bayeux })
)

/** The server with options from the configuration; by default from the variables of the command ({@link config}). */
export const layerConfig = <A = never, E = never>(
  options: Config.Wrap<ServerOptions> = config,
  parts: Parts<A, E> = {}
): Layer.Layer<A | NodeServer.NodeServer | Services, BayeuxServerError | Config.ConfigError | E> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), (options) => layer({ ...options, ...parts })))
