/**
 * Checks of the options of layers, at their construction. An unknown option or a wrong value is an error that names the
 * option, the rule and the mend.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Error: options that are not valid. `owner` is the layer, `issue` the description. */
export class OptionsInvalid extends Schema.TaggedError<OptionsInvalid>()("BayeuxOptionsInvalid", {
  owner: Schema.String,
  issue: Schema.String
}) {
  override get message() {
    return `The options of ${this.owner} are not valid: ${this.issue}`
  }
}

const isDuration = (input: unknown): input is Duration.Input =>
  Option.match(Duration.fromInput(input as Duration.Input), {
    onNone: () => false,
    onSome: (duration) => Duration.isFinite(duration) && Duration.toMillis(duration) >= 0
  })

/** A time: `"45 seconds"`, a number of milliseconds or a `Duration`. */
export const Time: Schema.declare<Duration.Input> = Schema.declare(isDuration, {
  expected: "a time that is not negative, such as \"45 seconds\" or a number of milliseconds"
})

/** A time above 0. */
export const PositiveTime: Schema.declare<Duration.Input> = Schema.declare(
  (input): input is Duration.Input => isDuration(input) && Duration.toMillis(Duration.fromInputUnsafe(input)) > 0,
  { expected: "a time above 0, such as \"45 seconds\" or a number of milliseconds" }
)

/** A whole number from 1. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** Decodes options by a schema. Unknown fields and wrong values fail with `OptionsInvalid`. */
export const decode = <S extends Schema.ConstraintDecoder<unknown>>(
  owner: string,
  schema: S,
  options: unknown
): Effect.Effect<S["Type"], OptionsInvalid> => {
  const decoded = Schema.decodeUnknownResult(schema, {
    errors: "all",
    onExcessProperty: "error",
    reportInput: true
  })(options)
  return Result.isSuccess(decoded)
    ? Effect.succeed(decoded.success)
    : Effect.fail(new OptionsInvalid({ owner, issue: decoded.failure.message }))
}
