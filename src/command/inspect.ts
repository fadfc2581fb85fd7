/** `effect-bayeux inspect FILE`: prints the timeline of a session or of a message. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Printable from "../base/Printable.ts"
import * as Timeline from "../recorder/Timeline.ts"
import * as TimelineText from "../recorder/TimelineText.ts"
import { NotReplayable, notReplayable } from "./replay.ts"

interface InspectOptions {
  readonly file: string
  readonly client: Option.Option<string>
  readonly message: Option.Option<number>
  readonly json: boolean
}

const subjectOf = ({ client, message }: InspectOptions): Timeline.Subject | undefined => {
  if (Option.isSome(client) === Option.isSome(message)) return undefined
  return Option.isSome(client) ? { clientId: client.value } : { sequence: Option.getOrElse(message, () => 0) }
}

const print = (entry: Timeline.Line, isJson: boolean, isNamed: boolean): Effect.Effect<void> => {
  if (!("clientId" in entry)) return Console.error(TimelineText.print(entry))
  return Console.log(isJson ? Printable.json(entry) : TimelineText.print(entry, isNamed))
}

/** Prints the timeline of a session or of a message. */
export const inspect = Effect.fnUntraced(function*(options: InspectOptions) {
  const subject = subjectOf(options)
  if (subject === undefined) {
    return yield* new NotReplayable({ reason: "No session or message is given: give either --client or --message" })
  }
  const count = yield* Timeline.run(options.file, subject).pipe(
    Stream.tap((entry) => print(entry, options.json, "sequence" in subject)),
    Stream.filter((entry) => "clientId" in entry),
    Stream.runCount,
    Effect.mapError(notReplayable)
  )
  if (count === 0) {
    yield* Console.error(
      "clientId" in subject
        ? `The recording has no session "${subject.clientId}": give its name in the recording, which is a hash of its ` +
          "client id unless --record-plain was given. effect-bayeux replay prints the names"
        : `The recording has no publish with the number ${subject.sequence}: effect-bayeux replay prints the numbers`
    )
  }
})
