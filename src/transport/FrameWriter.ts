/**
 * Writes frames to a stream that stays open, and knows at any time which of them have left, and of which of these it is
 * known that the peer has read them: if the stream breaks, the others are given back.
 *
 * The next frame is written when the system has taken the one before. Node would write all that have piled up at once,
 * and if the peer is gone after a part of it nobody could say which frames it has read.
 *
 * The system takes a frame as well for a peer that has closed its socket, as long as nobody has read that it did. The peer's
 * system replies with a reset (see `Receipt`); it does the same for a peer that goes without having read everything. So
 * after a reset the last bytes have not been read: those of the frame that the system was about to take, or, if there was
 * none, those of the last one that it has taken. If that was long before, the reset has another cause.
 *
 * Where the peer is asked by pings, what was written behind a ping that it had not answered by then was not read either:
 * it answers in order, and what it has sent is read before its reset.
 *
 * A line that falls silent says nothing at all. Where the peer is asked by pings, a pong confirms what was written before
 * its ping; what was written since is kept, as far as a bound goes, and given back when the peer does not answer any more.
 */
import type { Duplex, Writable } from "node:stream"
import type { Bytes, Frame } from "../service/Frame.ts"
import * as Receipt from "./Receipt.ts"
import { UnconfirmedFrames } from "./UnconfirmedFrames.ts"

/** Called when the system has taken the bytes of a write, or cannot take them any more. */
export type Taken = (error?: Error | null) => void

/** What is written to. */
export interface Target {
  /** The connection beneath. */
  readonly stream: Duplex
  readonly encode: (frame: Frame) => Bytes
  /** Writes. True when the system has taken the bytes within the call; else `taken` is called later. */
  readonly write: (bytes: Bytes, taken: Taken) => boolean
  /** The peer has left too many bytes unread. */
  readonly giveUp: () => void
  /** The system has taken what it could not take at once: the peer reads. */
  readonly reads?: () => void
  /** Something was written of which nobody knows whether it was read. */
  readonly unconfirmed?: () => void
}

/** How many bytes may be left behind. */
export interface Bounds {
  /** A peer that leaves more than these to be taken by the system is given up. */
  readonly maxBuffered: number
  /** Of what the peer has not confirmed, so much is kept, the newest. 0 where nobody asks the peer. */
  readonly maxUnconfirmed: number
}

const nothing = Buffer.alloc(0)

/**
 * Writes to a socket of the system's, without a callback where none is needed: nearly every write is taken at once, and
 * then Node spares the turn of its queue in which it would call back. If it was not, an empty write, which puts nothing
 * on the wire, calls back behind it.
 */
export const writeToSocket = (socket: Writable, bytes: Bytes, taken: Taken): boolean => {
  if (typeof bytes === "string") socket.write(bytes, "latin1")
  else socket.write(bytes)
  if (socket.writableLength === 0 && socket.errored === null) return true
  socket.write(nothing, taken)
  return false
}

/** Frames that were taken stay in the array until there are so many of them: moving the others costs, too. */
const compactAfter = 1_024

/** How long a peer that reads may take to read what its system has got, in milliseconds. */
const longestUnread = 1_000

/** The system did not take what was written: what the peer has sent before may not have been read. */
const isOfWrite = (error: Error | null): boolean => error !== null && "code" in error && error.code === "EPIPE"

let taskTime: number | undefined

const forgetTime = (): void => void (taskTime = undefined)

/**
 * The time, read once for all that is done before the event loop goes on: many sockets are written to together, and
 * looking at the clock for each of them takes a tenth of that.
 */
const timeOfTask = (): number => {
  if (taskTime !== undefined) return taskTime
  queueMicrotask(forgetTime)
  return taskTime = performance.now()
}

/** A queue of frames on their way. */
export class FrameWriter {
  readonly #target: Target
  readonly #bounds: Bounds
  /** The frames that were not taken at once; most peers never have any. */
  #frames: Array<Frame> | undefined
  #taken = 0
  /** The last frame that was taken, if it delivers anything, and when. */
  #last: Frame | undefined
  #lastAt = 0
  #isReset = false
  #unconfirmed: UnconfirmedFrames | undefined
  #isAsked = false
  #isSilent = false
  #buffered = 0
  #whenEmpty: (() => void) | undefined

  constructor(target: Target, bounds: Bounds) {
    this.#target = target
    this.#bounds = bounds
  }

  /** Writes a frame as soon as it can be written. */
  write(frame: Frame): void {
    const bytes = this.#target.encode(frame)
    if (this.#frames === undefined) {
      if (this.#target.write(bytes, this.#onTaken)) return this.#keep(frame)
      this.#frames = [frame]
    } else {
      this.#frames.push(frame)
    }
    this.#buffered += frame.size
    if (this.#frames.length - this.#taken > 1 && this.#buffered > this.#bounds.maxBuffered) this.#giveUp()
  }

  /** What the peer's system has got it may still read. */
  #giveUp(): void {
    this.#last = undefined
    this.#target.giveUp()
  }

  /** Calls back when everything has left; not at all if the stream breaks before. */
  whenEmpty(then: () => void): void {
    if (this.#frames === undefined) then()
    else this.#whenEmpty = then
  }

  /** What has not left, or has left for nobody, the oldest first. */
  get frames(): ReadonlyArray<Frame> {
    const waiting = this.#frames?.slice(this.#taken) ?? []
    if (this.#isSilent && this.#unconfirmed !== undefined) return [...this.#unconfirmed.frames, ...waiting]
    return this.#frames === undefined ? this.#unread : waiting
  }

  /** Whether all was taken, and some of it comes back because of a reset. */
  get isReset(): boolean {
    return !this.#isSilent && this.#frames === undefined && this.#unread.length > 0
  }

  /** What a reset says was not read: what is behind a ping that was not answered, else the last frame. */
  get #unread(): ReadonlyArray<Frame> {
    const { errored } = this.#target.stream
    if (!this.#isReset && errored === null) return []
    const behind = isOfWrite(errored) ? [] : this.#behindPing
    if (behind.length > 0) return behind
    return this.#last !== undefined && this.isFresh ? [this.#last] : []
  }

  get #behindPing(): ReadonlyArray<Frame> {
    return this.#isAsked && this.#unconfirmed !== undefined ? this.#unconfirmed.behindMark : []
  }

  #keep(frame: Frame): void {
    if (!frame.delivers) {
      this.#last = undefined
      return
    }
    this.#last = frame
    this.#lastAt = timeOfTask()
    if (this.#bounds.maxUnconfirmed === 0) return
    this.#unconfirmed ??= new UnconfirmedFrames(this.#bounds.maxUnconfirmed)
    if (this.#unconfirmed.isEmpty) this.#target.unconfirmed?.()
    this.#unconfirmed.add(frame)
  }

  /** Whether there is anything that the peer may not have read. */
  get isUnconfirmed(): boolean {
    return this.#frames !== undefined || this.#unconfirmed?.isEmpty === false
  }

  /** The peer is asked now, behind so many bytes that it has not confirmed. */
  mark(): number {
    this.#isAsked = true
    this.#unconfirmed?.mark()
    return this.#unconfirmed?.bytes ?? 0
  }

  /** The peer has read what was written before the last mark. */
  confirm(): void {
    this.#isAsked = false
    this.#unconfirmed?.confirm()
    if (this.#unconfirmed?.isEmpty !== false) this.#last = undefined
  }

  /** Nobody is there any more, and nobody knows what was read since the last confirmation. */
  silent(): void {
    this.#isSilent = true
  }

  /** Whether a reset would say something of the last frame, as long as nothing is written behind it. */
  get isFresh(): boolean {
    return this.#last !== undefined && performance.now() - this.#lastAt < longestUnread
  }

  /**
   * The peer has closed its socket: its system knows whether it has read everything. On a Unix socket every peer that has
   * closed looks as if it had not; those have no address, not even on this side.
   */
  ended(): void {
    const { stream } = this.#target
    if (this.#frames !== undefined || (this.#last === undefined && this.#behindPing.length === 0)) return
    if ("localAddress" in stream && stream.localAddress === undefined) return
    Receipt.checkReset(stream, () => this.#isReset = true)
  }

  readonly #onTaken: Taken = (error) => {
    if (error) return
    this.#target.reads?.()
    do this.#forgetFirst()
    while (this.#first !== undefined && this.#target.write(this.#target.encode(this.#first), this.#onTaken))
    if (this.#frames === undefined) this.#whenEmpty?.()
  }

  get #first(): Frame | undefined {
    return this.#frames?.[this.#taken]
  }

  #forgetFirst(): void {
    const frame = this.#first
    if (frame === undefined || this.#frames === undefined) return
    this.#keep(frame)
    this.#buffered -= frame.size
    this.#taken++
    if (this.#taken < this.#frames.length && this.#taken < compactAfter) return
    this.#frames = this.#taken === this.#frames.length ? undefined : this.#frames.slice(this.#taken)
    this.#taken = 0
  }
}
