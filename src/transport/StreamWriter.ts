/**
 * Writing frames to a byte stream that stays open: it remembers what the system has not taken yet, so that those frames
 * can be given back when the stream breaks, and gives up on a peer that does not read.
 */
import type { Writable } from "node:stream"
import type { Frame } from "./Frame.ts"

/** Writes frames to a socket or response. */
export class StreamWriter {
  readonly #stream: Writable
  readonly #maxBuffered: number
  readonly #pending: Array<Frame> = []

  constructor(stream: Writable, maxBuffered: number) {
    this.#stream = stream
    this.#maxBuffered = maxBuffered
  }

  readonly #taken = (error?: Error | null): void => {
    if (!error) this.#pending.shift()
  }

  /** Writes the bytes of a frame. A peer that leaves more than `maxBuffered` bytes unread loses its connection. */
  write(frame: Frame, bytes: Buffer): void {
    this.#pending.push(frame)
    this.#stream.write(bytes, this.#taken)
    if (this.#stream.writableLength > this.#maxBuffered) this.#stream.destroy()
  }

  /** The frames that the system has not taken as a whole, the oldest first. */
  get unwritten(): ReadonlyArray<Frame> {
    return this.#pending
  }
}
