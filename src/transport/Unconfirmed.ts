/**
 * What the system has taken for a peer that has not confirmed it yet, the oldest first. The peer is asked by pings: a mark
 * is set with a ping, and its pong confirms what stands before the mark.
 *
 * It is bounded in bytes; what falls out is the peer's. Frames are shared, so the same message to many silent peers is
 * kept once.
 */
import type { Frame } from "../service/Frame.ts"

/** The frames of one peer. */
export class Unconfirmed {
  readonly #mostBytes: number
  readonly #frames: Array<Frame> = []
  #bytes = 0
  #marked = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  get bytes(): number {
    return this.#bytes
  }

  get frames(): ReadonlyArray<Frame> {
    return this.#frames
  }

  /** What was written behind the last mark. */
  get behindMark(): ReadonlyArray<Frame> {
    return this.#frames.slice(this.#marked)
  }

  add(frame: Frame): void {
    this.#frames.push(frame)
    this.#bytes += frame.size
    if (this.#bytes > this.#mostBytes) this.#makeRoom()
  }

  /** For some more than the newest frame, which is kept however long it is: so it is seldom done. */
  #makeRoom(): void {
    const enough = this.#mostBytes * 0.75
    let bytes = this.#bytes
    let count = 0
    while (count < this.#frames.length - 1 && bytes > enough) bytes -= this.#frames[count++]?.size ?? 0
    this.#forget(count)
  }

  #forget(count: number): void {
    for (const { size } of this.#frames.splice(0, count)) this.#bytes -= size
    this.#marked = Math.max(0, this.#marked - count)
  }

  /** The peer is asked now. */
  mark(): void {
    this.#marked = this.#frames.length
  }

  /** The peer has read what was written before the last mark. */
  confirm(): void {
    this.#forget(this.#marked)
  }
}
