/** Modules that are loaded when an option or a subcommand needs them, so that the command starts fast. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Loads a module when the layer is built, and provides a layer of it. */
export const layer = <M, A, E, R>(
  load: () => Promise<M>,
  from: (module: M) => Layer.Layer<A, E, R>
): Layer.Layer<A, E, R> => Layer.unwrap(Effect.map(Effect.promise(load), from))

/** Loads a module when the effect is run, and runs an effect of it. */
export const effect = <M, A, E, R>(
  load: () => Promise<M>,
  from: (module: M) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => Effect.flatMap(Effect.promise(load), from)
