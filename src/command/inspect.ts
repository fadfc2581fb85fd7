/** `effect-bayeux inspect FILE`: tells the story of a session or of a message. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Printable from "../base/Printable.ts"
import * as Timeline from "../recorder/Timeline.ts"
import * as TimelineText from "../recorder/TimelineText.ts"
import { NoRecording, noRecording } from "./replay.ts"

interface Options {
  readonly file: string
  readonly client: Option.Option<string>
  readonly message: Option.Option<number>
  readonly json: boolean
}

const subjectOf = ({ client, message }: Options): Timeline.Subject | undefined => {
  if (Option.isSome(client) === Option.isSome(message)) return undefined
  return Option.isSome(client) ? { clientId: client.value } : { sequence: Option.getOrElse(message, () => 0) }
}

const print = (told: Timeline.Line, isJson: boolean, isNamed: boolean): Effect.Effect<void> => {
  if (!("clientId" in told)) return Console.error(TimelineText.print(told))
  return Console.log(isJson ? Printable.json(told) : TimelineText.print(told, isNamed))
}

/** Prints the timeline of a session or of a message. */
export const inspect = Effect.fnUntraced(function*(options: Options) {
  const subject = subjectOf(options)
  if (subject === undefined) {
    return yield* new NoRecording({ reason: "Say whose story it is to be: give either --client or --message" })
  }
  const happened = yield* Timeline.run(options.file, subject).pipe(
    Stream.tap((told) => print(told, options.json, "sequence" in subject)),
    Stream.filter((told) => "clientId" in told),
    Stream.runCount,
    Effect.mapError(noRecording)
  )
  if (happened === 0) {
    yield* Console.error(
      "clientId" in subject
        ? `There is no session "${subject.clientId}" in it: give the name that it has in the recording, which is a hash ` +
          "of its client id unless ids were recorded as they are. effect-bayeux replay shows them"
        : `There is no publish with the number ${subject.sequence} in it: effect-bayeux replay shows them`
    )
  }
})
