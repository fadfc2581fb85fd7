/**
 * Frames: the messages for a connection in one turn, as one JSON array.
 *
 * Frames are shared. Each connection begins a turn with {@link empty}; appending the same message to the same frame
 * gives the same frame again, so a message to 1,000 sockets is put into JSON once, into bytes once, and not at all anew
 * for each of them. Where the turn holds several messages for the same sockets, they still share.
 */
import { Delivery, isReply, type Outgoing } from "../core/Message.ts"
import * as OriginalMessage from "./OriginalMessage.ts"

/**
 * Writes a message as JSON. A delivery that an extension has changed is no delivery any more: it is for one connection
 * only, as an answer is.
 */
const serialise = (message: Outgoing): string => message instanceof Delivery ? message.json : JSON.stringify(message)

/** Lowest position of some messages, `Infinity` if there are none. */
export const lowest = (deliveries: ReadonlyArray<Delivery>): number =>
  deliveries.reduce((least, { position }) => Math.min(least, position), Infinity)

/** Bytes on their way to a socket. Node writes a string of Latin-1 sooner than a buffer can be made of it. */
export type Bytes = Buffer | string

/** Makes the bytes of a JSON array, in the form of a transport. The same function each time: frames are kept by it. */
export type Encoder = (text: string) => Bytes

/** Messages on their way to one or more connections. */
export class Frame {
  readonly #before: Frame | undefined
  readonly #message: Outgoing | undefined
  #next: Frame | undefined
  #deliveries: ReadonlyArray<Delivery> | undefined
  #lowest: number | undefined
  #text: string | undefined
  #encoder: Encoder | undefined
  #encoded: Bytes | undefined
  /** Bytes of further encoders: peers of several transports take turns. */
  #otherwise: Map<Encoder, Bytes> | undefined
  /** Number of its bytes in the encoding that was made first; 0 before. Other encodings differ by a few bytes. */
  size = 0
  /** Number of messages. */
  readonly length: number
  /** Whether there are deliveries among them. */
  readonly delivers: boolean

  constructor(before?: Frame, message?: Outgoing) {
    this.#before = before
    this.#message = message
    this.length = before === undefined ? 0 : before.length + 1
    this.delivers = message !== undefined && (before?.delivers === true || !isReply(message))
  }

  /** Appends a message. */
  append(message: Outgoing): Frame {
    if (this.#next !== undefined && this.#next.#message === message) return this.#next
    return this.#next = new Frame(this, message)
  }

  /** Forgets the frames that begin with this one. */
  forget(): void {
    this.#next = undefined
  }

  /** Messages in their order. */
  get messages(): ReadonlyArray<Outgoing> {
    const messages = new Array<Outgoing>(this.length)
    for (let frame: Frame = this; frame.#before !== undefined; frame = frame.#before) {
      messages[frame.length - 1] = frame.#message as Outgoing
    }
    return messages
  }

  /** Deliveries, as they were before extensions. */
  get deliveries(): ReadonlyArray<Delivery> {
    return this.#deliveries ??= this.#collect()
  }

  #collect(): ReadonlyArray<Delivery> {
    const deliveries: Array<Delivery> = []
    for (let frame: Frame = this; frame.#before !== undefined; frame = frame.#before) {
      const message = frame.#message as Outgoing
      const original = message instanceof Delivery ? message : OriginalMessage.of(message)
      if (original instanceof Delivery) deliveries.push(original)
    }
    return deliveries.reverse()
  }

  /** Lowest position of its deliveries, `Infinity` if there are none. */
  get lowest(): number {
    return this.#lowest ??= lowest(this.deliveries)
  }

  #parts: ReadonlyArray<Frame> | undefined

  /** Splits the frame into frames that deliver no more than so many bytes each; a message that is longer is alone. */
  parts(most: number): ReadonlyArray<Frame> {
    return this.#parts ??= this.length < 2 || this.#isShort(most) ? [this] : this.#split(most)
  }

  /** Whether the frame is short for certain: a UTF-16 code unit has at most three bytes. */
  #isShort(most: number): boolean {
    let length = 0
    for (let frame: Frame = this; frame.#before !== undefined; frame = frame.#before) {
      if (frame.#message instanceof Delivery) length += frame.#message.json.length
    }
    return 3 * length <= most
  }

  #split(most: number): ReadonlyArray<Frame> {
    const parts: Array<Frame> = []
    let part = empty
    let left = most
    for (const message of this.messages) {
      left -= message instanceof Delivery ? message.bytes : 0
      if (left < 0 && part !== empty) {
        parts.push(part)
        part = empty
        left = most - (message instanceof Delivery ? message.bytes : 0)
      }
      part = new Frame(part, message)
    }
    return [...parts, part]
  }

  /** JSON array of the messages. */
  get text(): string {
    return this.#text ??= this.#serialise()
  }

  #serialise(): string {
    let text = "]"
    for (let frame: Frame = this; frame.#before !== undefined; frame = frame.#before) {
      const separator = frame.length === 1 ? "[" : ","
      text = separator + serialise(frame.#message as Outgoing) + text
    }
    return this.length === 0 ? "[]" : text
  }

  /**
   * Encodes the JSON array, once for each encoder; the bytes are kept while the peers that share the frame are written
   * to.
   */
  encode(encoder: Encoder): Bytes {
    if (this.#encoded === undefined) return this.#encodeFirst(encoder)
    return this.#encoder === encoder ? this.#encoded : this.#encodeOtherwise(encoder)
  }

  #encodeFirst(encoder: Encoder): Bytes {
    if (written.push(this) === 1) queueMicrotask(forgetBytes)
    this.#encoder = encoder
    const encoded = this.#encoded = encoder(this.text)
    if (this.size === 0) this.size = encoded.length
    return encoded
  }

  #encodeOtherwise(encoder: Encoder): Bytes {
    const known = this.#otherwise?.get(encoder)
    if (known !== undefined) return known
    const encoded = encoder(this.text)
    this.#otherwise ??= new Map()
    this.#otherwise.set(encoder, encoded)
    return encoded
  }

  /** Forgets JSON and bytes: a frame that is kept until its peers have confirmed it needs neither. */
  forgetBytes(): void {
    this.#text = undefined
    this.#encoded = undefined
    this.#otherwise = undefined
    for (let frame: Frame = this; frame.#before !== undefined; frame = frame.#before) {
      if (frame.#message instanceof Delivery) frame.#message.forgetJson()
    }
  }
}

/** Frames that are being written. */
let written: Array<Frame> = []

const forgetBytes = (): void => {
  for (const frame of written) frame.forgetBytes()
  written = []
}

/** Frame without messages. */
export const empty = new Frame()

/** Creates a frame that is shared with no other connection. */
export const of = (messages: ReadonlyArray<Outgoing>): Frame =>
  messages.reduce((frame, message) => new Frame(frame, message), new Frame())
