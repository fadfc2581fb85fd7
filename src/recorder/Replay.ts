/**
 * Replays a recording: each input goes through the same pure machine, and the outputs are compared with those that were
 * recorded. No socket, engine or clock takes part.
 *
 * Where steps are missing (they could not be written, or the file was damaged) the replay says so, and continues with the
 * next state of the recording. It stops at the first difference, because all that follows would be of another service.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { existsSync } from "node:fs"
import type { Change, Outcome } from "../core/Change.ts"
import type { Input } from "../core/Input.ts"
import * as Machine from "../core/Machine.ts"
import type { MonitorEvent } from "../core/MonitorEvent.ts"
import type { Output } from "../core/Output.ts"
import type { State } from "../core/State.ts"
import * as Decoder from "./Decoder.ts"
import * as Digest from "./Digest.ts"
import * as Line from "./Line.ts"
import * as Reader from "./Reader.ts"
import { Restoring } from "./StateLines.ts"

/** Failure of a file that has no recording, or one of another format. */
export class NotARecording extends Schema.TaggedError<NotARecording>()("BayeuxNotARecording", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.file} is not a recording: ${this.reason}`
  }
}

/** Step that had the same outputs again. `at` is its time, in milliseconds since the epoch. */
export interface Step {
  readonly _tag: "Step"
  readonly step: number
  readonly at: number
  readonly input: Input
  readonly before: State
  readonly after: State
  readonly outputs: ReadonlyArray<Output>
  /** Its events, as monitors got them. */
  readonly events: ReadonlyArray<MonitorEvent>
}

/** Steps from `from` to `to`, both included, that are not in the recording. */
export interface Hole {
  readonly _tag: "Hole"
  readonly from: number
  readonly to: number
  readonly reason: string
}

/** Lines of a file that are not as they were written, or not of a recording. Steps are missing until the next state. */
export type Damage = Reader.Damage

/** Step that had other outputs than in the recording. */
export interface Difference {
  readonly _tag: "Difference"
  readonly step: number
  readonly at: number
  readonly place: Reader.Place
  readonly input: Input
  /** Outputs of the replay, undefined if the machine failed. */
  readonly outputs: ReadonlyArray<Output> | undefined
}

/** End of a replay. `isWhole` says that the recording ends with the service; else its process was killed, or still runs. */
export interface End {
  readonly _tag: "End"
  readonly steps: number
  readonly isWhole: boolean
}

/** Event of a replay. */
export type ReplayEvent = Step | Hole | Damage | Difference | End

/** Options of a replay. */
export interface ReplayOptions {
  /** Number of an event: the step that emitted it is the last one. */
  readonly until?: number
}

/** Machine in the middle of a replay. */
interface Running {
  state: State
  step: number
  readonly header: Line.Header
  readonly committed: Map<number, Change>
}

const check = (file: string): { readonly run: string } => {
  const refuse = (reason: string) => new NotARecording({ file, reason })
  if (!existsSync(file)) throw refuse("there is no such file")
  const header = Reader.header(file)
  if (header === undefined) throw refuse("it does not begin as one")
  if (header.format !== Line.format) {
    throw refuse(`its format is "${String(header.format)}", and this version reads "${Line.format}"`)
  }
  return header
}

/** Returns the older file first, if it is of the same run. */
const filesOf = (file: string): ReadonlyArray<string> => {
  const { run } = check(file)
  const older = `${file}.1`
  return existsSync(older) && Reader.header(older)?.run === run ? [older, file] : [file]
}

/** Takes the lines of a recording, and yields the events of its replay. */
class Replay {
  #running: Running | undefined
  #restoring: Restoring | undefined
  /** Lines of steps that were recorded while a state was being written. */
  #held: Array<Reader.Checked> = []
  steps = 0
  isWhole = false
  isOver = false

  #stop(): void {
    this.#running = undefined
    this.#restoring = undefined
    this.#held = []
  }

  *take(read: Reader.Checked | Reader.Damage): Generator<ReplayEvent> {
    if (read._tag === "Damage") {
      this.#stop()
      return yield read
    }
    const { line } = read
    switch (line[1]) {
      case "Begin":
        return yield* this.#begin(line)
      case "Message":
      case "Session":
      case "Change":
        return void this.#restoring?.take(line)
      case "Begun":
        return yield* this.#begun(line)
      case "Hole":
        this.#stop()
        return yield { _tag: "Hole", from: Number(line[2]), to: line[0], reason: line[3] as string }
      case "End":
        this.isWhole = true
        return
      default:
        if (this.#restoring !== undefined) this.#held.push(read)
        else if (this.#running !== undefined) yield* this.#step(read, this.#running)
    }
  }

  /** Begins with a state. One that the replay has reached by itself need not be read. */
  *#begin([step, , json]: Line.Line): Generator<ReplayEvent> {
    const running = this.#running
    const header = json as unknown as Line.Header
    if (running?.step === step && running.header.run === header.run) return
    if (running !== undefined) yield this.#missing(running, step)
    this.#stop()
    this.#restoring = new Restoring(header)
  }

  *#begun(line: Line.Line): Generator<ReplayEvent> {
    const state = this.#restoring?.take(line)
    if (this.#restoring === undefined || state === undefined) return
    const { header, committed } = this.#restoring
    this.#running = { state, step: line[0], header, committed }
    this.#restoring = undefined
    const held = this.#held
    this.#held = []
    for (const read of held) yield* this.take(read)
  }

  #missing({ step }: Running, to: number): Hole {
    return { _tag: "Hole", from: step + 1, to, reason: "lines are missing" }
  }

  *#step({ line, place }: Reader.Checked, running: Running): Generator<ReplayEvent> {
    if (line[0] !== running.step + 1) {
      this.#stop()
      return yield this.#missing(running, line[0] - 1)
    }
    const recorded = Decoder.decode(line, running.committed)
    if (recorded === undefined) {
      this.#stop()
      return yield { _tag: "Damage", file: place.file, from: place.line, to: place.line }
    }
    const before = running.step
    const { hasFailed, steps } = again(running, recorded)
    const digest = hasFailed ? null : steps.reduce((sum, { outputs }) => (sum + digestOf(outputs)) | 0, 0)
    if (digest !== recorded.digest) {
      const { at, input, step } = recorded
      this.isOver = true
      const outputs = hasFailed ? undefined : steps.flatMap((step) => step.outputs)
      return yield { _tag: "Difference", step, at, place, input, outputs }
    }
    this.steps += running.step - before
    yield* steps
  }
}

const digestOf = (outputs: ReadonlyArray<Output>): number => Digest.of(outputs, (clientId) => clientId)

/** Takes the steps of a line again, as far as the machine does not fail. */
const again = (
  running: Running,
  recorded: Decoder.Recorded
): { readonly steps: ReadonlyArray<Step>; readonly hasFailed: boolean } => {
  const { at, committed, input, outcomes, sequence, step: first } = recorded
  if (committed !== undefined) running.committed.delete(committed)
  const steps: Array<Step> = []
  let last = sequence
  const take = (input: Input): ReadonlyArray<Output> => {
    const step = running.step += 1
    const before = running.state
    const { outputs, state: after } = Machine.reduce(before, input)
    running.state = after
    const events = eventsOf(outputs, last, at, running)
    last += events.length
    steps.push({ _tag: "Step", step, at, input, before, after, outputs, events })
    return outputs
  }
  try {
    let outputs = take(input)
    for (const fields of outcomes) {
      const outcome = { ...fields, change: Line.onlyChange(outputs) } as unknown as Outcome
      outputs = take({ _tag: "Happened", now: at, outcome })
    }
    for (const output of outputs) {
      if (output._tag === "Commit" && output.change.origin !== undefined) running.committed.set(first, output.change)
    }
    return { steps, hasFailed: false }
  } catch {
    return { steps, hasFailed: true }
  }
}

const eventsOf = (
  outputs: ReadonlyArray<Output>,
  last: number,
  at: number,
  { header: { node } }: Running
): ReadonlyArray<MonitorEvent> => {
  let sequence = last
  return outputs.flatMap((output) =>
    output._tag === "Emit" ? [{ ...output.event, sequence: ++sequence, at, node }] : []
  )
}

const reached = (event: ReplayEvent, until: number): boolean =>
  event._tag === "Step" && (event.events.at(-1)?.sequence ?? 0) >= until

const eventsIn = function*(replay: Replay, file: string): Generator<ReplayEvent> {
  for (const path of filesOf(file)) for (const read of Reader.read(path)) yield* replay.take(read)
}

/** Yields the events of a replay; the last one is an `End`. Throws `NotARecording`. */
export const events = function*(file: string, { until = Infinity }: ReplayOptions = {}): Generator<ReplayEvent> {
  const replay = new Replay()
  for (const event of eventsIn(replay, file)) {
    yield event
    if (replay.isOver || reached(event, until)) break
  }
  yield { _tag: "End", steps: replay.steps, isWhole: replay.isWhole }
}

/** Opens a recording: the only item has the events of its replay, which goes on as they are taken. For timelines. */
export const open = (file: string, options?: ReplayOptions): Stream.Stream<Iterable<ReplayEvent>, NotARecording> =>
  Stream.fromEffect(Effect.try({
    try: () => {
      check(file)
      return events(file, options)
    },
    catch: (error) => error as NotARecording
  }))

/**
 * Streams the replay of a recording: of `FILE.1` and `FILE` if both are of the same run, else of `FILE`. The last event is an
 * `End`. Fails with `NotARecording`.
 */
export const run = (file: string, options?: ReplayOptions): Stream.Stream<ReplayEvent, NotARecording> =>
  open(file, options).pipe(Stream.flatMap(Stream.fromIterable))
