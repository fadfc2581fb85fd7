/** Modules that are loaded when an option or a subcommand asks for them: a start should not wait for what it does not use. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** A layer of a module that is loaded when the layer is built. */
export const layer = <M, A, E, R>(
  load: () => Promise<M>,
  from: (module: M) => Layer.Layer<A, E, R>
): Layer.Layer<A, E, R> => Layer.unwrap(Effect.map(Effect.promise(load), from))

/** An effect of a module that is loaded when the effect is run. */
export const effect = <M, A, E, R>(
  load: () => Promise<M>,
  from: (module: M) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => Effect.flatMap(Effect.promise(load), from)
