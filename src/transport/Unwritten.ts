/**
 * The frames that have been written to a stream and that the system has not taken yet: if the stream breaks, they are
 * given back. A stream calls back in the order of the writes, so a queue and one function are enough for all of them.
 */
import type { Frame } from "./Frame.ts"

/** Called by the stream when a write is done, or cannot be done any more. */
export type Taken = (error?: Error | null) => void

/** Frames that were taken stay in the array until there are so many of them: moving the others costs, too. */
const compactAfter = 10_000

/** A queue of frames on their way. */
export class Unwritten {
  #frames: Array<Frame> = []
  #first = 0

  readonly #taken: Taken = (error) => {
    if (error) return
    this.#first++
    if (this.#first === this.#frames.length) this.#frames.length = 0
    else if (this.#first === compactAfter) this.#frames = this.#frames.slice(this.#first)
    else return
    this.#first = 0
  }

  /** A frame is about to be written; gives what the stream is to call. */
  add(frame: Frame): Taken {
    this.#frames.push(frame)
    return this.#taken
  }

  /** What has not been taken as a whole, the oldest first. */
  get frames(): ReadonlyArray<Frame> {
    return this.#frames.slice(this.#first)
  }
}
