/**
 * Flight recorder: writes all inputs of the machine to two files of bounded size. `Replay` makes the same steps again,
 * `Timeline` tells of them.
 *
 * It is optional. `Bayeux.layer` takes a recorder if there is one where it is built; without one a step costs a comparison.
 * It does not hold up the service: lines that cannot be written are lost to the recording, which says so, and to nobody else.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import * as Options from "../base/Options.ts"
import * as Pseudonymiser from "./Pseudonymiser.ts"
import { Recorder } from "./RecorderService.ts"
import { Recording, type Source } from "./Recording.ts"
import { RecordingFile } from "./RecordingFile.ts"

export type { Redact } from "./Pseudonymiser.ts"
export type { Recording, Source } from "./Recording.ts"
export { Recorder }

const isRedact = (input: unknown): input is Pseudonymiser.Redact => typeof input === "function"

const isFileName = Schema.isMinLength(1, { expected: "the name of a file" })

/** Options of {@link layer}. */
export const RecorderOptions = Schema.Struct({
  /** File of the newest steps; older ones are in the file with `.1` at the end. One service writes to them. */
  file: Schema.String.check(isFileName),
  /** Most bytes of both files together, 64 KiB at least. Default: 64 MiB. */
  maxBytes: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(64 * 1_024))),
  /**
   * Form of client ids, which are secrets. `hashed` (the default) writes a keyed hash, the same in all of the recording, with
   * a key that is never stored; `plain` writes them as `--log-events` prints them.
   */
  clientIds: Schema.optionalKey(Schema.Literals(["hashed", "plain"])),
  /** Replacement of data: `true` writes its kind and length, a function its result. Default: data is written. */
  redact: Schema.optionalKey(
    Schema.Union([
      Schema.Boolean,
      Schema.declare(isRedact, { expected: "a function of a channel and data that gives what is recorded" })
    ])
  )
})
/** Options of {@link layer}. */
export type RecorderOptions = typeof RecorderOptions.Type

const owner = "Recorder.layer"
const invalid = (issue: string) => new Options.OptionsInvalid({ owner, issue })

const open = (file: string) =>
  Effect.tryPromise({
    try: async () => {
      const recordingFile = new RecordingFile(file)
      await recordingFile.open()
      return recordingFile
    },
    catch: (cause) =>
      invalid(`file "${file}" cannot be written (${String(cause)}): name a file in a folder that can be written to`)
  })

const pseudonymiser = ({ clientIds = "hashed", redact = false }: RecorderOptions): Pseudonymiser.Pseudonymiser =>
  Pseudonymiser.make(clientIds, typeof redact === "boolean" ? redact ? Pseudonymiser.measure : undefined : redact)

/** Time between two rounds of writing. */
const round = Duration.millis(100)

/** Time for which the end of the service waits for the disk. */
const flushTimeout = Duration.seconds(5)

/** Makes the recording of a service. It is written in rounds, and to its end when the scope closes or the process ends. */
const run = Effect.fnUntraced(function*(options: RecorderOptions, source: Source) {
  const { maxBytes = 64 * 1_024 * 1_024 } = options
  const runFork = yield* FiberSet.makeRuntime()
  const recording = new Recording(randomUUID(), {
    source,
    recordingFile: yield* open(options.file),
    pseudonymiser: pseudonymiser(options),
    limits: { ofFile: Math.floor(maxBytes / 2), ofMemory: Math.floor(maxBytes / 4) },
    log: (message) => void runFork(Effect.logWarning(message))
  })
  const onExit = () => recording.endNow()
  process.on("exit", onExit)
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => recording.end()).pipe(
      Effect.timeoutOption(flushTimeout),
      Effect.andThen(Effect.sync(() => process.off("exit", onExit)))
    )
  )
  yield* Effect.forkScoped(Effect.repeat(Effect.promise(() => recording.write()), Schedule.spaced(round)))
  return recording
})

const make = Effect.fnUntraced(function*(input: unknown) {
  const options = yield* Options.decode(owner, RecorderOptions, input)
  let isRecording = false
  const begin = Effect.suspend(() => {
    if (isRecording) return Effect.fail(invalid("it records another service already: give each service its own"))
    isRecording = true
    return Effect.void
  })
  return Recorder.of({
    record: (source) =>
      Effect.acquireRelease(begin, () => Effect.sync(() => isRecording = false)).pipe(
        Effect.andThen(run(options, source))
      )
  })
})

/**
 * Provides a recorder for one service, which begins the file anew and keeps the last one with `.1` at the end. Fails with
 * `OptionsInvalid`; so does the service if the file cannot be written.
 */
export const layer = (options: RecorderOptions): Layer.Layer<Recorder, Options.OptionsInvalid> =>
  Layer.effect(Recorder, make(options))
