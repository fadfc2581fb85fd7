/**
 * Writes frames to a stream that stays open, and knows at any time which of them have left: if the stream breaks, the
 * others are given back.
 *
 * The next frame is written when the system has taken the one before. Node would write all that have piled up at once,
 * and if the peer is gone after a part of it nobody could say which frames it has read.
 */
import type { Frame } from "./Frame.ts"

/** Called by the stream when a write is done, or cannot be done any more. */
export type Taken = (error?: Error | null) => void

/** What is written to. */
export interface Target {
  readonly encode: (frame: Frame) => Buffer
  readonly write: (bytes: Buffer, taken: Taken) => void
  /** The peer has left too many bytes unread. */
  readonly giveUp: () => void
}

/** Frames that were taken stay in the array until there are so many of them: moving the others costs, too. */
const compactAfter = 1_024

/** A queue of frames on their way. */
export class FrameWriter {
  readonly #target: Target
  readonly #maxBuffered: number
  #frames: Array<Frame> = []
  #taken = 0
  #buffered = 0
  #whenEmpty: (() => void) | undefined

  constructor(target: Target, maxBuffered: number) {
    this.#target = target
    this.#maxBuffered = maxBuffered
  }

  /** Writes a frame as soon as it can be written. A peer that leaves more than `maxBuffered` bytes unread is given up. */
  write(frame: Frame): void {
    const bytes = this.#target.encode(frame)
    this.#frames.push(frame)
    this.#buffered += bytes.length
    if (this.#frames.length - this.#taken === 1) this.#target.write(bytes, this.#onTaken)
    else if (this.#buffered > this.#maxBuffered) this.#target.giveUp()
  }

  /** Calls back when everything has left; not at all if the stream breaks before. */
  whenEmpty(then: () => void): void {
    if (this.#frames.length === 0) then()
    else this.#whenEmpty = then
  }

  /** What has not been taken as a whole, the oldest first. */
  get frames(): ReadonlyArray<Frame> {
    return this.#frames.slice(this.#taken)
  }

  readonly #onTaken: Taken = (error) => {
    const frame = this.#frames[this.#taken]
    if (error || frame === undefined) return
    this.#buffered -= this.#target.encode(frame).length
    this.#taken++
    const next = this.#frames[this.#taken]
    if (next === undefined) this.#frames.length = this.#taken = 0
    else if (this.#taken === compactAfter) this.#compact()
    if (next !== undefined) this.#target.write(this.#target.encode(next), this.#onTaken)
    else this.#whenEmpty?.()
  }

  #compact(): void {
    this.#frames = this.#frames.slice(this.#taken)
    this.#taken = 0
  }
}
