/**
 * Lines of a state, and a state of lines. Sessions are enough: indices, bindings and deadlines follow from them. A message
 * that waits for several sessions is written once, before the first of them.
 *
 * The state of a busy service is large, and takes time to write. It is an immutable value, so its lines are made one by one
 * while the service goes on.
 */
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import type * as Schema from "effect/Schema"
import type { Change } from "../core/Change.ts"
import type { ClientId } from "../core/ClientId.ts"
import * as DeadlineTree from "../core/DeadlineTree.ts"
import type { Delivery } from "../core/Message.ts"
import * as MessageQueue from "../core/MessageQueue.ts"
import type { Retries } from "../core/Retries.ts"
import * as Routes from "../core/Routes.ts"
import type { Session } from "../core/Session.ts"
import * as State from "../core/State.ts"
import * as Decoder from "./Decoder.ts"
import { json } from "./Encoder.ts"
import type { Header, Line } from "./Line.ts"
import * as Pseudonymiser from "./Pseudonymiser.ts"

/** Yields the lines of a state after a step, and of the changes that have no outcome yet. */
export const lines = function*(
  state: State.State,
  committed: Iterable<readonly [Change, number]>,
  step: number,
  pseudonymiser: Pseudonymiser.Pseudonymiser
): Generator<string, void> {
  const written = new Set<number>()
  for (const session of HashMap.values(state.sessions)) {
    for (const message of messagesOf(session)) {
      if (written.has(message.position)) continue
      written.add(message.position)
      yield `[${step},"Message",${json(Pseudonymiser.delivery(pseudonymiser, message))}]`
    }
    yield `[${step},"Session",${json(write(pseudonymiser, session))}]`
  }
  for (const [change, committedAt] of committed) {
    yield `[${step},"Change",${committedAt},${json(Pseudonymiser.change(pseudonymiser, change))}]`
  }
  const toAnswer = state.toAnswer.map(pseudonymiser.nameOf)
  const awaiting = Array.from(state.awaiting, ([clientId, inputs]) => [
    pseudonymiser.nameOf(clientId),
    inputs.map((input) => Pseudonymiser.awaiting(pseudonymiser, input))
  ])
  const disbelieved = state.disbelieved.map(pseudonymiser.nameOf)
  const kicked = state.kicked.map(([clientId, reason]) => [pseudonymiser.nameOf(clientId), reason])
  yield `[${step},"Begun",${json(toAnswer)},${json(awaiting)},${json(disbelieved)},${json(kicked)}]`
}

/** Returns the queue of a session, and the answer that its client may ask for again. */
const messagesOf = ({ queue, retries }: Session): ReadonlyArray<Delivery> => [
  ...retries.answered?.messages ?? [],
  ...MessageQueue.toArray(queue)
]

const positions = (messages: ReadonlyArray<Delivery>) => messages.map(({ position }) => position)

/** Writes a time: JSON has no `Infinity`. */
const time = (at: number): number | null => at === Infinity ? null : at

const write = (pseudonymiser: Pseudonymiser.Pseudonymiser, session: Session) => ({
  ...Pseudonymiser.session(pseudonymiser, session),
  subscriptions: [...session.subscriptions],
  queue: positions(MessageQueue.toArray(session.queue)),
  retries: writeRetries(session.retries),
  expiresAt: time(session.expiresAt),
  armedAt: time(session.armedAt)
})

const writeRetries = ({ answered, ids, last }: Retries) => ({
  ids,
  last,
  answered: answered && { ...answered, messages: positions(answered.messages) }
})

type Written = ReturnType<typeof write>

/** Reader of the lines behind a `Begin`. */
export class Restoring {
  readonly header: Header
  readonly committed = new Map<number, Change>()
  readonly #messages = new Map<number, Delivery>()
  readonly #sessions: Array<Session> = []

  constructor(header: Header) {
    this.header = header
  }

  /** Takes a line. Returns the state with the last one. */
  take([, tag, first = null, second = null, third = null, fourth = null]: Line): State.State | undefined {
    switch (tag) {
      case "Message": {
        const message = Decoder.delivery(first as never)
        this.#messages.set(message.position, message)
        return undefined
      }
      case "Session":
        this.#sessions.push(this.#read(first as unknown as Written))
        return undefined
      case "Change":
        this.committed.set(Number(first), Decoder.change(second))
        return undefined
      default:
        return this.#state(first as unknown as State.State["toAnswer"], second, third, fourth)
    }
  }

  #read(written: Written): Session {
    const { answered, ids, last } = written.retries
    return {
      ...written,
      subscriptions: HashSet.fromIterable(written.subscriptions),
      queue: MessageQueue.restore(MessageQueue.empty, this.#messagesAt(written.queue)),
      retries: { ids, last, answered: answered && { ...answered, messages: this.#messagesAt(answered.messages) } },
      expiresAt: written.expiresAt ?? Infinity,
      armedAt: written.armedAt ?? Infinity
    }
  }

  #messagesAt(positions: ReadonlyArray<number>): ReadonlyArray<Delivery> {
    return positions.flatMap((position) => this.#messages.get(position) ?? [])
  }

  #state(
    toAnswer: State.State["toAnswer"],
    awaiting: Schema.Json,
    disbelieved: Schema.Json,
    kicked: Schema.Json
  ): State.State {
    const { connectionTypes, isShared, settings } = this.header
    const empty = State.make(settings, connectionTypes, isShared)
    const state = this.#sessions.reduce(enter, { ...empty, toAnswer })
    const entries = awaiting as unknown as ReadonlyArray<readonly [ClientId, ReadonlyArray<State.Awaiting>]>
    return {
      ...state,
      awaiting: HashMap.fromIterable(entries),
      disbelieved: (disbelieved ?? []) as State.State["disbelieved"],
      kicked: (kicked ?? []) as unknown as State.State["kicked"]
    }
  }
}

/** Enters a session into a state, with its indices. */
const enter = (before: State.State, session: Session): State.State => {
  const { acknowledges, armedAt, clientId, link } = session
  const subscribed = Routes.subscribe(before.routes, clientId, session.subscriptions)
  const isAttached = link._tag === "Attached" && !acknowledges
  const state = State.setSession(before, session)
  return {
    ...state,
    routes: isAttached ? Routes.attach(subscribed, clientId, link.connection) : subscribed,
    bindings: link._tag === "Detached" ? state.bindings : HashMap.set(state.bindings, link.connection, clientId),
    deadlines: armedAt === Infinity ? state.deadlines : DeadlineTree.add(state.deadlines, armedAt, clientId)
  }
}
