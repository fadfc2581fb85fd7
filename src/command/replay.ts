/**
 * `effect-bayeux replay FILE`: makes what was recorded happen again. The events go to standard output as `--log-events`
 * prints them, everything else to standard error.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Printable from "../base/Printable.ts"
import * as Replay from "../recorder/Replay.ts"
import * as TimelineText from "../recorder/TimelineText.ts"

/** The recording is not complete, or what came out was not the same: exit code 1. It has been told already. */
class NotTheSame extends Schema.TaggedError<NotTheSame>()("NotTheSame", {}) {
  override readonly [Runtime.errorExitCode] = 1
}

/** There is nothing to replay: exit code 2. */
export class NoRecording extends Schema.TaggedError<NoRecording>()("NoRecording", { reason: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
  override get message() {
    return this.reason
  }
}

export const noRecording = ({ message }: Replay.NotARecording): NoRecording => new NoRecording({ reason: message })

const print = (told: Replay.ReplayEvent, until: number): Effect.Effect<void> => {
  if (told._tag !== "Step") return Console.error(TimelineText.printRest(told))
  const events = told.events.filter(({ sequence }) => sequence <= until)
  return events.length === 0 ? Effect.void : Console.log(events.map((event) => Printable.json(event)).join("\n"))
}

const isFlaw = ({ _tag }: Replay.ReplayEvent): boolean => _tag !== "Step" && _tag !== "End"

/** Replays a recording up to the event of that number. */
export const replay = Effect.fnUntraced(function*(file: string, until: number) {
  const flaws = yield* Replay.run(file, { until }).pipe(
    Stream.tap((told) => print(told, until)),
    Stream.filter(isFlaw),
    Stream.runCount,
    Effect.mapError(noRecording)
  )
  if (flaws > 0) return yield* new NotTheSame()
})
