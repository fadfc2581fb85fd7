/**
 * Contract between a service and its recorder, apart from the recorder: a service asks for one when it begins, and loads
 * nothing of it where there is none.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { OptionsInvalid } from "../base/Options.ts"
import type { Recording, Source } from "./Recording.ts"

/** Recorder of a service. */
export class Recorder extends Context.Service<Recorder, {
  /** Records a service until the scope closes. Fails with `OptionsInvalid` if another one is recorded. For the service. */
  readonly record: (source: Source) => Effect.Effect<Recording, OptionsInvalid, Scope.Scope>
}>()("effect-bayeux/monitor/Recorder") {}
