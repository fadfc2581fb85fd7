/**
 * Frames that the system has taken for a peer that has not confirmed them yet, the oldest first. The peer is asked by
 * pings: a mark is set with a ping, and its pong confirms what stands before the mark.
 *
 * They are bounded in bytes; what falls out is the peer's. Most frames go to many peers, and a list for each of these
 * costs a fifth of the writes, most of it in garbage collection. So peers that get the same in the same order have
 * lists in common, and each knows which stretches of them are its own.
 */
import type { Frame } from "../service/Frame.ts"

/** Frames in the order in which a peer has got them, or several. Whoever keeps one keeps all, so there are not many. */
class Sequence {
  readonly frames: Array<Frame> = []
  #bytes = 0

  /** Adds a frame at the end, if there is room. */
  append(frame: Frame): boolean {
    const { length } = this.frames
    if (length > 0 && (length === most.frames || this.#bytes + frame.size > most.bytes)) return false
    this.frames.push(frame)
    this.#bytes += frame.size
    newest.sequence = this
    return true
  }
}

const most = { frames: 64, bytes: 65_536 }

/** The sequence that has got a frame last: mostly the next peer gets the same one. */
const newest = { sequence: new Sequence() }

/** Some frames of a sequence that follow each other. */
class Stretch {
  readonly #sequence: Sequence
  #start: number
  #end: number

  constructor(frame: Frame) {
    const { sequence } = newest
    this.#sequence = sequence.frames.at(-1) === frame ? sequence : new Sequence()
    this.#start = this.#end = Math.max(0, this.#sequence.frames.length - 1)
    this.add(frame)
  }

  get length(): number {
    return this.#end - this.#start
  }

  get frames(): ReadonlyArray<Frame> {
    return this.#sequence.frames.slice(this.#start, this.#end)
  }

  /** Goes on with a frame, if it comes next in the sequence. */
  add(frame: Frame): boolean {
    const { frames } = this.#sequence
    const isNext = this.#end < frames.length ? frames[this.#end] === frame : this.#sequence.append(frame)
    if (isNext) this.#end++
    return isNext
  }

  /** The first frame, which is taken out. */
  shift(): Frame | undefined {
    return this.#start < this.#end ? this.#sequence.frames[this.#start++] : undefined
  }
}

/** The frames of one peer. */
export class UnconfirmedFrames {
  readonly #mostBytes: number
  readonly #stretches: Array<Stretch> = []
  #last: Stretch | undefined
  #length = 0
  #bytes = 0
  #marked = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  get isEmpty(): boolean {
    return this.#length === 0
  }

  get bytes(): number {
    return this.#bytes
  }

  get frames(): ReadonlyArray<Frame> {
    return this.#stretches.flatMap(({ frames }) => frames)
  }

  /** What was written behind the last mark. */
  get behindMark(): ReadonlyArray<Frame> {
    return this.frames.slice(this.#marked)
  }

  add(frame: Frame): void {
    if (this.#last?.add(frame) !== true) this.#stretches.push(this.#last = new Stretch(frame))
    this.#length++
    this.#bytes += frame.size
    if (this.#bytes > this.#mostBytes) this.#makeRoom()
  }

  /** For some more than the newest frame, which is kept however long it is: so it is seldom done. */
  #makeRoom(): void {
    const enough = this.#mostBytes * 0.75
    while (this.#length > 1 && this.#bytes > enough) this.#forgetFirst()
  }

  #forgetFirst(): void {
    const [first] = this.#stretches
    this.#bytes -= first?.shift()?.size ?? 0
    this.#length--
    this.#marked = Math.max(0, this.#marked - 1)
    if (first?.length !== 0) return
    this.#stretches.shift()
    if (first === this.#last) this.#last = undefined
  }

  /** The peer is asked now. */
  mark(): void {
    this.#marked = this.#length
  }

  /** The peer has read what was written before the last mark. */
  confirm(): void {
    while (this.#marked > 0) this.#forgetFirst()
  }
}
