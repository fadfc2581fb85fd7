/** Snapshots and their law; arbitrary histories are in `Machine.property.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import { HashMap } from "effect"
import * as Snapshot from "../../../src/core/folds/Snapshot.ts"
import type { MonitorEvent } from "../../../src/core/MonitorEvent.ts"
import { Trial } from "../trial.ts"

/** A snapshot as plain data. */
const readable = ({ sequence, sessions }: Snapshot.Snapshot): unknown => ({
  sequence,
  sessions: Object.fromEntries(
    HashMap.toEntries(sessions).map(([clientId, { createdAt, reading, subscriptions }]) => [
      clientId,
      [createdAt, [...subscriptions].sort(), reading]
    ])
  )
})

const numbered = (trial: Trial): ReadonlyArray<MonitorEvent> =>
  trial.events.map((event, i) => ({ ...event, sequence: i + 1, at: trial.now, node: "here" }))

describe("a snapshot", () => {
  it("has each session with its subscriptions, and what no event tells of it", () => {
    const trial = new Trial()
    trial.now = 5
    const waiting = trial.handshake()
    trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId: waiting, subscription: ["/a", "/b"] })
    trial.now = 7
    const { clientId: polling } = trial.poll()
    const { clientId: attached } = trial.socket("/a")
    trial.publish("/a", 1)
    trial.publish("/b", 2)
    const remote = { local: false, lastSeen: 7, queueLength: 0 }
    assert.deepStrictEqual(readable(Snapshot.take(9, [trial.state])), {
      sequence: 9,
      sessions: {
        [waiting]: [5, ["/a", "/b"], { ...remote, lastSeen: 5, queueLength: 2, link: "Detached" }],
        [polling]: [7, [], { ...remote, link: "Polling" }],
        [attached]: [7, ["/a"], { ...remote, link: "Attached" }]
      }
    })
  })

  it("becomes by each event what the next snapshot is, but for what no event tells", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const ask = (channel: string, subscription: unknown) =>
      trial.receive(trial.open("exchange"), { channel, clientId, subscription })
    ask("/meta/subscribe", ["/a", "/b"])
    trial.publish("/a", 1)
    ask("/meta/unsubscribe", "/a")
    const folded = numbered(trial).reduce(Snapshot.fold, Snapshot.empty)
    assert.deepStrictEqual(readable(folded), { sequence: 5, sessions: { [clientId]: [0, ["/b"], undefined] } })
    trial.receive(trial.open("exchange"), { channel: "/meta/disconnect", clientId })
    const ended = numbered(trial).reduce(Snapshot.fold, Snapshot.empty)
    assert.deepStrictEqual(readable(ended), { sequence: 7, sessions: {} })
  })

  it("keeps what was read of a session, and stays as it was itself", () => {
    const trial = new Trial()
    const { clientId } = trial.socket("/a")
    const before = Snapshot.take(2, [trial.state])
    const event = { _tag: "Subscribe", clientId, channel: "/b", sequence: 3, at: 1, node: "here" } as MonitorEvent
    const after = Snapshot.fold(before, event)
    const reading = { local: false, lastSeen: 0, queueLength: 0, link: "Attached" }
    assert.deepStrictEqual(readable(after), { sequence: 3, sessions: { [clientId]: [0, ["/a", "/b"], reading] } })
    assert.deepStrictEqual(readable(before), { sequence: 2, sessions: { [clientId]: [0, ["/a"], reading] } })
  })

  it("gives way to a later snapshot, and takes nothing from events of sessions that it does not know", () => {
    const trial = new Trial()
    trial.socket("/a")
    const later = Snapshot.take(2, [trial.state])
    assert.strictEqual(Snapshot.fold(Snapshot.empty, later), later)
    assert.strictEqual(Snapshot.fold(later, { _tag: "Lagged", from: 3, to: 4 }), later)
    const strangers = numbered(trial).filter(({ _tag }) => _tag === "Subscribe")
    assert.deepStrictEqual(readable(strangers.reduce(Snapshot.fold, Snapshot.empty)), { sequence: 2, sessions: {} })
  })
})
