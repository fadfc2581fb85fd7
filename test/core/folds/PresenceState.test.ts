/** Who is there: examples, then arbitrary stories against a model that knows nothing but when each session was there. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Cause, clientRequest } from "../../../src/core/Cause.ts"
import type { Pattern } from "../../../src/core/Channel.ts"
import * as ClientId from "../../../src/core/ClientId.ts"
import * as PresenceState from "../../../src/core/folds/PresenceState.ts"
import { runs } from "../../support/seeds.ts"

const grace = 10
const timeout: Cause = { _tag: "Timeout", lastSeen: 0 }

/** Keeps what is told at a place. */
class Watcher {
  readonly place: PresenceState.Place
  readonly told: Array<PresenceState.Join | PresenceState.Leave> = []
  readonly known = new Set<string>()

  constructor(place: PresenceState.Place) {
    this.place = place
  }

  offer(before: PresenceState.PresenceState, step: PresenceState.Step): void {
    const change = PresenceState.change(before, step, this.place)
    if (change === undefined) return
    this.told.push(change)
    const isNew = change._tag === "Join" ? !this.known.has(change.identity) : this.known.delete(change.identity)
    assert.isTrue(isNew, `${change._tag} of ${change.identity} twice`)
    if (change._tag === "Join") this.known.add(change.identity)
  }
}

class Timeline {
  state = PresenceState.make(grace)
  readonly watchers = ["server" as const, ...["/a", "/a/b"].map(PresenceState.onChannel)].map((at) => new Watcher(at))

  tell(told: PresenceState.PresenceInput): this {
    for (const step of PresenceState.steps(this.state, told)) {
      for (const watcher of this.watchers) watcher.offer(this.state, step)
      this.state = step.state
    }
    return this
  }

  begins(at: number, clientId: string, identity?: string): this {
    return this.tell({ _tag: "Handshake", at, clientId: ClientId.make(clientId), ...(identity && { identity }) })
  }

  subscribes(at: number, clientId: string, channel: string): this {
    return this.tell({ _tag: "Subscribe", at, clientId: ClientId.make(clientId), channel: channel as never })
  }

  unsubscribes(at: number, clientId: string, channel: string, withSession = false): this {
    const about = { at, clientId: ClientId.make(clientId), channel: channel as never }
    return this.tell({ _tag: "Unsubscribe", ...about, cause: clientRequest, withSession })
  }

  ends(at: number, clientId: string, cause: Cause = clientRequest): this {
    return this.tell({ _tag: "Disconnect", at, clientId: ClientId.make(clientId), cause })
  }

  reads(at: number, sessions: { readonly [clientId: string]: PresenceState.IdentifiedSession }): this {
    return this.tell({ _tag: "PresenceSnapshot", at, sessions: new Map(Object.entries(sessions)) as never })
  }

  passes(at: number): this {
    return this.tell({ _tag: "TimePassed", at })
  }

  /** What is told on the server, or on `/a`. */
  told(place: 0 | 1 = 0): ReadonlyArray<unknown> {
    return (this.watchers[place]?.told ?? []).map((change) =>
      change._tag === "Join"
        ? ["Join", change.identity, change.at]
        : ["Leave", change.identity, change.at, change.cause?._tag]
    )
  }

  members(place: PresenceState.Place = "server"): unknown {
    return Object.fromEntries(
      [...PresenceState.members(this.state, place)].map(([name, { identity, sessions, since }]) => {
        assert.strictEqual(identity, name)
        return [name, [since, sessions]]
      })
    )
  }
}

describe("a member", () => {
  it("joins with the first session and leaves the grace period behind the last one, with its cause", () => {
    const timeline = new Timeline().begins(1, "x", "alice").begins(2, "y", "alice").begins(3, "z")
    assert.deepStrictEqual(timeline.members(), { alice: [1, 2] })
    timeline.ends(4, "y", timeout).ends(5, "x").ends(6, "z")
    assert.deepStrictEqual(timeline.members(), { alice: [1, 0] })
    assert.strictEqual(PresenceState.nextLapse(timeline.state), 14)
    timeline.passes(14)
    assert.strictEqual(PresenceState.nextLapse(timeline.state), 15)
    assert.deepStrictEqual(timeline.told(), [["Join", "alice", 1]])
    timeline.passes(99)
    assert.deepStrictEqual(timeline.told(), [["Join", "alice", 1], ["Leave", "alice", 15, "ClientRequest"]])
    assert.deepStrictEqual(timeline.members(), {})
    assert.strictEqual(PresenceState.nextLapse(timeline.state), Infinity)
  })

  it("who is back within the grace period has not left, and has been there all the time", () => {
    const timeline = new Timeline().begins(1, "x", "alice").ends(5, "x").begins(14, "y", "alice").passes(50)
    assert.deepStrictEqual(timeline.told(), [["Join", "alice", 1]])
    assert.deepStrictEqual(timeline.members(), { alice: [1, 1] })
  })

  it("who is back when the grace period is over has left, whenever that is told", () => {
    const timeline = new Timeline().begins(1, "x", "alice").ends(5, "x").begins(15, "y", "alice")
    assert.deepStrictEqual(timeline.told(), [["Join", "alice", 1], ["Leave", "alice", 15, "ClientRequest"], [
      "Join",
      "alice",
      15
    ]])
    assert.deepStrictEqual(timeline.members(), { alice: [15, 1] })
  })

  it("is on the channels of all sessions, by whatever pattern, also of those that linger", () => {
    const timeline = new Timeline().begins(1, "x", "alice").begins(1, "y", "alice").subscribes(2, "x", "/*").subscribes(
      3,
      "y",
      "/a"
    )
    timeline.unsubscribes(4, "y", "/a").unsubscribes(5, "x", "/*", true).ends(5, "x").begins(6, "z", "alice")
    assert.deepStrictEqual(timeline.members(PresenceState.onChannel("/a")), { alice: [1, 0] })
    timeline.subscribes(7, "z", "/a").passes(20)
    assert.deepStrictEqual(timeline.told(1), [["Join", "alice", 2]])
    assert.deepStrictEqual(timeline.members(PresenceState.onChannel("/a")), { alice: [1, 1] })
    assert.deepStrictEqual(timeline.members(PresenceState.onChannel("/b")), {})
  })

  it("leaves a channel at once by unsubscribing", () => {
    const timeline = new Timeline().begins(1, "x", "alice").subscribes(2, "x", "/a").unsubscribes(3, "x", "/a").passes(
      20
    )
    assert.deepStrictEqual(timeline.told(1), [["Join", "alice", 2], ["Leave", "alice", 3, "ClientRequest"]])
    assert.deepStrictEqual(timeline.told(0), [["Join", "alice", 1]])
  })

  it("is on no channel that is none", () => {
    const timeline = new Timeline().begins(1, "x", "alice").subscribes(2, "x", "/**")
    for (const name of ["", "a", "/*", "/a/"]) {
      assert.deepStrictEqual(timeline.members(PresenceState.onChannel(name)), {})
    }
  })
})

describe("a reading", () => {
  it("tells what was missed: who has come since when they are there, who has gone as of now", () => {
    const timeline = new Timeline().begins(1, "x", "alice").subscribes(1, "x", "/a").begins(2, "y", "bob").ends(3, "y")
    timeline.reads(40, { z: { identity: "carol", since: 30, subscriptions: ["/a" as never] } })
    assert.deepStrictEqual(timeline.told(), [
      ["Join", "alice", 1],
      ["Join", "bob", 2],
      ["Leave", "bob", 13, "ClientRequest"],
      ["Join", "carol", 30]
    ])
    timeline.passes(50)
    assert.deepStrictEqual(timeline.told().slice(4), [["Leave", "alice", 50, undefined]])
    assert.deepStrictEqual(timeline.told(1), [["Join", "alice", 1], ["Join", "carol", 30], [
      "Leave",
      "alice",
      50,
      undefined
    ]])
  })

  it("keeps who was back in time, and who has another session on the channel", () => {
    const timeline = new Timeline().begins(1, "x", "alice").subscribes(1, "x", "/a").begins(1, "y", "bob").ends(2, "y")
    timeline.reads(40, {
      x: { identity: "alice", since: 1, subscriptions: [] },
      z: { identity: "alice", since: 35, subscriptions: ["/*" as never] },
      b: { identity: "bob", since: 11, subscriptions: [] }
    }).passes(90)
    assert.deepStrictEqual(timeline.told(), [["Join", "alice", 1], ["Join", "bob", 1]])
    assert.deepStrictEqual(timeline.told(1), [["Join", "alice", 1]])
  })

  it("knows of some that have ended when, and who is still to leave", () => {
    const timeline = new Timeline().begins(1, "x", "alice").begins(2, "y", "bob").ends(3, "y")
    const ended = (identity: string, since: number, at: number) => ({
      identity,
      since,
      subscriptions: ["/a" as never],
      end: { at, cause: timeout }
    })
    timeline.reads(12, { x: ended("alice", 1, 9), y: ended("bob", 2, 3), z: ended("carol", 7, 11) })
    assert.deepStrictEqual(timeline.members(), { alice: [1, 0], bob: [2, 0], carol: [7, 0] })
    timeline.passes(20)
    assert.deepStrictEqual(timeline.told().slice(2), [
      ["Join", "carol", 7],
      ["Leave", "bob", 13, "ClientRequest"],
      ["Leave", "alice", 19, "Timeout"]
    ])
    assert.deepStrictEqual(timeline.members(PresenceState.onChannel("/a")), { carol: [7, 0] })
  })

  it("may bring back a session that has ended: the store has gone back", () => {
    const timeline = new Timeline().begins(1, "x", "alice").ends(2, "x")
    timeline.reads(5, { x: { identity: "alice", since: 1, subscriptions: [] } }).passes(90)
    assert.deepStrictEqual(timeline.members(), { alice: [1, 1] })
    timeline.ends(91, "x", timeout).passes(200)
    assert.deepStrictEqual(timeline.told(), [["Join", "alice", 1], ["Leave", "alice", 101, "Timeout"]])
  })

  it("takes no harm from events behind it that it knows of, and learns causes from them", () => {
    const timeline = new Timeline().begins(1, "x", "alice")
    timeline.reads(9, { y: { identity: "bob", since: 8, subscriptions: ["/a" as never] } })
    timeline.ends(7, "x", { _tag: "EngineLost" }).begins(8, "y", "bob").subscribes(8, "y", "/a").passes(90)
    assert.deepStrictEqual(timeline.told(), [["Join", "alice", 1], ["Join", "bob", 8], [
      "Leave",
      "alice",
      19,
      "EngineLost"
    ]])
    assert.deepStrictEqual(timeline.told(1), [["Join", "bob", 8]])
  })
})

describe("the difference between two states", () => {
  it("is who has left and who has come", () => {
    const timeline = new Timeline().begins(1, "x", "alice").begins(1, "y", "bob")
    const before = timeline.state
    timeline.ends(2, "x").begins(3, "z", "carol").passes(20)
    assert.deepStrictEqual(PresenceState.difference(before, timeline.state, "server", 20), [
      { _tag: "Leave", identity: "alice", at: 20, cause: undefined },
      { _tag: "Join", identity: "carol", at: 20 }
    ])
    assert.deepStrictEqual(PresenceState.difference(before, before, "server", 20), [])
  })
})

// ---------------------------------------------------------------------------------------------------------------------

const action = fc.record({
  do: fc.constantFrom(
    "handshake" as const,
    "handshake",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "pass",
    "miss",
    "read"
  ),
  who: fc.nat(9),
  identity: fc.constantFrom(undefined, "alice", "bob", "carol"),
  pattern: fc.constantFrom("/a", "/*", "/a/*", "/**"),
  /** How many milliseconds before. */
  after: fc.constantFrom(0, 1, 4, 9, 10, 11, 25)
})
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

/** When something was so. */
interface Span {
  readonly from: number
  to: number
}

interface ModelSession extends Span {
  readonly identity: string
  readonly patterns: Array<Span & { readonly pattern: string }>
}

/** Deliberately unlike `Channel.expand`. */
const isMatch = (pattern: string, channel: string): boolean =>
  new RegExp(`^${pattern.replace(/\*\*$/, ".+").replace(/\*$/, "[^/]+")}$`).test(channel)

class Model {
  readonly timeline = new Timeline()
  now = 0
  /** The sessions that there really are, with their patterns. */
  readonly truth = new Map<
    string,
    { readonly identity: string; readonly since: number; readonly patterns: Set<string> }
  >()
  /** What has been told of sessions. Where something was missed its time is that of the reading. */
  readonly known = new Map<string, ModelSession>()
  isMissing = false
  #count = 0

  /** Whether somebody is there, by what has been told. */
  isThere(identity: string, channel: string | undefined, at: number): boolean {
    return [...this.known.values()].some((session) =>
      session.identity === identity && session.from <= at && at < session.to + grace &&
      (channel === undefined ||
        session.patterns.some(({ from, pattern, to }) => isMatch(pattern, channel) && from <= at && at < to))
    )
  }

  run({ after, do: what, identity, pattern, who }: Action): void {
    this.now += after
    const clientId = [...this.truth.keys()][who] ?? "nobody"
    if (what === "miss") this.isMissing = true
    else if (what === "read") this.read()
    else if (what === "pass") { if (!this.isMissing) this.timeline.passes(this.now) }
    else if (what === "handshake") this.handshake(`c${++this.#count}`, identity)
    else if (what === "disconnect") this.disconnect(clientId)
    else this.resubscribe(clientId, pattern, what === "subscribe")
    if (!this.isMissing) this.check()
  }

  handshake(clientId: string, identity: string | undefined): void {
    if (identity !== undefined) this.truth.set(clientId, { identity, since: this.now, patterns: new Set() })
    if (this.isMissing) return
    this.timeline.begins(this.now, clientId, identity)
    if (identity !== undefined) this.known.set(clientId, { identity, from: this.now, to: Infinity, patterns: [] })
  }

  disconnect(clientId: string): void {
    const session = this.known.get(clientId)
    const patterns = this.truth.get(clientId)?.patterns ?? []
    this.truth.delete(clientId)
    if (this.isMissing) return
    for (const pattern of patterns) this.timeline.unsubscribes(this.now, clientId, pattern, true)
    this.timeline.ends(this.now, clientId)
    if (session !== undefined) session.to = this.now
  }

  resubscribe(clientId: string, pattern: string, isWanted: boolean): void {
    const patterns = this.truth.get(clientId)?.patterns
    const isChanged = isWanted ? patterns?.has(pattern) === false && patterns.add(pattern) : patterns?.delete(pattern)
    if (this.isMissing || !isChanged) return
    if (isWanted) this.timeline.subscribes(this.now, clientId, pattern)
    else this.timeline.unsubscribes(this.now, clientId, pattern)
    this.note(clientId, pattern, isWanted, this.now)
  }

  note(clientId: string, pattern: string, isWanted: boolean, at: number): void {
    const patterns = this.known.get(clientId)?.patterns ?? []
    const open = patterns.find((span) => span.pattern === pattern && span.to === Infinity)
    if (isWanted && open === undefined) patterns.push({ pattern, from: at, to: Infinity })
    else if (!isWanted && open !== undefined) open.to = at
  }

  read(): void {
    this.isMissing = false
    for (const [clientId, { identity, patterns, since }] of this.truth) {
      const isNew = !this.known.has(clientId)
      if (isNew) this.known.set(clientId, { identity, from: since, to: Infinity, patterns: [] })
      for (const pattern of patterns) this.note(clientId, pattern, true, isNew ? since : this.now)
      for (const { pattern } of this.known.get(clientId)?.patterns ?? []) {
        if (!patterns.has(pattern)) this.note(clientId, pattern, false, this.now)
      }
    }
    for (const [clientId, session] of this.known) {
      if (!this.truth.has(clientId) && session.to === Infinity) session.to = this.now
    }
    const sessions = [...this.truth].map(([clientId, { identity, patterns, since }]) =>
      [clientId, {
        identity,
        since,
        subscriptions: [...patterns] as ReadonlyArray<string> as ReadonlyArray<Pattern>
      }] as const
    )
    this.timeline.reads(this.now, Object.fromEntries(sessions))
  }

  check(): void {
    const channels = [undefined, "/a", "/a/b"]
    for (const [i, { known, place, told }] of this.timeline.watchers.entries()) {
      const expected = ["alice", "bob", "carol"].filter((identity) => this.isThere(identity, channels[i], this.now))
      // Nobody says that time has passed until something is told: then those whose time was over have left.
      this.timeline.passes(this.now)
      assert.sameMembers([...known], expected, `${channels[i] ?? "the server"} at ${this.now}`)
      assert.sameMembers([...PresenceState.members(this.timeline.state, place).keys()], expected)
      for (const change of told.splice(0)) this.checkChange(change, channels[i])
    }
  }

  checkChange({ _tag, at, identity }: PresenceState.Join | PresenceState.Leave, channel: string | undefined): void {
    if (_tag === "Join") return assert.isTrue(this.isThere(identity, channel, at), `${identity} joined at ${at}`)
    // In the same millisecond somebody may come and leave, or leave and come.
    const own = [...this.known.values()].filter((session) => session.identity === identity)
    const hasCome = own.some(({ from, patterns }) => from === at || patterns.some((span) => span.from === at))
    assert.isTrue(hasCome || this.isThere(identity, channel, at - 1), `${identity} was there until ${at}`)
    if (channel === undefined && !hasCome) {
      assert.isFalse(this.isThere(identity, channel, at), `${identity} left at ${at}`)
    }
  }
}

describe("attendance", () => {
  it("is at any time who has or had a session within the grace period, and each comes and goes in turn", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120, size: "max" }), (actions) => {
        const model = new Model()
        for (const each of actions) model.run(each)
        model.run({ do: "read", who: 0, identity: undefined, pattern: "/a", after: 0 })
        for (const clientId of [...model.truth.keys()]) model.disconnect(clientId)
        model.timeline.passes(Infinity)
        assert.deepStrictEqual(
          { ...model.timeline.state },
          { ...PresenceState.make(grace) },
          "nobody leaves anything behind"
        )
      }),
      runs(300)
    )
  })
})
