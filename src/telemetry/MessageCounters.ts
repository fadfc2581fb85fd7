/**
 * What is counted as it happens: plain numbers that only grow, read when metrics are collected. How many of something
 * there are now is not counted here: counts that are kept from events are wrong as soon as one is missed, and the state
 * knows (`Reading`).
 */
import type { Outcome } from "../core/Change.ts"
import * as Channel from "../core/Channel.ts"
import { channelOf, type Delivery, type Incoming } from "../core/Message.ts"
import type { Cause } from "../core/MonitorEvent.ts"
import type { Frame } from "../service/Frame.ts"
import type { LossReason, Probe } from "../service/Probe.ts"
import { Latency } from "./Latency.ts"
import { Templates } from "./Templates.ts"

/** The channels of the protocol, each of which is its own template. */
const meta = [Channel.handshake, Channel.connect, Channel.subscribe, Channel.unsubscribe, Channel.disconnect]

const causes = {
  ClientRequest: 0,
  Timeout: 0,
  Kicked: 0,
  QueueOverflow: 0,
  Shutdown: 0,
  EngineLost: 0,
  ProcessLost: 0
} satisfies { readonly [tag in Cause["_tag"]]: number }

const losses = { ...causes, Unwritten: 0, Refused: 0, Extension: 0 } satisfies {
  readonly [reason in LossReason]: number
}

const add = (counts: Array<number>, template: number, messages: number): void => {
  counts[template] = (counts[template] ?? 0) + messages
}

/** So many messages of one template that have arrived in the same turn. */
interface Lot {
  readonly template: number
  readonly arrivedAt: number
  messages: number
}

const nothing: ReadonlyArray<Delivery> = []

/** The numbers of a service since they are counted. */
export class MessageCounters implements Probe {
  readonly keepsTraces = false
  readonly latency = new Latency()
  readonly ends = { ...causes }
  readonly losses = { ...losses }
  readonly #templates: Templates
  readonly #received: Array<number>
  readonly #delivered: Array<number>
  /** What the frame delivers that was sent last: the next one is often the same. */
  #deliveries = nothing
  #lots: Array<Lot> = []

  constructor(templates: ReadonlyArray<string>) {
    this.#templates = new Templates([...meta, ...templates])
    this.#received = this.#templates.names.map(() => 0)
    this.#delivered = this.#templates.names.map(() => 0)
  }

  /** The templates of what is counted: the channels of the protocol, those that were declared, `other`. */
  get templates(): ReadonlyArray<string> {
    return this.#templates.names
  }

  /** How many messages have arrived, by template. */
  get messagesReceived(): ReadonlyArray<number> {
    return this.#received
  }

  /** How many messages have been delivered, each to each session, by template. */
  get messagesDelivered(): ReadonlyArray<number> {
    return this.#delivered
  }

  turnBegan(now: number): void {
    this.latency.turnBegan(now)
  }

  turnEnded(): void {
    this.#deliveries = nothing
  }

  received(message: Incoming): void {
    add(this.#received, this.#templates.indexOf(channelOf(message) ?? ""), 1)
  }

  happened(outcome: Outcome): void {
    if (outcome._tag === "SessionEnded" && outcome.isOwn) this.ends[outcome.change.cause._tag]++
  }

  sent({ deliveries }: Pick<Frame, "deliveries">): void {
    if (deliveries.length === 0) return
    if (deliveries !== this.#deliveries) this.#read(deliveries)
    for (const { arrivedAt, messages, template } of this.#lots) {
      add(this.#delivered, template, messages)
      this.latency.delivered(arrivedAt, messages)
    }
  }

  /** Messages of one lot mostly follow each other; it does no harm if they do not. */
  #read(deliveries: ReadonlyArray<Delivery>): void {
    let lot: Lot | undefined
    this.#deliveries = deliveries
    this.#lots = []
    for (const { arrivedAt, channel } of deliveries) {
      const template = this.#templates.indexOf(channel)
      if (lot?.template === template && lot.arrivedAt === arrivedAt) lot.messages++
      else this.#lots.push(lot = { template, arrivedAt, messages: 1 })
    }
  }

  dropped(reason: LossReason, messages: number): void {
    this.losses[reason] += messages
  }
}
