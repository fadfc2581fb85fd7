/**
 * `effect-bayeux replay FILE`: runs a recording again. The events go to standard output as `--log-events` prints them,
 * everything else to standard error.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Printable from "../base/Printable.ts"
import * as Replay from "../recorder/Replay.ts"
import * as TimelineText from "../recorder/TimelineText.ts"

/** Error: the recording is not complete, or its replay differs (exit code 1). The details are printed before. */
class ReplayDiffers extends Schema.TaggedError<ReplayDiffers>()("ReplayDiffers", {}) {
  override readonly [Runtime.errorExitCode] = 1
}

/** Error: the file cannot be read as a recording (exit code 2). */
export class NotReplayable extends Schema.TaggedError<NotReplayable>()("NotReplayable", { reason: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
  override get message() {
    return this.reason
  }
}

export const notReplayable = ({ message }: Replay.NotARecording): NotReplayable =>
  new NotReplayable({ reason: message })

const print = (output: Replay.ReplayEvent, until: number): Effect.Effect<void> => {
  if (output._tag !== "Step") return Console.error(TimelineText.printRest(output))
  const events = output.events.filter(({ sequence }) => sequence <= until)
  return events.length === 0 ? Effect.void : Console.log(events.map((event) => Printable.json(event)).join("\n"))
}

const isDifference = ({ _tag }: Replay.ReplayEvent): boolean => _tag !== "Step" && _tag !== "End"

/** Replays a recording up to the event with this number. */
export const replay = Effect.fnUntraced(function*(file: string, until: number) {
  const differences = yield* Replay.run(file, { until }).pipe(
    Stream.tap((output) => print(output, until)),
    Stream.filter(isDifference),
    Stream.runCount,
    Effect.mapError(notReplayable)
  )
  if (differences > 0) return yield* new ReplayDiffers()
})
