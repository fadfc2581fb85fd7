/** Messages of one turn to many sockets, over the running service: written together, as if to each by itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import {
  Client,
  exchange,
  forAll,
  layerTransports,
  type Peer,
  type Service,
  turn,
  wholeService
} from "../engine/laws.ts"

const layer = Layer.provideMerge(
  layerTransports,
  Layer.provideMerge(Bayeux.layer(), Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

/** Enough for their messages to be gathered. */
const members = Array.from({ length: 12 }, (_, i) => i)

interface Member {
  readonly client: Client
  readonly peer: Peer
}

const join = (bayeux: Service, patterns: ReadonlyArray<string>): Effect.Effect<Member> =>
  Effect.map(Client.subscribed(bayeux, ...patterns), (client) => ({ client, peer: client.socket() }))

const publishes = (...data: ReadonlyArray<number>) => data.map((data) => ({ channel: "/a", data }))

describe("many sockets with the same messages in a turn", () => {
  it.effect("get one and the same frame; one that is answered in between gets its own", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const all = yield* Effect.forEach(members, () => join(bayeux, ["/a"]))
      yield* turn
      exchange(bayeux, ...publishes(1, 2))
      const [first, ...others] = all
      const { clientId = "" } = first?.client ?? {}
      first?.peer.send({ channel: "/b", data: 0, clientId, id: "mine" })
      exchange(bayeux, ...publishes(3))
      yield* turn
      const frames = new Set(others.flatMap(({ peer }) => peer.frames))
      assert.deepStrictEqual([...frames].map(({ messages }) => messages.length), [3])
      const told = first?.peer.messages.map((message) => "data" in message ? message.data : message.id)
      assert.deepStrictEqual(told, [1, 2, "mine", 3])
    }).pipe(Effect.provide(layer)))

  it.effect("have those pass through an extension that come when it is there", () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      const all = yield* Effect.forEach(members, () => join(bayeux, ["/a"]))
      yield* turn
      exchange(bayeux, ...publishes(1))
      yield* bayeux.addExtension({
        name: "tenfold",
        outgoing: (message) =>
          Effect.succeed("data" in message ? { ...message, data: Number(message["data"]) * 10 } : message)
      })
      exchange(bayeux, ...publishes(2))
      for (let i = 0; i < 10; i++) yield* turn
      const heard = all.map(({ peer }) => peer.messages.map((message) => "data" in message && message.data))
      assert.deepStrictEqual(heard, members.map(() => [1, 20]))
    }).pipe(Effect.provide(layer)))
})

const patternsOf = (member: number): ReadonlyArray<string> =>
  [["/a"], ["/a", "/b"], ["/**"], ["/b/*", "/b"]][member % 4] ?? []

/** Deliberately unlike `Channel.expand`. */
const isHeard = (member: number, channel: string): boolean =>
  patternsOf(member).some((pattern) =>
    pattern === "/**" || pattern === channel || channel.startsWith("/b/") && pattern === "/b/*"
  )

const action = fc.record({
  who: fc.nat(members.length - 1),
  channel: fc.constantFrom("/a", "/b", "/b/c", "cut" as const)
})

const turns = fc.array(fc.array(action, { maxLength: 12 }), { minLength: 1, maxLength: 3 })

type Actions = typeof turns extends fc.Arbitrary<infer A> ? A : never

/** What each member is to be told, one message after the other: data, and the ids of its own publishes. */
class Expected {
  readonly #told = members.map((): Array<number | string> => [])
  readonly #gone = new Set<number>()
  #last = 0

  publish(who: number, channel: string): { readonly data: number; readonly id: string } | undefined {
    if (this.#gone.has(who)) return undefined
    const data = ++this.#last
    this.#told[who]?.push(`${data}`)
    for (const member of members) if (isHeard(member, channel)) this.#told[member]?.push(data)
    return { data, id: `${data}` }
  }

  /** Answers of this turn go with the socket, messages do not. */
  cut(who: number): void {
    this.#gone.add(who)
  }

  of(member: number): ReadonlyArray<number | string> {
    const told = this.#told[member] ?? []
    return this.#gone.has(member) ? told.filter((item) => typeof item === "number") : told
  }

  isGone(member: number): boolean {
    return this.#gone.has(member)
  }
}

const told = ({ client, peer }: Member, isGone: boolean): ReadonlyArray<unknown> =>
  isGone
    ? client.heard
    : peer.messages.flatMap((message) =>
      "data" in message ? [message.data] : message.channel === "/meta/connect" ? [] : [message.id]
    )

const holds = (bayeux: Service) => (turns: Actions) =>
  Effect.gen(function*() {
    const all = yield* Effect.forEach(members, (member) => join(bayeux, patternsOf(member)))
    yield* turn
    const expected = new Expected()
    const act = ({ channel, who }: Actions[number][number]) => {
      const { client: { clientId }, peer } = all[who] as Member
      if (channel === "cut") {
        expected.cut(who)
        return peer.cut()
      }
      const message = expected.publish(who, channel)
      if (message !== undefined) peer.send({ channel, clientId, ...message })
    }
    for (const actions of turns) {
      for (const action of actions) act(action)
      yield* turn
    }
    for (const [member, { client }] of all.entries()) if (expected.isGone(member)) client.poll(0)
    yield* turn
    assert.deepStrictEqual(
      all.map((one, member) => told(one, expected.isGone(member))),
      members.map((member) => expected.of(member))
    )
    yield* Effect.forEach(all, ({ client }) => client.disconnect())
  })

describe("property", () => {
  it.effect("each gets what it would get alone, in order, whoever is answered or cut off in between", () =>
    Effect.flatMap(wholeService, (bayeux) => forAll(turns, 200, holds(bayeux))).pipe(Effect.provide(layer)))
})
