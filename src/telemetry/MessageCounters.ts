/**
 * Counters of messages, losses and ends of sessions: plain numbers that only grow, read when metrics are collected.
 * Current numbers, such as that of sessions, are not counted along, because one missed event would make them wrong for
 * good. They are read from the state (`Gauges`).
 */
import type { Outcome } from "../core/Change.ts"
import * as Channel from "../core/Channel.ts"
import { channelOf, type Delivery, type Incoming } from "../core/Message.ts"
import type { Cause } from "../core/MonitorEvent.ts"
import type { Frame } from "../service/Frame.ts"
import type { LossReason, Probe } from "../service/Probe.ts"
import { Latency } from "./Latency.ts"
import { Templates } from "./Templates.ts"

/** The meta channels. Each of them is its own template. */
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

/** Messages of one template that arrived in the same turn. */
interface Batch {
  readonly template: number
  readonly arrivedAt: number
  messages: number
}

const none: ReadonlyArray<Delivery> = []

/** The counters of a service since their construction. */
export class MessageCounters implements Probe {
  readonly keepsTraces = false
  readonly latency = new Latency()
  readonly ends = { ...causes }
  readonly losses = { ...losses }
  readonly #templates: Templates
  readonly #received: Array<number>
  readonly #delivered: Array<number>
  /** Deliveries of the last frame. The next frame often has the same. */
  #deliveries = none
  #batches: Array<Batch> = []

  constructor(templates: ReadonlyArray<string>) {
    this.#templates = new Templates([...meta, ...templates])
    this.#received = this.#templates.names.map(() => 0)
    this.#delivered = this.#templates.names.map(() => 0)
  }

  /** Names of the templates: the meta channels, the declared ones, `other`. */
  get templates(): ReadonlyArray<string> {
    return this.#templates.names
  }

  /** Number of messages that arrived, by template. */
  get messagesReceived(): ReadonlyArray<number> {
    return this.#received
  }

  /** Number of messages that were delivered, counted for each session, by template. */
  get messagesDelivered(): ReadonlyArray<number> {
    return this.#delivered
  }

  turnBegan(now: number): void {
    this.latency.turnBegan(now)
  }

  turnEnded(): void {
    this.#deliveries = none
  }

  received(message: Incoming): void {
    add(this.#received, this.#templates.indexOf(channelOf(message) ?? ""), 1)
  }

  happened(outcome: Outcome): void {
    if (outcome._tag === "SessionEnded" && outcome.isOwn) this.ends[outcome.change.cause._tag]++
  }

  sent({ deliveries }: Pick<Frame, "deliveries">): void {
    if (deliveries.length === 0) return
    if (deliveries !== this.#deliveries) this.#group(deliveries)
    for (const { arrivedAt, messages, template } of this.#batches) {
      add(this.#delivered, template, messages)
      this.latency.delivered(arrivedAt, messages)
    }
  }

  /** Groups deliveries into batches. Messages of a batch usually follow each other; others make a second batch. */
  #group(deliveries: ReadonlyArray<Delivery>): void {
    let batch: Batch | undefined
    this.#deliveries = deliveries
    this.#batches = []
    for (const { arrivedAt, channel } of deliveries) {
      const template = this.#templates.indexOf(channel)
      if (batch?.template === template && batch.arrivedAt === arrivedAt) batch.messages++
      else this.#batches.push(batch = { template, arrivedAt, messages: 1 })
    }
  }

  dropped(reason: LossReason, messages: number): void {
    this.losses[reason] += messages
  }
}
