/** Drives the machine by hand: an order becomes a fact at once, as in memory, and everything that comes out is kept. */
import { HashSet } from "effect"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import type { Change, Outcome } from "../../src/core/Change.ts"
import type { Pattern } from "../../src/core/Channel.ts"
import * as ClientId from "../../src/core/ClientId.ts"
import type { Connection, Kind } from "../../src/core/Connection.ts"
import type { Input } from "../../src/core/Input.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as Message from "../../src/core/Message.ts"
import type { Event, Move } from "../../src/core/MonitorEvent.ts"
import type { Output } from "../../src/core/Output.ts"
import * as Settings from "../../src/core/Settings.ts"
import * as State from "../../src/core/State.ts"
import * as Steps from "./transitions.ts"

/** What the memory engine makes of an order, and of which position. */
export const outcomeOf = (change: Change, state: State.State, position: number): Outcome => {
  const clientId = change.clientId ?? ""
  const session = State.session(state, clientId)
  if (change._tag === "CreateSession") return { _tag: "SessionCreated", change }
  if (change._tag === "Publish" && change.clientId === null) return { _tag: "Published", change, position, isOwn: true }
  if (session === undefined) return { _tag: "Refused", change, error: BayeuxError.clientUnknown(clientId) }
  const had = (pattern: Pattern) => HashSet.has(session.subscriptions, pattern)
  const patterns = "patterns" in change ? [...new Set(change.patterns)] : []
  switch (change._tag) {
    case "Subscribe":
      return { _tag: "Subscribed", change, patterns: patterns.filter((pattern) => !had(pattern)), isOwn: true }
    case "Unsubscribe":
      return { _tag: "Unsubscribed", change, patterns: patterns.filter(had), isOwn: true }
    case "Publish":
      return { _tag: "Published", change, position, isOwn: true }
    case "EndSession":
      return { _tag: "SessionEnded", change, patterns: [...session.subscriptions], isOwn: true }
    case "Adopt":
    case "Yield":
    case "GiveBack":
      throw new Error(`There is no ${change._tag} of a session that is here`)
  }
}

/** An input without its time. */
export type Untimed = Input extends infer I ? I extends Input ? Omit<I, "now"> : never : never

export const settings: Settings.Settings = { ...Settings.defaults, timeout: 1_000, sessionTimeout: 2_000 }

export class Trial {
  state: State.State
  now = 0
  /** Why the engine refuses whatever is ordered, if it does. */
  fault: BayeuxError.BayeuxError | undefined
  /** Everything but commits, in order. */
  readonly outputs: Array<Output> = []
  readonly steps: Array<{ readonly state: State.State; readonly input: Input; readonly step: Machine.Step }> = []
  #connections = 0
  #sessions = 0
  #position = 0
  readonly #slots = new Map<number, number>()

  constructor(options: Partial<Settings.Settings> = {}, types = ["websocket", "long-polling", "eventsource"]) {
    this.state = State.make({ ...settings, ...options }, types)
  }

  /** Takes a step and the steps that follow from it; gives what came out. */
  step(event: Untimed): ReadonlyArray<Output> {
    const before = this.outputs.length
    this.#take({ ...event, now: this.now })
    return this.outputs.slice(before)
  }

  #take(input: Input): void {
    const step = Machine.reduce(this.state, input)
    Steps.check(this.state, input, step.state)
    this.steps.push({ state: this.state, input, step })
    this.state = step.state
    for (const output of step.outputs) {
      if (output._tag !== "Commit") this.outputs.push(output)
      else this.#take({ _tag: "Happened", now: this.now, outcome: this.#outcome(output.change) })
    }
  }

  #outcome(change: Change): Outcome {
    return this.fault === undefined
      ? outcomeOf(change, this.state, ++this.#position)
      : { _tag: "Refused", change, error: this.fault }
  }

  open(kind: Kind, local = false): Connection {
    return { id: ++this.#connections, kind, local }
  }

  /** Sends a batch; its length decides whether a connect may be held, slots are counted up. */
  receive(connection: Connection, ...batch: ReadonlyArray<unknown>): ReadonlyArray<Output> {
    return this.handIn(connection, Message.batch(batch).map((raw) => Message.decode(raw, this.state.settings)))
  }

  /** The same with messages that are decoded already. */
  handIn(connection: Connection, messages: ReadonlyArray<Message.Incoming>): ReadonlyArray<Output> {
    return Message.withOneConnect(messages).flatMap((message) => {
      const slot = this.#slots.get(connection.id) ?? 0
      this.#slots.set(connection.id, slot + 1)
      return message._tag === "Handshake"
        ? this.step({ _tag: "HandshakeReceived", connection, slot, message, freshId: this.freshId() })
        : this.step({
          _tag: "Received",
          connection,
          slot,
          mayBeHeld: Message.mayBeHeld(message, messages.length),
          message
        })
    })
  }

  freshId(): ClientId.ClientId {
    return ClientId.make(`client${++this.#sessions}`)
  }

  /** Shakes hands over a connection of its own; gives the new session's name. */
  handshake(
    kind: Kind = "exchange",
    local = false,
    supportedConnectionTypes: ReadonlyArray<string> = local ? ["in-process"] : ["websocket", "long-polling"]
  ): ClientId.ClientId {
    const replies = this.receive(this.open(kind, local), {
      channel: "/meta/handshake",
      version: "1.0",
      supportedConnectionTypes
    })
    return ClientId.make(repliesIn(replies)[0]?.clientId ?? "none")
  }

  /** A session that is attached to a socket of its own. */
  socket(
    ...subscriptions: ReadonlyArray<string>
  ): { readonly clientId: ClientId.ClientId; readonly connection: Connection } {
    const clientId = this.handshake()
    const connection = this.open("socket")
    if (subscriptions.length > 0) {
      this.receive(connection, { channel: "/meta/subscribe", clientId, subscription: subscriptions })
    }
    this.receive(connection, { channel: "/meta/connect", clientId, connectionType: "websocket" })
    return { clientId, connection }
  }

  /** A session whose connect is held over an exchange. */
  poll(
    ...subscriptions: ReadonlyArray<string>
  ): { readonly clientId: ClientId.ClientId; readonly connection: Connection } {
    const clientId = this.handshake()
    if (subscriptions.length > 0) {
      this.receive(this.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: subscriptions })
    }
    const connection = this.open("exchange")
    this.receive(connection, { channel: "/meta/connect", clientId, connectionType: "long-polling" })
    return { clientId, connection }
  }

  publish(channel: string, data: unknown, clientId?: string): ReadonlyArray<Output> {
    return this.receive(this.open("exchange"), { channel, data, ...(clientId === undefined ? {} : { clientId }) })
  }

  /** Ends the turn: connects for which messages have come are answered. */
  endTurn(): ReadonlyArray<Output> {
    return Machine.isTurnOpen(this.state) ? this.step({ _tag: "TurnEnded" }) : []
  }

  /** Lets time pass, with each deadline in between. */
  advance(millis: number): ReadonlyArray<Output> {
    const outputs = [...this.endTurn()]
    const until = this.now + millis
    for (let next = Machine.nextDeadline(this.state); next <= until; next = Machine.nextDeadline(this.state)) {
      this.now = Math.max(this.now, next)
      outputs.push(...this.step({ _tag: "DeadlinePassed" }))
    }
    this.now = until
    return outputs
  }

  get events(): ReadonlyArray<Event | Move> {
    return eventsIn(this.outputs)
  }
}

export const eventsIn = (outputs: ReadonlyArray<Output>): ReadonlyArray<Event | Move> =>
  outputs.flatMap((output) => output._tag === "Emit" ? [output.event] : [])

/** The answers among the outputs; their messages for subscribers are left out. */
export const repliesIn = (outputs: ReadonlyArray<Output>): ReadonlyArray<Message.Reply> =>
  outputs.flatMap((output) => output._tag === "Reply" ? output.messages.filter(Message.isReply) : [])

/** The data of all messages that left over a connection, alone or with an answer. */
export const deliveredTo = (outputs: ReadonlyArray<Output>, connection: Connection): ReadonlyArray<unknown> =>
  outputs.flatMap((output) => {
    if (output._tag === "Deliver") return output.connections.includes(connection.id) ? [output.message.data] : []
    if (output._tag !== "Reply" || output.connection !== connection.id) return []
    return output.messages.filter(Message.isDelivery).map((message) => message.data)
  })
