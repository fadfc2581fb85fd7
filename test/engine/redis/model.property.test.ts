/**
 * Random requests to random processes, with the pure reducer as the oracle: it is told each request and says how it is
 * answered, who gets which messages, which events there are and what the counts are. What the processes do together has
 * to be the same.
 *
 * Requests come in bursts. Those of a burst are sent at the same time, to different processes and by different clients,
 * and none of them depends on another; the next burst follows when all are answered.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "@effect/vitest"
import { HashMap } from "effect"
import * as fc from "fast-check"
import * as ClientId from "../../../src/core/ClientId.ts"
import type { Connection } from "../../../src/core/Connection.ts"
import { deliveredTo, repliesIn, Trial } from "../../core/trial.ts"
import type { PrintedEvent } from "../../support/command.ts"
import { Exchange, type Numbered, Session, straight, type Transport } from "../../support/roaming.ts"
import { limit, runs } from "../../support/seeds.ts"
import { type Message, releaseLater, subscribeMessage, until } from "../../transport/support.ts"
import { assertNoSessions, begin, counts, keys, namespace, type Setting } from "./setting.ts"

// ---------------------------------------------------------------------------------------------------------------------
// what can happen

const channels = ["/a", "/b", "/a/b", "/a/b/c"] as const
const patterns = [...channels, "/*", "/**", "/a/*", "/a/**"] as const

const at = fc.nat(2)
const someone = fc.nat(5)

const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("handshake" as const), who: someone, at, ack: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("subscribe" as const, "unsubscribe" as const),
      who: someone,
      at,
      patterns: fc.uniqueArray(fc.constantFrom(...patterns), { minLength: 1, maxLength: 3 })
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("connect" as const),
      who: someone,
      at,
      transport: fc.constantFrom<Transport>("websocket", "long-polling")
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), who: someone, at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("disconnect" as const), who: someone, at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("mistake" as const),
      who: someone,
      at,
      message: fc.constantFrom(
        { channel: "/meta/subscribe", subscription: ["/a", "/meta/x"] },
        { channel: "/a/*", data: 1 },
        { channel: "/a", data: 1, clientId: "nobody" },
        { channel: "/meta/disconnect", clientId: "nobody" }
      )
    })
  }
)
type Change = typeof change extends fc.Arbitrary<infer A> ? A : never

const publishing = fc.record({
  who: fc.option(someone),
  at,
  channels: fc.array(fc.constantFrom(...channels), { minLength: 1, maxLength: 4 })
})
type Publishing = typeof publishing extends fc.Arbitrary<infer A> ? A : never

const bursts = fc.array(
  fc.oneof(
    fc.record({ changes: fc.uniqueArray(change, { selector: ({ who }) => who, minLength: 1, maxLength: 6 }) }),
    fc.record({ publishes: fc.uniqueArray(publishing, { selector: ({ who }) => who, minLength: 1, maxLength: 6 }) })
  ),
  { minLength: 4, maxLength: 24 }
)

// ---------------------------------------------------------------------------------------------------------------------
// the oracle

/** The reducer with the names that the real processes have given. */
class Oracle extends Trial {
  #nextName: ClientId.ClientId | undefined
  readonly sockets = new Map<string, Connection>()

  override freshId(): ClientId.ClientId {
    return this.#nextName ?? super.freshId()
  }

  /** A session is always connected here: what it is to get it gets at once. */
  begin(name: string): void {
    this.#nextName = ClientId.make(name)
    this.sockets.set(name, this.socket().connection)
  }

  ask(message: object): Message | undefined {
    return repliesIn(this.receive(this.open("exchange"), message))[0]
  }

  /** What a session was to get, in order. */
  delivered(name: string): ReadonlyArray<Numbered> {
    const socket = this.sockets.get(name)
    return socket === undefined ? [] : deliveredTo(this.outputs, socket) as ReadonlyArray<Numbered>
  }

  get counts() {
    const subscribers = new Map<string, number>()
    for (const session of HashMap.values(this.state.sessions)) {
      for (const pattern of session.subscriptions) {
        subscribers.set(pattern, (subscribers.get(pattern) ?? 0) + 1)
      }
    }
    return { sessions: HashMap.size(this.state.sessions), subscribers }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// the run

let runCount = 0

/** Messages by publisher and channel: only in there they have an order. */
const byPublisher = (messages: ReadonlyArray<Numbered>): ReadonlyMap<string, ReadonlyArray<number>> => {
  const all = new Map<string, Array<number>>()
  for (const { by, n } of messages) {
    const own = all.get(by)
    if (own === undefined) all.set(by, [n])
    else own.push(n)
  }
  return all
}

const told = ({ _tag, cause, channel, clientId, data }: PrintedEvent): string =>
  JSON.stringify([_tag, clientId, channel ?? null, data ?? null, cause ?? null])

/** What of a reply does not depend on the process. */
const essence = (reply: Message | undefined) => ({
  channel: reply?.channel,
  successful: reply?.successful,
  error: reply?.error,
  subscription: reply?.subscription
})

class Run {
  readonly #setting: Setting
  readonly #folder = `/run-${++runCount}`
  readonly #oracle = new Oracle()
  readonly #exchanges: ReadonlyArray<Exchange>
  readonly #sessions = new Map<number, Session>()
  readonly #past: Array<Session> = []
  readonly #counts = new Map<string, number>()
  readonly #events: () => ReadonlyArray<PrintedEvent>

  constructor(setting: Setting) {
    this.#setting = setting
    this.#exchanges = setting.cluster.urls.map((url) => new Exchange(straight(url)))
    this.#events = setting.cluster.record()
  }

  #url(at: number): string {
    const { urls } = this.#setting.cluster
    return urls[at % urls.length] ?? ""
  }

  #exchange(at: number): Exchange {
    return this.#exchanges[at % this.#exchanges.length] as Exchange
  }

  /** The same request to a process and to the oracle gets the same answer. */
  async #ask(at: number, message: object): Promise<void> {
    const expected = this.#oracle.ask(message)
    const [reply] = await this.#exchange(at).send(message)
    assert.deepStrictEqual(essence(reply), essence(expected), JSON.stringify(message))
  }

  // -- bursts

  async change(changes: ReadonlyArray<Change>): Promise<void> {
    await Promise.all(changes.map((change) => this.#perform(change)))
  }

  async #perform(change: Change): Promise<void> {
    const session = this.#sessions.get(change.who)
    if (change.do === "handshake") {
      if (session === undefined) await this.#handshake(change.who, change.at, change.ack)
    } else if (change.do === "mistake") {
      await this.#ask(change.at, { clientId: session?.clientId ?? "somebody", ...change.message })
    } else if (session !== undefined) {
      await this.#performFor(session, change)
    }
  }

  async #performFor(
    session: Session,
    change: Exclude<Change, { readonly do: "handshake" | "mistake" }>
  ): Promise<void> {
    switch (change.do) {
      case "subscribe":
      case "unsubscribe": {
        const subscription = change.patterns.map((pattern) => this.#folder + pattern)
        const message = { ...subscribeMessage(session.clientId, subscription), channel: `/meta/${change.do}` }
        return this.#ask(change.at, message)
      }
      case "connect":
        await this.#leave(session)
        return session.attend(change.transport, straight(this.#url(change.at)))
      case "leave":
        return this.#leave(session)
      case "disconnect":
        return this.#disconnect(change.who, session, change.at)
    }
  }

  async #handshake(who: number, at: number, ack: boolean): Promise<void> {
    const session = await Session.begin(this.#exchange(at), { ack })
    this.#oracle.begin(session.clientId)
    this.#sessions.set(who, session)
  }

  /** Who leaves has all that has come so far; what is on its way to one who has left could not be expected to arrive. */
  async #leave(session: Session): Promise<void> {
    if (session.isAttended) await this.#receiveAll(session)
    await session.leave()
  }

  async #disconnect(who: number, session: Session, at: number): Promise<void> {
    this.#oracle.ask({ channel: "/meta/disconnect", clientId: session.clientId })
    await session.disconnect(this.#exchange(at))
    this.#sessions.delete(who)
    this.#past.push(session)
  }

  async publish(publishes: ReadonlyArray<Publishing>): Promise<void> {
    await Promise.all(publishes.map(async ({ at, channels, who }) => {
      const session = who === null ? undefined : this.#sessions.get(who)
      const sender = session === undefined ? {} : { clientId: session.clientId }
      const messages = channels.map((name) => {
        const channel = this.#folder + name
        const by = `${who} ${channel}`
        const n = this.#counts.get(by) ?? 0
        this.#counts.set(by, n + 1)
        return { channel, data: { by, n }, ...sender }
      })
      const expected = messages.map((message) => essence(this.#oracle.ask(message)))
      assert.deepStrictEqual((await this.#exchange(at).send(...messages)).map(essence), expected)
    }))
  }

  // -- the end

  async finish(): Promise<void> {
    for (const session of this.#sessions.values()) {
      if (!session.isAttended) session.attend("long-polling", straight(this.#url(0)))
      await this.#receiveAll(session)
    }
    assert.deepStrictEqual(await counts(this.#setting), this.#oracle.counts)
    for (const [who, session] of [...this.#sessions]) await this.#disconnect(who, session, who)
    for (const session of this.#past) this.#check(session)
    await this.#checkEvents()
    await assertNoSessions(this.#setting)
  }

  async #receiveAll(session: Session): Promise<void> {
    const expected = this.#oracle.delivered(session.clientId).length
    const received = () => session.received.flat().length
    await until(() => `${expected} messages, there were ${received()}, ${session.forgotten}`, () => {
      return received() >= expected || session.forgotten !== undefined
    })
    assert.isUndefined(session.forgotten)
  }

  /** A session that was ended before it had all has the beginning. */
  #check(session: Session): void {
    const expected = byPublisher(this.#oracle.delivered(session.clientId))
    for (const [by, received] of byPublisher(session.received.flat())) {
      assert.deepStrictEqual(received, expected.get(by)?.slice(0, received.length), by)
    }
  }

  async #checkEvents(): Promise<void> {
    const expected = this.#oracle.events.map((event) => told({ ...event }))
    await until(
      () => `${expected.length} events, there are ${this.#events().length}`,
      () => this.#events().length >= expected.length
    )
    assert.deepStrictEqual(this.#events().map(told).sort(), expected.sort())
  }
}

describe.skipIf(inject("redis") === "").each([2, 3])("RedisEngine on %i processes", (size) => {
  let setting: Setting
  const releaseAll = releaseLater()
  beforeAll(async () => {
    setting = await begin({ size, timeout: 60 })
  })
  afterAll(releaseAll)

  it("does what the reducer says", { timeout: limit(180_000) }, async () => {
    await fc.assert(
      fc.asyncProperty(bursts, async (bursts) => {
        const release = releaseLater()
        try {
          const run = new Run(setting)
          for (const burst of bursts) {
            await ("changes" in burst ? run.change(burst.changes) : run.publish(burst.publishes))
          }
          await run.finish()
        } finally {
          await release()
        }
      }),
      { ...runs(20), endOnFailure: true }
    )
  })

  it("leaves nothing for long when all have gone", async () => {
    for (let place = 0; place < size; place++) assert.strictEqual(await setting.cluster.stop(place), 0)
    const left = await keys(setting)
    assert.sameMembers([...left], ["epoch", "log", "pos"])
    for (const key of left) {
      assert.isAbove(Number(await setting.redis.command("PTTL", `{${namespace}}:${key}`)), 0, key)
    }
  })
})
