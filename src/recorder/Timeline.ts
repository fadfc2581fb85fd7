/**
 * The story of a session, or of a message, out of a replay: what happened to it, in order and each with its time. The
 * states before and after each step say more than a log could: for whom a message was queued, by which pattern, and what
 * became of it.
 */
import * as Stream from "effect/Stream"
import type * as Message from "../core/Message.ts"
import * as MessageQueue from "../core/MessageQueue.ts"
import * as Session from "../core/Session.ts"
import * as State from "../core/State.ts"
import * as Replay from "./Replay.ts"
import * as TimelineEvent from "./TimelineEvent.ts"

export type { MessageRef, TimelineEvent } from "./TimelineEvent.ts"

/** Something that happened to a session: when (milliseconds since the epoch), in which step. `null` is the application. */
export type TimelineEntry = TimelineEvent.TimelineEvent & {
  readonly at: number
  readonly step: number
  readonly clientId: string | null
}

/** What a story tells: beside what happened, what the replay has to say. */
export type Line = TimelineEntry | Exclude<Replay.ReplayEvent, Replay.Step>

/** Of whom: a session by the name that it has in the recording, or a message by the number of its `Publish` event. */
export type Subject = { readonly clientId: string } | { readonly sequence: number }

/** Which event told of a message. */
class Events {
  readonly #sequences = new Map<number, number>()

  /** Takes note of what was published in a step. */
  note(step: Replay.Step): void {
    const position = TimelineEvent.publishedIn(step)?.position
    const event = step.events.find(({ _tag }) => _tag === "Publish")
    if (position !== undefined && event !== undefined) this.#sequences.set(position, event.sequence)
  }

  readonly refOf = ({ channel, position }: Message.Delivery): TimelineEvent.MessageRef => ({
    position,
    sequence: this.#sequences.get(position),
    channel
  })
}

const tellWith =
  ({ at, step }: Replay.Step, clientId: string | null) => (event: TimelineEvent.TimelineEvent): TimelineEntry => ({
    ...event,
    at,
    step,
    clientId
  })

// ---------------------------------------------------------------------------------------------------------------------
// of a session

const ofSession = function*(told: Iterable<Replay.ReplayEvent>, clientId: string): Generator<Line> {
  const events = new Events()
  let isNew = true
  for (const step of told) {
    if (step._tag !== "Step") {
      isNew = true
      yield step
      continue
    }
    events.note(step)
    const session = isNew ? State.session(step.before, clientId) : undefined
    isNew = false
    if (session !== undefined) yield tellWith(step, clientId)({ _tag: "There", info: Session.info(session) })
    yield* TimelineEvent.of(step, clientId, events.refOf).map(tellWith(step, clientId))
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// of a message

/** Follows a message from its publish on, to all for whom it waits. */
class Follower {
  readonly #sequence: number
  readonly #events = new Events()
  readonly #waitsFor = new Set<string>()
  #position: number | undefined
  #last: Replay.Step | undefined

  constructor(sequence: number) {
    this.#sequence = sequence
  }

  *take(step: Replay.Step): Generator<TimelineEntry> {
    this.#last = step
    this.#events.note(step)
    if (this.#position === undefined) yield* this.#publish(step)
    else if (step.before !== step.after || step.input._tag === "Returned") yield* this.#follow(step)
  }

  *#publish(step: Replay.Step): Generator<TimelineEntry> {
    const outcome = TimelineEvent.publishedIn(step)
    if (outcome === undefined || !step.events.some(({ sequence }) => sequence === this.#sequence)) return
    this.#position = outcome.position
    const { channel, clientId, data } = outcome.change
    const message = { position: outcome.position, sequence: this.#sequence, channel }
    yield tellWith(step, clientId)({ _tag: "Published", message, data })
    for (const session of State.subscribers(step.before, channel)) yield* this.#tell(step, session)
  }

  *#follow(step: Replay.Step): Generator<TimelineEntry> {
    const { input } = step
    const isBack = input._tag === "Returned" && input.messages.some(({ position }) => position === this.#position)
    if (isBack) this.#waitsFor.add(input.clientId)
    for (const clientId of this.#waitsFor) {
      if (isBack || State.session(step.before, clientId) !== State.session(step.after, clientId)) {
        yield* this.#tell(step, clientId)
      }
    }
  }

  *#tell(step: Replay.Step, clientId: string): Generator<TimelineEntry> {
    for (const event of TimelineEvent.of(step, clientId, this.#events.refOf)) {
      if (!("message" in event) || event.message.position !== this.#position) continue
      if (event._tag !== "Published") yield tellWith(step, clientId)(event)
    }
    if (this.#find(step, clientId) === undefined) this.#waitsFor.delete(clientId)
    else this.#waitsFor.add(clientId)
  }

  #find(step: Replay.Step, clientId: string): Message.Delivery | undefined {
    const session = State.session(step.after, clientId)
    return session && MessageQueue.toArray(session.queue).find(({ position }) => position === this.#position)
  }

  /** For whom it still waits. */
  *end(): Generator<TimelineEntry> {
    const step = this.#last
    if (step === undefined) return
    for (const clientId of this.#waitsFor) {
      const message = this.#find(step, clientId)
      const why = State.session(step.after, clientId)?.acknowledges === true ? "NotAcknowledged" : "NoConnection"
      if (message !== undefined) {
        yield tellWith(step, clientId)({ _tag: "Waits", message: this.#events.refOf(message), why })
      }
    }
  }
}

const ofMessage = function*(told: Iterable<Replay.ReplayEvent>, sequence: number): Generator<Line> {
  const message = new Follower(sequence)
  for (const step of told) {
    if (step._tag === "End") yield* message.end()
    if (step._tag === "Step") yield* message.take(step)
    else yield step
  }
}

/** The story that a replay tells of someone. */
export const of = (told: Iterable<Replay.ReplayEvent>, subject: Subject): Generator<Line> =>
  "clientId" in subject ? ofSession(told, subject.clientId) : ofMessage(told, subject.sequence)

/** The story that is in a recording. */
export const run = (file: string, subject: Subject): Stream.Stream<Line, Replay.NotARecording> =>
  Replay.open(file).pipe(Stream.flatMap((told) => Stream.fromIterable(of(told, subject))))
