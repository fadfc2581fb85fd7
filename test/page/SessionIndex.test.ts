/** The index of sessions: the same from events and from snapshots. */
import { assert, describe, it } from "@effect/vitest"
import { HashMap, Redacted } from "effect"
import * as fc from "fast-check"
import * as ClientId from "../../src/core/ClientId.ts"
import * as Snapshot from "../../src/core/folds/Snapshot.ts"
import type { MonitorEvent } from "../../src/core/MonitorEvent.ts"
import { SessionIndex } from "../../src/page/SessionIndex.ts"
import { Trial } from "../core/trial.ts"
import { runs } from "../support/seeds.ts"

const key = Redacted.make("key")

const numbered = (trial: Trial): ReadonlyArray<MonitorEvent> =>
  trial.events.map((event, i) => ({ ...event, sequence: i + 1, at: trial.now, node: "here" }))

/** The index as plain data. */
const readable = (sessionIndex: SessionIndex) => ({
  clientIds: [...sessionIndex.clientIds].sort(),
  subscriptions: sessionIndex.subscriptions,
  subscribers: Object.fromEntries(sessionIndex.subscribers)
})

/** The same from a snapshot. */
const told = ({ sessions }: Snapshot.Snapshot) => {
  const patterns = [...HashMap.values(sessions)].flatMap(({ subscriptions }) => [...subscriptions]).sort()
  const subscribers = patterns.map((pattern) => [pattern, patterns.filter((other) => other === pattern).length])
  return {
    clientIds: [...HashMap.keys(sessions)].sort(),
    subscriptions: patterns.length,
    subscribers: Object.fromEntries(subscribers)
  }
}

/** A history of sessions that come, subscribe, unsubscribe, publish and go. */
const history = (choices: ReadonlyArray<readonly [choice: number, which: number, channel: string]>): Trial => {
  const trial = new Trial()
  const clientIds: Array<string> = []
  for (const [choice, which, channel] of choices) {
    const clientId = clientIds[which % Math.max(1, clientIds.length)]
    if (choice === 0 || clientId === undefined) clientIds.push(trial.handshake())
    else if (choice === 1) trial.publish("/a", 1)
    else {
      const meta = choice < 5 ? "subscribe" : choice < 7 ? "unsubscribe" : "disconnect"
      trial.receive(trial.open("exchange"), { channel: `/meta/${meta}`, clientId, subscription: channel })
    }
  }
  return trial
}

const choices = fc.array(fc.tuple(fc.nat(7), fc.nat(20), fc.constantFrom("/a", "/b", "/a/*", "/**")), { maxLength: 60 })

describe("the index of sessions", () => {
  it("is the same from a snapshot and the events behind it, wherever it begins", () => {
    fc.assert(
      fc.property(choices, fc.nat(60), fc.nat(60), (choices, first, second) => {
        const events = numbered(history(choices))
        const at = (count: number) => events.slice(0, count).reduce(Snapshot.fold, Snapshot.empty)
        const sessionIndex = new SessionIndex(key)
        const [begin, missedTo] = [Math.min(first, second), Math.max(first, second)]
        sessionIndex.reset(at(begin))
        for (const event of events.slice(begin, begin + 5)) sessionIndex.apply(event)
        // A snapshot replaces the lost events.
        sessionIndex.reset(at(missedTo))
        for (const event of events.slice(missedTo)) sessionIndex.apply(event)
        assert.deepStrictEqual(readable(sessionIndex), told(at(events.length)))
      }),
      runs()
    )
  })

  it("counts sessions that come from other processes and go there, and none of those that stay there", () => {
    const sessionIndex = new SessionIndex(key)
    const place = { sequence: 1, at: 1, node: "here" }
    const [here, there] = [ClientId.make("here"), ClientId.make("there")]
    const arrive = (subscriptions: ReadonlyArray<string>) => ({ _tag: "Arrive", clientId: here, subscriptions })
    const apply = (event: object) => {
      sessionIndex.apply({ createdAt: 0, ...event, ...place } as MonitorEvent)
      return readable(sessionIndex)
    }
    assert.deepStrictEqual(apply(arrive(["/a", "/b"])).subscribers, { "/a": 1, "/b": 1 })
    assert.deepStrictEqual(apply(arrive(["/b", "/c"])).subscribers, { "/b": 1, "/c": 1 })
    apply({ _tag: "Subscribe", clientId: there, channel: "/d" })
    apply({ _tag: "Unsubscribe", clientId: there, channel: "/b", withSession: false })
    assert.deepStrictEqual(apply({ _tag: "Subscribe", clientId: here, channel: "/d" }), {
      clientIds: [here],
      subscriptions: 3,
      subscribers: { "/b": 1, "/c": 1, "/d": 1 }
    })
    assert.deepStrictEqual(apply({ _tag: "Depart", clientId: here }), {
      clientIds: [],
      subscriptions: 0,
      subscribers: {}
    })
  })

  it("finds a session by its pseudonym until its end", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const sessionIndex = new SessionIndex(key)
    for (const event of numbered(trial)) sessionIndex.apply(event)
    const name = sessionIndex.nameOf(clientId)
    assert.strictEqual(sessionIndex.clientIdOf(name), clientId)
    trial.receive(trial.open("exchange"), { channel: "/meta/disconnect", clientId })
    for (const event of numbered(trial).slice(1)) sessionIndex.apply(event)
    assert.isUndefined(sessionIndex.clientIdOf(name))
    assert.strictEqual(sessionIndex.nameOf(clientId), name, "events of its end still bear its name")
  })
})
