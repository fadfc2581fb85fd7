/**
 * Messages a second by channel, over the last seconds, and the channels for the table. The number of channels that are
 * counted in a second is bounded.
 */
import * as Channel from "../core/Channel.ts"
import type { ChannelRow } from "./PageProtocol.ts"
import { Top } from "./Top.ts"

/** Number of seconds over which rates are averaged. */
const seconds = 5

/** Highest number of channels that are counted in a second. */
const maxCounted = 2_000

/** Highest number of channels that are also counted for their patterns. */
const maxBusiest = 500

/** Number of rows by subscribers, and of rows by rate. */
const rows = 50

/** Rates of channels. */
export class Rates {
  #current = new Map<string, number>()
  #past: ReadonlyArray<ReadonlyMap<string, number>> = []

  /** Counts a published message. */
  count(channel: Channel.Channel): void {
    const before = this.#current.get(channel)
    if (before !== undefined || this.#current.size < maxCounted) this.#current.set(channel, (before ?? 0) + 1)
  }

  /** Ends the current second. */
  endSecond(): void {
    this.#past = [this.#current, ...this.#past].slice(0, seconds)
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

  /** Messages a second by channel, and by each pattern with a subscriber. */
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
    const top = new Top<readonly [string, number]>(maxBusiest, ([, a], [, b]) => b - a)
    for (const entry of counts) top.add(entry)
    return top.all
  }
}
