/**
 * Timeline of a session or of a message, made of a replay: what happened to it, in order and with times. The states before and
 * after each step say more than a log could: the sessions for which a message was queued, by which pattern, and what became of
 * it.
 */
import * as Stream from "effect/Stream"
import type * as Message from "../core/Message.ts"
import * as MessageQueue from "../core/MessageQueue.ts"
import * as Session from "../core/Session.ts"
import * as State from "../core/State.ts"
import * as Replay from "./Replay.ts"
import * as TimelineEvent from "./TimelineEvent.ts"

export type { MessageRef, TimelineEvent } from "./TimelineEvent.ts"

/** Entry of a timeline: `at` in milliseconds since the epoch, in a step. Without a `clientId` it is of the application. */
export type TimelineEntry = TimelineEvent.TimelineEvent & {
  readonly at: number
  readonly step: number
  readonly clientId: string | null
}

/** Line of a timeline: an entry, or what the replay says besides. */
export type Line = TimelineEntry | Exclude<Replay.ReplayEvent, Replay.Step>

/** Subject of a timeline: a session by its name in the recording, or a message by the number of its `Publish` event. */
export type Subject = { readonly clientId: string } | { readonly sequence: number }

/** Numbers of the `Publish` events of messages. */
class Messages {
  readonly #sequences = new Map<number, number>()

  /** Takes note of the message that was published in a step, if any. */
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

const entryOf =
  ({ at, step }: Replay.Step, clientId: string | null) => (event: TimelineEvent.TimelineEvent): TimelineEntry => ({
    ...event,
    at,
    step,
    clientId
  })

// ---------------------------------------------------------------------------------------------------------------------
// of a session

const ofSession = function*(events: Iterable<Replay.ReplayEvent>, clientId: string): Generator<Line> {
  const messages = new Messages()
  let isNew = true
  for (const step of events) {
    if (step._tag !== "Step") {
      isNew = true
      yield step
      continue
    }
    messages.note(step)
    const session = isNew ? State.session(step.before, clientId) : undefined
    isNew = false
    if (session !== undefined) yield entryOf(step, clientId)({ _tag: "There", info: Session.info(session) })
    yield* TimelineEvent.of(step, clientId, messages.refOf).map(entryOf(step, clientId))
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// of a message

/** Follower of a message from its publish on, to all sessions for which it waits. */
class Follower {
  readonly #sequence: number
  readonly #messages = new Messages()
  readonly #waitsFor = new Set<string>()
  #position: number | undefined
  #last: Replay.Step | undefined

  constructor(sequence: number) {
    this.#sequence = sequence
  }

  *take(step: Replay.Step): Generator<TimelineEntry> {
    this.#last = step
    this.#messages.note(step)
    if (this.#position === undefined) yield* this.#publish(step)
    else if (step.before !== step.after || step.input._tag === "Returned") yield* this.#follow(step)
  }

  *#publish(step: Replay.Step): Generator<TimelineEntry> {
    const outcome = TimelineEvent.publishedIn(step)
    if (outcome === undefined || !step.events.some(({ sequence }) => sequence === this.#sequence)) return
    this.#position = outcome.position
    const { channel, clientId, data } = outcome.change
    const message = { position: outcome.position, sequence: this.#sequence, channel }
    yield entryOf(step, clientId)({ _tag: "Published", message, data })
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
    for (const event of TimelineEvent.of(step, clientId, this.#messages.refOf)) {
      if (!("message" in event) || event.message.position !== this.#position) continue
      if (event._tag !== "Published") yield entryOf(step, clientId)(event)
    }
    if (this.#find(step, clientId) === undefined) this.#waitsFor.delete(clientId)
    else this.#waitsFor.add(clientId)
  }

  #find(step: Replay.Step, clientId: string): Message.Delivery | undefined {
    const session = State.session(step.after, clientId)
    return session && MessageQueue.toArray(session.queue).find(({ position }) => position === this.#position)
  }

  /** Yields the sessions for which it still waits. */
  *end(): Generator<TimelineEntry> {
    const step = this.#last
    if (step === undefined) return
    for (const clientId of this.#waitsFor) {
      const message = this.#find(step, clientId)
      const why = State.session(step.after, clientId)?.acknowledges === true ? "NotAcknowledged" : "NoConnection"
      if (message !== undefined) {
        yield entryOf(step, clientId)({ _tag: "Waits", message: this.#messages.refOf(message), why })
      }
    }
  }
}

const ofMessage = function*(events: Iterable<Replay.ReplayEvent>, sequence: number): Generator<Line> {
  const message = new Follower(sequence)
  for (const step of events) {
    if (step._tag === "End") yield* message.end()
    if (step._tag === "Step") yield* message.take(step)
    else yield step
  }
}

/** Yields the timeline of a subject, of the events of a replay. */
export const of = (events: Iterable<Replay.ReplayEvent>, subject: Subject): Generator<Line> =>
  "clientId" in subject ? ofSession(events, subject.clientId) : ofMessage(events, subject.sequence)

/** Streams the timeline of a subject, of a recording. Fails with `NotARecording`. */
export const run = (file: string, subject: Subject): Stream.Stream<Line, Replay.NotARecording> =>
  Replay.open(file).pipe(Stream.flatMap((events) => Stream.fromIterable(of(events, subject))))
