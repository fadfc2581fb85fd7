/**
 * Rounds of publishing while something goes wrong: in each there are fresh sessions at all processes, some of which
 * acknowledge, publishers that go on whatever happens, and a fault at a moment drawn by lot. When all is well again
 * each subscriber has to have what was accepted; the accounts of those that acknowledge are kept apart.
 */
import { assert } from "@effect/vitest"
import type { Cluster } from "../../support/cluster.ts"
import type { PrintedEvent } from "../../support/command.ts"
import {
  Exchange,
  type Published,
  Publisher,
  type Received,
  type Route,
  Session,
  type Transport
} from "../../support/roaming.ts"
import { patience, random, subscribeMessage, until } from "../../transport/support.ts"
import * as Account from "./account.ts"
import { Chronicle } from "./chronicle.ts"
import type { Setting } from "./setting.ts"

export type Random = ReturnType<typeof random>

export interface Figures {
  /** What the processes have printed. */
  readonly printed: Account.Audit
  /** What a consumer of the cluster's events was told. */
  readonly chronicle: Account.Audit
  /** Of the subscribers that do not acknowledge. */
  readonly plain: Account.Account
  /** Of those that do. */
  readonly acknowledging: Account.Account
  /** Answers that these did not read, because they had read another one since they had asked. */
  readonly overtaken: number
}

/** What is there while the fault happens. */
export interface Scene {
  readonly random: Random
  /** Waits until each publisher has had so many more messages accepted. */
  readonly published: (count: number) => Promise<void>
  /** All that was published so far. */
  readonly log: () => ReadonlyArray<Published>
}

export interface RoundsOptions {
  readonly name: string
  readonly setting: Setting
  /** Each gives a round of its own. */
  readonly seeds: ReadonlyArray<number>
  /** How many rounds run at the same time. Default: 1. */
  readonly atOnce?: number
  /** Makes something go wrong, and ends when it has been put right. */
  readonly fault: (scene: Scene) => Promise<void>
  /** How long clients wait for a word of the server before they go elsewhere. Default: for ever. */
  readonly patience?: number
  /** Processes die, and what they had not printed yet is gone. Default: false. */
  readonly isDeadly?: boolean
  /** Redis forgets some of what it has told. Default: false. */
  readonly isForgetful?: boolean
  /** The subscribers of a round. Default: three that acknowledge and three that do not. */
  readonly subscribers?: (routes: Routes) => ReadonlyArray<Kind>
}

/** Ways through the processes. */
export interface Routes {
  /** Stays with a process, drawn by lot, for as long as it answers. */
  readonly loyal: () => Route
  /** Goes to another process each time. */
  readonly restless: () => Route
  /** Knows one process only. */
  readonly at: (place: number) => Route
}

/** A kind of subscriber: whether it acknowledges, and by what it connects (by all of these at once). */
export interface Kind {
  readonly ack: boolean
  readonly ways: ReadonlyArray<readonly [Transport, Route]>
}

const routes = (cluster: Cluster, random: Random, patience: number | undefined): Routes => {
  const limit = patience === undefined ? {} : { patience }
  const url = (place: number) => cluster.urls[place % cluster.urls.length] ?? ""
  return {
    loyal: () => {
      let place = random.below(cluster.urls.length)
      return { ...limit, next: (hasFailed) => url(hasFailed ? ++place : place) }
    },
    restless: () => {
      let place = random.below(cluster.urls.length)
      return { ...limit, next: () => url(place += 1 + random.below(cluster.urls.length - 1)) }
    },
    at: (place) => ({ ...limit, next: () => url(place) })
  }
}

const everybody = ({ loyal, restless }: Routes): ReadonlyArray<Kind> =>
  [false, true].flatMap((ack): ReadonlyArray<Kind> => [
    { ack, ways: [["long-polling", loyal()]] },
    { ack, ways: [["long-polling", restless()]] },
    { ack, ways: [["websocket", loyal()]] }
  ])

/** The last accepted message of each publisher and channel: whoever has these has had all that came before. */
const lastOf = (published: ReadonlyArray<Published>): ReadonlyArray<Published> => {
  const last = new Map<string, Published>()
  for (const message of published) {
    if (message.outcome === "accepted") last.set(`${message.by} ${message.channel}`, message)
  }
  return [...last.values()]
}

/** Waits until a session has received the last messages. */
const receiveAll = (session: Session, last: ReadonlyArray<Published>): Promise<boolean> => {
  const has = ({ by, n }: Received) =>
    session.received.some((way) => way.findLast((message) => message.by === by && message.n === n) !== undefined)
  const missing = () => last.filter((message) => !has(message))
  return until(() => `a subscriber to receive ${JSON.stringify(missing())}`, () => {
    if (session.forgotten !== undefined) throw new Error(`A session was forgotten: ${session.forgotten}`)
    return missing().length === 0
  }, 2 * patience)
}

/** What a round is made of. */
interface Parts {
  readonly random: Random
  readonly channels: readonly [string, string]
  readonly sessions: ReadonlyArray<Session>
  readonly publishers: ReadonlyArray<Publisher>
  /** Reaches any process. */
  readonly exchange: Exchange
  readonly chronicle: Chronicle
  /** What was printed since the beginning. */
  readonly printed: () => ReadonlyArray<PrintedEvent>
  readonly isDeadly: boolean
  readonly isForgetful: boolean
}

class Round {
  readonly #parts: Parts
  #isOver = false

  private constructor(parts: Parts) {
    this.#parts = parts
  }

  static async begin(options: RoundsOptions, chronicle: Chronicle, seed: number): Promise<Round> {
    const { isDeadly = false, isForgetful = false, name, patience, setting, subscribers = everybody } = options
    const { cluster } = setting
    const printed = cluster.record()
    const lot = random(seed)
    const ways = routes(cluster, lot, patience)
    const folder = `/${name.replaceAll(" ", "-")}-${seed}`
    const channels = [`${folder}/a`, `${folder}/b`] as const
    const patterns = () => lot.pick([[...channels], [`${folder}/*`], [`${folder}/**`, channels[0], `${folder}/*`]])
    // It waits as long as it takes: whoever gives up a handshake does not know the session that it may have begun.
    const exchange = new Exchange(routes(cluster, lot, undefined).restless())
    const begin = async (kind: Kind) => {
      const session = await Session.begin(exchange, kind)
      await exchange.send(subscribeMessage(session.clientId, patterns()))
      for (const [transport, route] of kind.ways) session.attend(transport, route)
      return session
    }
    const sessions = await Promise.all(subscribers(ways).map(begin))
    const publishers = [
      new Publisher(`${seed}-loyal`, ways.loyal()),
      new Publisher(`${seed}-restless`, ways.restless()),
      new Publisher(`${seed}-session`, ways.loyal(), sessions[0]?.clientId)
    ]
    return new Round({
      ...{ random: lot, channels, sessions, publishers, exchange },
      ...{ chronicle, printed, isDeadly, isForgetful }
    })
  }

  async run(fault: RoundsOptions["fault"]): Promise<Figures> {
    const { channels, chronicle, exchange, publishers, random, sessions } = this.#parts
    const publishing = Promise.all(publishers.map((publisher) => this.#publish(publisher)))
    // It is awaited at the end only, which may be later than it fails.
    publishing.catch(() => undefined)
    try {
      await this.#published(3 + random.below(20))
      await fault({ random, published: (count) => this.#published(count), log: () => this.#log })
      await chronicle.restart()
      await this.#published(3)
    } finally {
      this.#isOver = true
      await publishing
    }
    await Promise.all(publishers.map((publisher) => publisher.publishForSure(channels)))
    const last = lastOf(this.#log)
    await Promise.all(sessions.map((session) => receiveAll(session, last)))
    await Promise.all(sessions.map((session) => session.disconnect(exchange)))
    const overtaken = sessions.reduce((sum, session) => sum + session.overtaken, 0)
    return { plain: this.#balance(false), acknowledging: this.#balance(true), overtaken, ...await this.#audits() }
  }

  get #log(): ReadonlyArray<Published> {
    return this.#parts.publishers.flatMap(({ published }) => published)
  }

  async #publish(publisher: Publisher): Promise<void> {
    const { channels: [a, b], random } = this.#parts
    while (!this.#isOver) await publisher.publish(random.pick([[a], [b], [a, b], [b, b, a]]))
  }

  async #published(count: number): Promise<void> {
    const { publishers } = this.#parts
    const accepted = ({ published }: Publisher) => published.filter(({ outcome }) => outcome === "accepted").length
    const before = publishers.map(accepted)
    const isEnough = (publisher: Publisher, at: number) => accepted(publisher) >= (before[at] ?? 0) + count
    await until("publishes to be accepted", () => publishers.every(isEnough), 2 * patience)
  }

  #balance(ack: boolean): Account.Account {
    const sessions = this.#parts.sessions.filter((session) => session.ack === ack)
    return Account.balance(this.#log, sessions.map(({ received }) => received))
  }

  async #audits(): Promise<Pick<Figures, "printed" | "chronicle">> {
    const { chronicle, isDeadly, isForgetful, printed } = this.#parts
    return {
      printed: await this.#audit(printed, isDeadly),
      chronicle: isForgetful
        ? Account.flawless
        : await this.#audit(() => chronicle.events.map((event) => ({ ...event })), false)
    }
  }

  /** Waits for the last events, where none may be missing. */
  async #audit(events: () => ReadonlyArray<PrintedEvent>, mayMiss: boolean): Promise<Account.Audit> {
    const { channels, sessions } = this.#parts
    const clientIds = sessions.map(({ clientId }) => clientId)
    const isOurs = ({ channel, clientId }: PrintedEvent) =>
      clientIds.includes(String(clientId)) || channels.includes(String(channel))
    const audit = () => Account.audit(this.#log, clientIds, events().filter(isOurs))
    if (!mayMiss) await until(() => `${audit().untold} events`, () => audit().untold === 0)
    return audit()
  }
}

const none: Figures = {
  plain: Account.nothing,
  acknowledging: Account.nothing,
  overtaken: 0,
  printed: Account.flawless,
  chronicle: Account.flawless
}

const add = (one: Figures, other: Figures): Figures => ({
  plain: Account.add(one.plain, other.plain),
  acknowledging: Account.add(one.acknowledging, other.acknowledging),
  overtaken: one.overtaken + other.overtaken,
  printed: Account.add(one.printed, other.printed),
  chronicle: Account.add(one.chronicle, other.chronicle)
})

/** Runs the rounds, prints their figures in a line each, and gives their sums. */
export const runRounds = async (options: RoundsOptions): Promise<Figures> => {
  const seeds = [...options.seeds]
  const chronicle = await Chronicle.begin(options.setting.redis)
  let sum = none
  const work = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      try {
        const round = await Round.begin(options, chronicle, seed)
        sum = add(sum, await round.run(options.fault))
      } catch (cause) {
        throw new Error(`${options.name}, round with seed ${seed}: ${String(cause)}`, { cause })
      }
    }
  }
  await Promise.all(Array.from({ length: options.atOnce ?? 1 }, work))
  const print = (what: string, account: Account.Account | Account.Audit) =>
    console.log(Account.line(`${options.name}, ${what}`, options.seeds.length, account))
  print("without acknowledgements", sum.plain)
  print("with acknowledgements", sum.acknowledging)
  if (sum.overtaken > 0) console.log(`${options.name}: ${sum.overtaken} answers were overtaken by another one`)
  print("events printed", sum.printed)
  print("events of the cluster", sum.chronicle)
  return sum
}

export interface Promises {
  /** Messages may come again to those that do not acknowledge. */
  readonly mayDouble: boolean
  /** So many accepted messages may not have come, or late, or again even where they are acknowledged. Default: 0. */
  readonly atRisk?: number
}

/** What is promised whatever goes wrong. */
export const assertKept = (
  { acknowledging, chronicle, plain, printed }: Figures,
  { atRisk = 0, mayDouble }: Promises
): void => {
  for (const account of [plain, acknowledging]) {
    assert.isAbove(account.accepted, 0)
    assert.isAtMost(account.lost, atRisk)
    assert.isAtMost(account.reordered, atRisk)
    assert.strictEqual(account.unfounded, 0)
  }
  assert.strictEqual(printed.toldAgain, 0, "events printed")
  assert.deepStrictEqual(chronicle, Account.flawless, "events of the cluster")
  assert.isAtMost(acknowledging.doubled, atRisk, "with acknowledgements")
  if (!mayDouble) assert.strictEqual(plain.doubled, 0, "without acknowledgements")
}
