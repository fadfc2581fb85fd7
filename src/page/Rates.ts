/**
 * How many messages each channel gets, over the last seconds, and which channels are worth showing. However many channels
 * there are, only so many are counted by name in a second.
 */
import * as Channel from "../core/Channel.ts"
import type { ChannelRow } from "./PageProtocol.ts"
import { Top } from "./Top.ts"

/** Seconds over which a rate is taken. */
const span = 5

/** Channels that are counted in a second. */
const limit = 2_000

/** Channels whose patterns are looked for. */
const busiest = 500

/** Rows by subscribers, and as many by rate. */
const rows = 50

/** Messages by channel. */
export class Rates {
  #current = new Map<string, number>()
  #past: ReadonlyArray<ReadonlyMap<string, number>> = []

  /** A message was published. */
  count(channel: Channel.Channel): void {
    const before = this.#current.get(channel)
    if (before !== undefined || this.#current.size < limit) this.#current.set(channel, (before ?? 0) + 1)
  }

  /** A second is over. */
  roll(): void {
    this.#past = [this.#current, ...this.#past].slice(0, span)
    this.#current = new Map()
  }

  /** The channels with the most subscribers and those with the most messages, each once. */
  rows(subscribers: ReadonlyMap<string, number>): ReadonlyArray<ChannelRow> {
    const rates = this.#matched(subscribers)
    const row = (channel: string): ChannelRow => ({
      channel,
      subscribers: subscribers.get(channel) ?? 0,
      rate: rates.get(channel) ?? 0
    })
    const bySubscribers = new Top<ChannelRow>(rows, (a, b) => b.subscribers - a.subscribers)
    const byRate = new Top<ChannelRow>(rows, (a, b) => b.rate - a.rate)
    for (const channel of subscribers.keys()) bySubscribers.add(row(channel))
    for (const channel of rates.keys()) byRate.add(row(channel))
    return [...new Map([...bySubscribers.all, ...byRate.all].map((row) => [row.channel, row])).values()]
  }

  /** Messages a second by channel, and by each pattern that somebody has subscribed to. */
  #matched(subscribers: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    const rates = new Map<string, number>()
    for (const [channel, count] of this.#busiest()) {
      for (const pattern of Channel.expand(channel as Channel.Channel)) {
        if (pattern !== channel && !subscribers.has(pattern)) continue
        rates.set(pattern, (rates.get(pattern) ?? 0) + count / this.#past.length)
      }
    }
    return rates
  }

  #busiest(): ReadonlyArray<readonly [channel: string, count: number]> {
    const counts = new Map<string, number>()
    for (const second of this.#past) {
      for (const [channel, count] of second) counts.set(channel, (counts.get(channel) ?? 0) + count)
    }
    const top = new Top<readonly [string, number]>(busiest, ([, a], [, b]) => b - a)
    for (const entry of counts) top.add(entry)
    return top.all
  }
}
