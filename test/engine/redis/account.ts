/** What became of messages: who has received too little, too much or in the wrong order. */
import type { PrintedEvent } from "../../support/command.ts"
import type { Published, Received } from "../../support/roaming.ts"

export interface Account {
  /** Publishes that the server has accepted. */
  readonly accepted: number
  /** Publishes whose answer did not come, so that nobody knows. */
  readonly unknown: number
  /** Publishes that the server has refused. */
  readonly refused: number
  /** Messages that were received, each as often as it was. */
  readonly received: number
  /** Accepted messages that did not reach a subscriber. */
  readonly lost: number
  /** Messages that reached a subscriber again. */
  readonly doubled: number
  /** Accepted messages that reached a subscriber, by the same way, after a later one of their publisher and channel. */
  readonly reordered: number
  /** Messages that reached a subscriber although they were refused, or never published. */
  readonly unfounded: number
}

export interface Audit {
  /** Accepted publishes, and begins and ends of sessions, that no process has told as an event. */
  readonly untold: number
  /** Events that were told again. */
  readonly toldAgain: number
}

export const nothing: Account = {
  accepted: 0,
  unknown: 0,
  refused: 0,
  received: 0,
  lost: 0,
  doubled: 0,
  reordered: 0,
  unfounded: 0
}

/** Everything was told, and once. */
export const flawless: Audit = { untold: 0, toldAgain: 0 }

/** Adds figure by figure. */
export const add = <A extends Account | Audit>(one: A, other: A): A =>
  Object.fromEntries(Object.entries(one).map(([what, count]) => [what, count + other[what as keyof A]])) as A

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((one, other) => one + other, 0)

const nameOf = ({ by, n }: Received): string => `${by}:${n}`

/** How often a message comes after a later one of the same publisher and channel. */
const countReordered = (messages: ReadonlyArray<Received>): number => {
  const latest = new Map<string, number>()
  let count = 0
  for (const { by, channel, n } of messages) {
    const key = `${by} ${channel}`
    const last = latest.get(key) ?? -1
    if (n < last) count++
    else latest.set(key, n)
  }
  return count
}

const firsts = (messages: ReadonlyArray<Received>): ReadonlyArray<Received> => {
  const seen = new Set<string>()
  return messages.filter((message) => {
    const name = nameOf(message)
    return !seen.has(name) && seen.add(name)
  })
}

/** What one subscriber to everything has received, by each of its ways. */
export type Inbox = ReadonlyArray<ReadonlyArray<Received>>

/** Compares what was published with what one subscriber has received. */
const compare = (published: ReadonlyArray<Published>, inbox: Inbox): Account => {
  const outcomes = new Map(published.map((message) => [nameOf(message), message.outcome]))
  const isAccepted = (message: Received) => outcomes.get(nameOf(message)) === "accepted"
  const first = firsts(inbox.flat())
  const names = new Set(first.map(nameOf))
  return {
    ...nothing,
    received: inbox.flat().length,
    lost: published.filter((message) => isAccepted(message) && !names.has(nameOf(message))).length,
    doubled: inbox.flat().length - first.length,
    reordered: sum(inbox.map((received) => countReordered(firsts(received).filter(isAccepted)))),
    unfounded: first.filter((message) => (outcomes.get(nameOf(message)) ?? "refused") === "refused").length
  }
}

/** Compares what was published with what each of the subscribers has received. */
export const balance = (published: ReadonlyArray<Published>, inboxes: ReadonlyArray<Inbox>): Account => {
  const count = (outcome: Published["outcome"]) => published.filter((message) => message.outcome === outcome).length
  const outcomes = { accepted: count("accepted"), unknown: count("unknown"), refused: count("refused") }
  return inboxes.map((inbox) => compare(published, inbox)).reduce(add, { ...nothing, ...outcomes })
}

const dataOf = ({ data }: PrintedEvent) => data as Received

/** What happened once, by a name of its own. */
const nameOfEvent = (event: PrintedEvent): string =>
  event["_tag"] === "Publish"
    ? nameOf(dataOf(event))
    : `${event._tag} ${String(event["clientId"])} ${String(event["channel"])}`

/** Compares what was published, and the sessions that began and ended, with the events. */
export const audit = (
  published: ReadonlyArray<Published>,
  clientIds: ReadonlyArray<string>,
  events: ReadonlyArray<PrintedEvent>
): Audit => {
  const told = new Set(events.map(nameOfEvent))
  const ends = clientIds.flatMap((clientId) => [`Handshake ${clientId} undefined`, `Disconnect ${clientId} undefined`])
  const accepted = published.filter(({ outcome }) => outcome === "accepted").map(nameOf)
  return {
    untold: [...ends, ...accepted].filter((name) => !told.has(name)).length,
    toldAgain: events.length - told.size
  }
}

/** The figures of a suite in one line. */
export const line = (name: string, rounds: number, account: Account | Audit): string =>
  `${name}: ${rounds} rounds, ` + Object.entries(account).map(([what, count]) => `${count} ${what}`).join(", ")
