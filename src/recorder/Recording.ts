/**
 * Recording of a running service: it takes the steps, and sees to it that each of the two files, and what follows after a
 * hole, begins with a state.
 *
 * Nothing here may hurt delivery. Steps that come faster than they can be written, or while the disk is full, are left out.
 * When there is room again the hole is written, and a state after it.
 */
import type { Outcome } from "../core/Change.ts"
import type { Input } from "../core/Input.ts"
import type { Output } from "../core/Output.ts"
import type { State } from "../core/State.ts"
import { Encoder, type Entry } from "./Encoder.ts"
import * as Line from "./Line.ts"
import type * as Pseudonymiser from "./Pseudonymiser.ts"
import type { Loss, RecordingFile } from "./RecordingFile.ts"
import * as StateLines from "./StateLines.ts"

/** Service that is recorded. */
export interface Source {
  readonly node: string
  /** Returns the number of the last event. */
  readonly sequence: () => number
  readonly state: () => State
  readonly now: () => number
}

/** Bounds of a recording. */
export interface Limits {
  /** Most bytes of a file. */
  readonly ofFile: number
  /** Most bytes that wait to be written. */
  readonly ofMemory: number
}

/** Reasons of holes, with what to do about them. */
const reasons = {
  slow: "it could not be written as fast as it came: record to a faster disk",
  full: "it did not fit into a file: let the recording have more bytes"
} as const

/** Milliseconds for which lines of a state are written without a turn for anything else. */
const slice = 1

/** Share of its bytes at which a file is full: the rest is for the turn. */
const fullAt = 0.75

/** Rounds between a failure and the next attempt, first and longest; they double each time. */
const pauses = [10, 600] as const

/** Whether an outcome is that of the only change of the last step. */
const isNext = ({ outputs }: Entry, outcome: Outcome): boolean =>
  "change" in outcome && Line.onlyChange(outputs.at(-1) ?? []) === outcome.change

/** Recording of a service. */
export class Recording {
  readonly #run: string
  readonly #source: Source
  readonly #recordingFile: RecordingFile
  readonly #pseudonymiser: Pseudonymiser.Pseudonymiser
  readonly #limits: Limits
  readonly #encoder: Encoder
  readonly #log: (message: string) => void
  /** Number of the last step. */
  #last = 0

  constructor(
    run: string,
    parts: {
      readonly source: Source
      readonly recordingFile: RecordingFile
      readonly pseudonymiser: Pseudonymiser.Pseudonymiser
      readonly limits: Limits
      readonly log: (message: string) => void
    }
  ) {
    this.#run = run
    this.#source = parts.source
    this.#recordingFile = parts.recordingFile
    this.#pseudonymiser = parts.pseudonymiser
    this.#limits = parts.limits
    this.#log = parts.log
    this.#encoder = new Encoder(parts.pseudonymiser)
    this.#begin()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // steps

  #entry: Entry | undefined

  /**
   * Takes the input and the outputs of a step; there are none if it has failed. Until `settle` an outcome of its only
   * change belongs to it.
   */
  take(input: Input, outputs: ReadonlyArray<Output> | undefined): void {
    if (this.#isOver) return
    const step = ++this.#last
    if (this.#entry !== undefined && input._tag === "Happened" && isNext(this.#entry, input.outcome)) {
      this.#entry.outcomes.push(input.outcome)
      this.#entry.outputs.push(outputs)
      return
    }
    this.settle()
    this.#entry = { step, sequence: this.#source.sequence(), input, outcomes: [], outputs: [outputs] }
  }

  /** Writes the step that was taken, with those of its outcomes. */
  settle(): void {
    const entry = this.#entry
    if (entry === undefined) return
    this.#entry = undefined
    try {
      if (this.#hole === undefined) this.#encoder.write(entry, this.#sink)
    } catch (error) {
      this.#fail(entry.step, error)
    }
    this.#encoder.note(entry)
  }

  /** Takes note that a turn is over: between two steps another file can begin. */
  endTurn(): void {
    if (this.#hole !== undefined || this.#entry !== undefined || this.#state !== undefined) return
    if (this.#recordingFile.size > this.#limits.ofFile * fullAt) this.turnOver()
  }

  readonly #sink = (most: number, step: number): RecordingFile | undefined => {
    if (this.#hole !== undefined) return undefined
    if (this.#recordingFile.waiting > this.#limits.ofMemory) return this.#lose({ step, reason: reasons.slow })
    if (this.#recordingFile.size + most > this.#limits.ofFile) return this.#lose({ step, reason: reasons.full })
    this.#recordingFile.begin(most, step)
    return this.#recordingFile
  }

  #put(line: string, step: number): void {
    const writer = this.#sink(line.length * 3, step)
    writer?.text(line)
    writer?.end()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // states

  /** State that is being written, as it was after a step. */
  #state: { readonly lines: Iterator<string, void>; readonly step: number } | undefined

  /** Begins another file with the present state. */
  turnOver(): void {
    if (this.#hole !== undefined) return
    this.#recordingFile.turnOver("Next")
    this.#begin()
  }

  #begin(): void {
    const { node, now, state } = this.#source
    const { connectionTypes, isShared, settings } = state()
    const header: Line.Header = {
      format: Line.format,
      run: this.#run,
      node,
      at: now(),
      clientIds: this.#pseudonymiser.clientIds,
      settings,
      connectionTypes,
      isShared
    }
    const step = this.#last
    this.#put(`[${step},"Begin",${JSON.stringify(header)}]`, step + 1)
    const lines = StateLines.lines(state(), [...this.#encoder.committed], step, this.#pseudonymiser)
    this.#state = { lines, step }
    this.#writeState()
  }

  /** Writes as much of the state as there is time for, and the rest later. */
  readonly #writeState = (): void => {
    const until = performance.now() + slice
    while (performance.now() < until) if (!this.#writeLineOfState()) return
    setImmediate(this.#writeState)
  }

  /** Writes the next line of the state. Returns false if none is left. */
  #writeLineOfState(): boolean {
    const state = this.#state
    if (state === undefined) return false
    try {
      const line = state.lines.next()
      if (line.done === true) this.#state = undefined
      else this.#put(line.value, state.step + 1)
    } catch (error) {
      this.#fail(state.step + 1, error)
    }
    return this.#state !== undefined
  }

  // -------------------------------------------------------------------------------------------------------------------
  // holes

  /** Loss that lasts until there is room again. */
  #hole: Loss | undefined
  /** Whether not even a state had room in the file. */
  #isVain = false
  #pause = 0
  #nextPause: number = pauses[0]

  #lose(loss: Loss): undefined {
    const hole = this.#hole
    this.#hole = hole !== undefined && hole.step < loss.step ? hole : loss
    if (hole !== undefined) return undefined
    this.#isVain = this.#state !== undefined
    this.#state = undefined
    this.#pause = this.#nextPause
    this.#nextPause = Math.min(2 * this.#nextPause, pauses[1])
    this.#log(`The recording has a hole from step ${loss.step} on: ${loss.reason}`)
  }

  /** Takes note that a step is not JSON: an extension may have put something else into a message. */
  #fail(step: number, error: unknown): void {
    this.#lose({ step, reason: `it could not be written as JSON (${String(error)}): look at what extensions do` })
  }

  #goOn({ reason, step }: Loss): void {
    this.#hole = undefined
    if (reason === reasons.full) this.#recordingFile.turnOver(this.#isVain ? "Anew" : "Next")
    this.#put(`[${this.#last},"Hole",${step},${JSON.stringify(reason)}]`, step)
    this.#begin()
  }

  /** Writes to the files. Called some ten times a second. */
  async write(): Promise<void> {
    this.endTurn()
    if (this.#hole !== undefined && this.#recordingFile.waiting === 0 && --this.#pause <= 0) this.#goOn(this.#hole)
    await this.#recordingFile.flush()
    const loss = this.#recordingFile.takeLoss()
    if (loss !== undefined) this.#lose(loss)
    else if (this.#hole === undefined && this.#state === undefined) this.#nextPause = pauses[0]
  }

  // -------------------------------------------------------------------------------------------------------------------
  // end

  #isOver = false

  /** Writes the rest and the end. */
  async end(): Promise<void> {
    this.endTurn()
    this.#isOver = true
    await this.#recordingFile.flush()
    if (this.#hole !== undefined) this.#goOn(this.#hole)
    while (this.#writeLineOfState());
    this.#put(`[${this.#last},"End"]`, this.#last + 1)
    await this.#recordingFile.flush()
    await this.#recordingFile.close()
  }

  /** Writes as much as it can at once, because the process ends. */
  endNow(): void {
    this.settle()
    this.#recordingFile.writeNow()
  }
}
