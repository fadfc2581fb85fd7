/**
 * Everything that is on its way: who has to get what next, and since when. A message that is lost, doubled, out of
 * order or at the wrong subscriber ends the run with an error at once.
 */
import { read } from "./BareSocket.ts"
import { Latency } from "./Latency.ts"

/** How many publishes of a stream may be on their way. */
const window = 1_024

/** A stream and who gets it. */
export interface FrameGroup {
  readonly subscribers: ReadonlyArray<number>
  /** A publish is done when it has been delivered to all and, if this is true, answered. */
  readonly awaitsAnswer: boolean
}

export class Deliveries {
  readonly latency = new Latency()
  /** Called when a publish has been delivered to all of its audience. */
  onDone: (stream: number) => void = () => {}
  published = 0
  delivered = 0
  answered = 0
  done = 0
  readonly #streams: number
  /** By subscriber and stream: the next number, or -1 where none may come. */
  readonly #expected: Int32Array
  /** By stream: what is to happen until a publish is done, the next number to send, the next to be answered. */
  readonly #parts: Int32Array
  readonly #next: Int32Array
  readonly #unanswered: Int32Array
  /** By stream and number in the window: when it was sent, and what has still to happen. */
  readonly #sentAt: Float64Array
  readonly #missing: Int32Array
  readonly #awaitsAnswer: ReadonlyArray<boolean>

  constructor(subscribers: number, groups: ReadonlyArray<FrameGroup>) {
    this.#streams = groups.length
    this.#expected = new Int32Array(subscribers * this.#streams).fill(-1)
    this.#parts = Int32Array.from(
      groups,
      (group) => group.subscribers.length + (group.awaitsAnswer ? 1 : 0)
    )
    this.#next = new Int32Array(this.#streams)
    this.#unanswered = new Int32Array(this.#streams)
    this.#sentAt = new Float64Array(this.#streams * window)
    this.#missing = new Int32Array(this.#streams * window)
    this.#awaitsAnswer = groups.map((group) => group.awaitsAnswer)
    for (const [stream, group] of groups.entries()) {
      for (const subscriber of group.subscribers) this.#expected[subscriber * this.#streams + stream] = 0
    }
  }

  /** How many publishes are on their way. */
  get outstanding(): number {
    return this.published - this.done
  }

  /** Takes the next number of a stream: it is sent now. */
  send(stream: number): number {
    const sequence = this.#next[stream] ?? 0
    const slot = stream * window + sequence % window
    if (this.#missing[slot] !== 0) {
      throw new Error(`Stream ${stream}: ${window} publishes are still on their way: the server does not keep up`)
    }
    this.#next[stream] = sequence + 1
    this.#missing[slot] = this.#parts[stream] ?? 0
    this.#sentAt[slot] = performance.now()
    this.published++
    return sequence
  }

  /** A subscriber got a message. */
  deliver(subscriber: number, stream: number, sequence: number): void {
    const index = subscriber * this.#streams + stream
    const expected = this.#expected[index]
    if (sequence !== expected) throw wrongDelivery(subscriber, stream, sequence, expected)
    this.#expected[index] = sequence + 1
    this.delivered++
    this.latency.record(read.at - (this.#sentAt[stream * window + sequence % window] ?? 0))
    this.#arrived(stream, sequence)
  }

  /** A publish was answered. A server that does not say which one answers in order. */
  answer(stream: number, sequence = this.#unanswered[stream] ?? 0): void {
    const expected = this.#unanswered[stream]
    if (sequence === this.#next[stream]) throw new Error(`Stream ${stream}: there were more answers than publishes`)
    if (sequence !== expected) {
      throw new Error(`Stream ${stream}: publish ${sequence} was answered where ${expected} was to be answered next`)
    }
    this.#unanswered[stream] = sequence + 1
    this.answered++
    if (this.#awaitsAnswer[stream] === true) this.#arrived(stream, sequence)
  }

  #arrived(stream: number, sequence: number): void {
    const slot = stream * window + sequence % window
    const missing = (this.#missing[slot] ?? 0) - 1
    this.#missing[slot] = missing
    if (missing > 0) return
    this.done++
    this.onDone(stream)
  }
}

const wrongDelivery = (subscriber: number, stream: number, sequence: number, expected: number | undefined): Error => {
  const what = `Subscriber ${subscriber}, stream ${stream}: message ${sequence} came`
  if (expected === undefined || expected === -1) {
    return new Error(`${what}, but nothing of this stream was subscribed to`)
  }
  return new Error(
    sequence < expected
      ? `${what} after message ${expected - 1}: it was doubled or reordered`
      : `${what} where message ${expected} was due: messages were lost or reordered`
  )
}
