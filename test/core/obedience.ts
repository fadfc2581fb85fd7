/** Clients that do what the advice says, at once and to the letter, and a server for them in virtual time. */
import type * as Advice from "../../src/core/Advice.ts"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import type { Connection } from "../../src/core/Connection.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as Message from "../../src/core/Message.ts"
import type { Output } from "../../src/core/Output.ts"
import type * as Settings from "../../src/core/Settings.ts"
import { Trial } from "./trial.ts"

/** How long a message is under way, in milliseconds. */
const latency = 1

/** What is wrong with the server, or with what stands before it. */
export type Fault = "none" | "away" | "no stream" | "no handshake" | "no connect" | "failing" | "forgetful"

/** What a client is told: what answers it, or tells it without having been asked, and what is delivered with that. */
type Told = (reply: Message.Reply | undefined, deliveries: ReadonlyArray<Message.Delivery>) => void

/** A server, its clients and what is to happen next. */
export class World {
  readonly trial: Trial
  readonly clients: Array<Obedient> = []
  #plans: Array<{ readonly at: number; readonly act: () => void }> = []
  readonly #asking = new Map<unknown, Told>()
  readonly #closing = new Map<number, Array<() => void>>()
  readonly #streams = new Map<number, Told>()
  #ids = 0

  constructor(settings: Partial<Settings.Settings> = {}) {
    this.trial = new Trial(settings)
  }

  get now(): number {
    return this.trial.now
  }

  /** What happens after so many milliseconds. */
  after(millis: number, act: () => void): void {
    const at = this.now + millis
    const place = this.#plans.findLastIndex((plan) => plan.at <= at) + 1
    this.#plans.splice(place, 0, { at, act })
  }

  /** Somebody publishes so many messages a second. */
  publishes(perSecond: number): void {
    if (perSecond === 0) return
    this.after(1_000 / perSecond, () => {
      this.tell(this.trial.publish("/a", this.now))
      this.publishes(perSecond)
    })
  }

  #fault: Fault = "none"

  /** From now on this is wrong. */
  set fault(fault: Fault) {
    this.#fault = fault
    this.trial.fault = fault === "away" ? BayeuxError.unavailable("") : undefined
  }

  /** Sends a message; its answer is read as soon as it can be. */
  ask(connection: Connection, message: Message.Raw, answered: Told): void {
    const id = ++this.#ids
    this.#asking.set(id, answered)
    this.after(latency, () => this.tell(this.trial.handIn(connection, [this.#incoming({ ...message, id })])))
  }

  /** What becomes of a message on its way to the machine: extensions refuse it, or it names a session that nobody knows. */
  #incoming(raw: Message.Raw): Message.Incoming {
    const refused = BayeuxError.make(403, [], "No")
    const isHandshake = raw["channel"] === "/meta/handshake"
    const isConnect = raw["channel"] === "/meta/connect"
    if (this.#fault === "failing") return Message.refuse(raw, BayeuxError.serverError)
    if (this.#fault === "no handshake" && isHandshake) return Message.refuse(raw, refused)
    if (this.#fault === "no connect" && isConnect) return Message.refuse(raw, refused)
    if (this.#fault === "forgetful" && !isHandshake) return this.#decode({ ...raw, clientId: "nobody" })
    return this.#decode(raw)
  }

  #decode(raw: Message.Raw): Message.Incoming {
    return Message.decode(raw, this.trial.state.settings)
  }

  /** Opens a stream, which a proxy may refuse: then it is never opened again. What it says is read as soon as it can be. */
  stream(clientId: string, told: Told, closed: () => void): void {
    if (this.#fault === "no stream") return
    const connection = this.trial.open("stream")
    this.#streams.set(connection.id, told)
    this.open(connection, closed)
    this.tell(this.trial.step({ _tag: "StreamOpened", connection, clientId }))
  }

  /** The proxy, or the process, breaks all streams. */
  breakStreams(): void {
    for (const connection of [...this.#streams.keys()]) this.#close(connection)
  }

  open(connection: Connection, closed: () => void): void {
    const known = this.#closing.get(connection.id)
    if (known === undefined) this.#closing.set(connection.id, [closed])
    else known.push(closed)
  }

  /** Clients are told what comes of a step. */
  tell(outputs: ReadonlyArray<Output>): void {
    for (const output of outputs) {
      if (output._tag === "Reply") this.#answer(output.messages)
      if (output._tag === "Advise") this.#say(output.connection, output.message, [])
      if (output._tag === "Deliver") {
        for (const connection of output.connections) this.#say(connection, undefined, [output.message])
      }
      if (output._tag === "CloseConnection") this.#close(output.connection)
    }
  }

  #answer(messages: ReadonlyArray<Message.Outgoing>): void {
    const deliveries = messages.filter(Message.isDelivery)
    for (const message of messages) {
      if (!Message.isReply(message)) continue
      const answered = this.#asking.get(message.id)
      this.#asking.delete(message.id)
      if (answered !== undefined) this.after(latency, () => answered(message, deliveries))
    }
  }

  #say(connection: number, ...what: Parameters<Told>): void {
    const told = this.#streams.get(connection)
    if (told !== undefined) this.after(latency, () => told(...what))
  }

  #close(connection: number): void {
    this.#streams.delete(connection)
    const closed = this.#closing.get(connection) ?? []
    this.#closing.delete(connection)
    this.tell(this.trial.step({ _tag: "ConnectionClosed", connection }))
    for (const each of closed) this.after(latency, each)
  }

  /** Lets time pass. */
  run(millis: number): void {
    const until = this.now + millis
    for (;;) {
      this.tell(this.trial.endTurn())
      const next = Math.min(this.#plans[0]?.at ?? Infinity, Machine.nextDeadline(this.trial.state))
      if (next > until) break
      this.tell(this.trial.advance(Math.max(0, next - this.now)))
      const plan = this.#plans[0]
      if (plan !== undefined && plan.at <= this.now) {
        this.#plans.shift()
        plan.act()
      }
    }
    this.tell(this.trial.advance(until - this.now))
  }
}

/** What a client is like. */
export interface Conduct {
  readonly kind: "exchange" | "socket" | "stream"
  /** Advice that says nothing about a field leaves it as it was, as with Faye; otherwise as it is by default. */
  readonly merges: boolean
  /** It shakes hands again by itself five seconds after it was refused, and as it is advised as well, as Faye's does. */
  readonly insists: boolean
  readonly acknowledges: boolean
  /** It has said that it acknowledges and never does (an extension takes it out, on its way or before). */
  readonly forgets: boolean
  /** Whose session it uses, if that is not its own. */
  readonly guestOf: number | undefined
  /** Over whose socket it connects, if that is not its own. */
  readonly socketOf: number | undefined
  /** When it begins, in milliseconds. */
  readonly begins: number
}

const types = { exchange: "long-polling", socket: "websocket", stream: "eventsource" }
const byDefault: Advice.Advice = { interval: 0 }

/** A client that does what it is told. */
export class Obedient {
  readonly #world: World
  readonly #conduct: Conduct
  clientId: string | undefined
  #advice = byDefault
  #socket: Connection | undefined
  #number: number | undefined
  #connects = 0
  #isShaking = false
  readonly #sentAt: Array<number> = []

  constructor(world: World, conduct: Conduct) {
    this.#world = world
    this.#conduct = conduct
    world.clients.push(this)
    world.after(conduct.begins, () => this.#begin())
  }

  /** The most requests that it has made in a second. */
  get busiest(): number {
    return this.#sentAt.reduce((most, at, i) => {
      const last = this.#sentAt.findLastIndex((other) => other < at + 1_000)
      return Math.max(most, last - i + 1)
    }, 0)
  }

  /** Whether its last connect was taken, or is held. */
  get isConnected(): boolean {
    return this.#isConnected
  }

  #isConnected = false

  /** What it was sent, in order. */
  readonly heard: Array<unknown> = []

  #hear(deliveries: ReadonlyArray<Message.Delivery>): void {
    for (const { data } of deliveries) this.heard.push(data)
  }

  #begin(): void {
    const { guestOf } = this.#conduct
    const host = guestOf === undefined ? undefined : this.#world.clients[guestOf]?.clientId
    if (host === undefined) return this.#handshake()
    this.clientId = host
    this.#connect()
  }

  #send(connection: Connection, message: Message.Raw, answered: (reply: Message.Reply) => void): void {
    this.#sentAt.push(this.#world.now)
    this.#world.ask(connection, message, (reply, deliveries) => {
      this.#hear(deliveries)
      if (reply === undefined) return
      if (reply.advice !== undefined) {
        this.#advice = { ...(this.#conduct.merges ? this.#advice : byDefault), ...reply.advice }
      }
      answered(reply)
    })
  }

  #handshake(): void {
    if (this.#isShaking) return
    this.#isShaking = true
    const { acknowledges, insists, kind } = this.#conduct
    const supportedConnectionTypes = insists ? ["in-process", ...Object.values(types)] : [types[kind]]
    const message = {
      channel: "/meta/handshake",
      version: "1.0",
      supportedConnectionTypes,
      ext: { ack: acknowledges && kind !== "stream" }
    }
    this.#send(this.#world.trial.open("exchange"), message, (reply) => {
      this.#isShaking = false
      if (!reply.successful) return this.#insist()
      this.clientId = reply.clientId
      this.#number = undefined
      this.#subscribe()
      this.#stream()
      this.#connect()
    })
  }

  #subscribe(): void {
    const { clientId = "" } = this
    const message = { channel: "/meta/subscribe", clientId, subscription: "/a" }
    this.#send(this.#world.trial.open("exchange"), message, () => undefined)
  }

  #stream(): void {
    const { clientId } = this
    if (this.#conduct.kind !== "stream" || clientId === undefined) return
    const isOwn = () => this.clientId === clientId
    this.#world.stream(
      clientId,
      (message, deliveries) => {
        if (!isOwn()) return
        this.#hear(deliveries)
        const advice = message?.advice
        if (advice?.reconnect === undefined) return
        this.#advice = { ...this.#advice, ...advice }
        if (advice.reconnect === "handshake") this.#again("handshake")
      },
      // The browser opens it again by itself.
      () => this.#world.after(1_000, () => isOwn() && this.#stream())
    )
  }

  #connect(): void {
    const { clientId = "" } = this
    const connectionType = types[this.#conduct.kind]
    const ext = this.#number === undefined ? undefined : { ext: { ack: this.#number } }
    const connect = ++this.#connects
    const message = { channel: "/meta/connect", clientId, connectionType, ...ext }
    this.#send(this.#connection(), message, (reply) => {
      if (typeof reply.ext?.ack === "number" && !this.#conduct.forgets) this.#number = reply.ext.ack
      this.#isConnected = reply.successful
      if (connect === this.#connects) this.#again("retry")
    })
  }

  #connection(): Connection {
    const { kind, socketOf } = this.#conduct
    if (kind !== "socket") return this.#world.trial.open("exchange")
    const other = socketOf === undefined ? undefined : this.#world.clients[socketOf]?.socket
    if (other !== undefined) this.#watch(other)
    return other ?? this.socket ?? this.#openSocket()
  }

  /** The socket that it has opened. */
  get socket(): Connection | undefined {
    return this.#socket
  }

  #openSocket(): Connection {
    this.#socket = this.#world.trial.open("socket")
    this.#watch(this.#socket)
    return this.#socket
  }

  /** A client that loses its socket while it waits for an answer asks again after a second, as both clients do. */
  #watch(socket: Connection): void {
    const connect = this.#connects
    this.#world.open(socket, () => {
      if (socket === this.#socket) this.#socket = undefined
      if (connect === this.#connects) this.#world.after(1_000, () => this.#connect())
    })
  }

  #insist(): void {
    this.clientId = undefined
    if (!this.#conduct.insists) return this.#again("handshake")
    const shakeHands = () => {
      if (this.clientId === undefined) this.#handshake()
    }
    this.#world.after(5_000, shakeHands)
    if (this.#advice.reconnect === "handshake") this.#world.after(this.#advice.interval ?? 0, shakeHands)
  }

  #again(otherwise: "retry" | "handshake"): void {
    const { interval = 0, reconnect = otherwise } = this.#advice
    if (reconnect === "none") return
    const connect = this.#connects
    this.#world.after(interval, () => {
      if (connect !== this.#connects) return
      if (reconnect === "handshake" || this.clientId === undefined) this.#handshake()
      else this.#connect()
    })
  }
}
