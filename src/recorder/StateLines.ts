/**
 * A state as lines, and a state from lines. A session is all that has to be known of it: indices, bindings and deadlines
 * follow from the sessions. A message that waits for many is written once, before the first of them.
 *
 * The state of a busy service is large, and writing it takes time. It is a value that does not change, so its lines are
 * made one by one, whenever there is time, while the service goes on.
 */
import { HashMap, HashSet, type Schema } from "effect"
import type { ClientId } from "../core/ClientId.ts"
import * as Deadlines from "../core/Deadlines.ts"
import type { Delivery } from "../core/Message.ts"
import * as MessageQueue from "../core/MessageQueue.ts"
import type { Order } from "../core/Order.ts"
import type { Retries } from "../core/Retries.ts"
import * as Routes from "../core/Routes.ts"
import type { Session } from "../core/Session.ts"
import * as State from "../core/State.ts"
import * as Decoder from "./Decoder.ts"
import * as Disguise from "./Disguise.ts"
import { json } from "./Encoder.ts"
import type { Header, Line } from "./Line.ts"

/** The lines of a state that was reached with a step, and of the orders that are not answered yet. */
export const lines = function*(
  state: State.State,
  ordered: Iterable<readonly [Order, number]>,
  step: number,
  disguise: Disguise.Disguise
): Generator<string, void> {
  const written = new Set<number>()
  for (const session of HashMap.values(state.sessions)) {
    for (const message of messagesOf(session)) {
      if (written.has(message.position)) continue
      written.add(message.position)
      yield `[${step},"Message",${json(Disguise.delivery(disguise, message))}]`
    }
    yield `[${step},"Session",${json(write(disguise, session))}]`
  }
  for (const [order, orderedAt] of ordered) {
    yield `[${step},"Order",${orderedAt},${json(Disguise.order(disguise, order))}]`
  }
  const woken = state.woken.map(disguise.nameOf)
  const awaiting = Array.from(state.awaiting, ([clientId, inputs]) => [
    disguise.nameOf(clientId),
    inputs.map((input) => Disguise.awaiting(disguise, input))
  ])
  const disbelieved = state.disbelieved.map(disguise.nameOf)
  const kicked = state.kicked.map(([clientId, reason]) => [disguise.nameOf(clientId), reason])
  yield `[${step},"Begun",${json(woken)},${json(awaiting)},${json(disbelieved)},${json(kicked)}]`
}

/** What waits for a session, and what its client may ask for again. */
const messagesOf = ({ queue, retries }: Session): ReadonlyArray<Delivery> => [
  ...retries.answered?.messages ?? [],
  ...MessageQueue.toArray(queue)
]

const positions = (messages: ReadonlyArray<Delivery>) => messages.map(({ position }) => position)

/** `Infinity` is nothing in JSON. */
const time = (at: number): number | null => at === Infinity ? null : at

const write = (disguise: Disguise.Disguise, session: Session) => ({
  ...Disguise.session(disguise, session),
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

/** Takes the lines behind a `Begin` and makes the state of them. */
export class Restoring {
  readonly header: Header
  readonly ordered = new Map<number, Order>()
  readonly #messages = new Map<number, Delivery>()
  readonly #sessions: Array<Session> = []

  constructor(header: Header) {
    this.header = header
  }

  /** Takes a line; with the last one it gives the state. */
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
      case "Order":
        this.ordered.set(Number(first), Decoder.order(second))
        return undefined
      default:
        return this.#state(first as unknown as State.State["woken"], second, third, fourth)
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
    woken: State.State["woken"],
    awaiting: Schema.Json,
    disbelieved: Schema.Json,
    kicked: Schema.Json
  ): State.State {
    const { connectionTypes, isShared, settings } = this.header
    const empty = State.make(settings, connectionTypes, isShared)
    const state = this.#sessions.reduce(enter, { ...empty, woken })
    const entries = awaiting as unknown as ReadonlyArray<readonly [ClientId, ReadonlyArray<State.Awaiting>]>
    return {
      ...state,
      awaiting: HashMap.fromIterable(entries),
      disbelieved: (disbelieved ?? []) as State.State["disbelieved"],
      kicked: (kicked ?? []) as unknown as State.State["kicked"]
    }
  }
}

/** Enters a session wherever a session is entered. */
const enter = (before: State.State, session: Session): State.State => {
  const { acknowledges, armedAt, clientId, link } = session
  const subscribed = Routes.subscribe(before.routes, clientId, session.subscriptions)
  const isAttached = link._tag === "Attached" && !acknowledges
  const state = State.setSession(before, session)
  return {
    ...state,
    routes: isAttached ? Routes.attach(subscribed, clientId, link.connection) : subscribed,
    bindings: link._tag === "Detached" ? state.bindings : HashMap.set(state.bindings, link.connection, clientId),
    deadlines: armedAt === Infinity ? state.deadlines : Deadlines.add(state.deadlines, armedAt, clientId)
  }
}
