/** Watchers that read slowly: their state is right in the end, and nobody waits for them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue, Stream } from "effect"
import * as fc from "fast-check"
import { clientRequest } from "../../src/core/Cause.ts"
import * as ClientId from "../../src/core/ClientId.ts"
import * as PresenceState from "../../src/core/folds/PresenceState.ts"
import { type PresenceEvent, PresenceHub } from "../../src/monitor/PresenceHub.ts"
import { forAll, turn, until } from "../engine/laws.ts"

const people = ["alice", "bob", "carol", "dave"]

/** A hub without a grace period. */
class Timeline {
  readonly hub: PresenceHub
  readonly #here = new Map<string, string>()
  #now = 0

  constructor(capacity: number) {
    this.hub = new PresenceHub(0, capacity)
    this.hub.apply({ _tag: "PresenceSnapshot", at: 0, sessions: new Map() })
  }

  /** Toggles a member: it joins, or leaves if it is present. */
  turn(identity: string): void {
    const at = ++this.#now
    const clientId = ClientId.make(this.#here.get(identity) ?? `c${at}`)
    if (this.#here.delete(identity)) {
      this.hub.apply({ _tag: "Disconnect", at, clientId, cause: clientRequest })
      this.hub.apply({ _tag: "TimePassed", at })
    } else {
      this.#here.set(identity, clientId)
      this.hub.apply({ _tag: "Handshake", at, clientId, identity })
    }
  }

  get here(): ReadonlyArray<string> {
    return [...this.#here.keys()].sort()
  }
}

/** Identities that are present after these events. Each event must be a change. */
const known = (all: ReadonlyArray<PresenceEvent>): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const [i, told] of all.entries()) {
    assert.strictEqual(told._tag === "Present", i === 0, "who is there is told first, and only then")
    if (told._tag === "Present") { for (const identity of told.members.keys()) found.add(identity) }
    else if (told._tag === "Leave") assert.isTrue(found.delete(told.identity), "nobody leaves who is not there")
    else assert.isFalse(found.has(told.identity) || !found.add(told.identity), "nobody comes who is there")
  }
  return [...found].sort()
}

/** Watches, and takes a permit for each event. */
const watch = (hub: PresenceHub, permits: Queue.Queue<void>) =>
  Effect.gen(function*() {
    const told: Array<PresenceEvent> = []
    const keep = (what: PresenceEvent) => Effect.andThen(Effect.sync(() => void told.push(what)), Queue.take(permits))
    const fiber = yield* Effect.forkScoped(Stream.runForEach(hub.watch("server"), keep), {
      startImmediately: true
    })
    return { fiber, told }
  })

describe("a watcher", () => {
  it.effect("that has fallen behind too far gets the joins and leaves meanwhile, without causes", () =>
    Effect.gen(function*() {
      const timeline = new Timeline(2)
      timeline.turn("alice")
      timeline.turn("bob")
      const permits = yield* Queue.unbounded<void>()
      const { fiber, told } = yield* watch(timeline.hub, permits)
      yield* until("the beginning", () => told.length === 1)
      for (const identity of ["alice", "carol", "dave", "dave", "bob", "bob"]) timeline.turn(identity)
      timeline.hub.end()
      for (let i = 0; i < 9; i++) yield* Queue.offer(permits, undefined)
      yield* until("the end", () => fiber.pollUnsafe() !== undefined)
      assert.deepStrictEqual(told.slice(1), [
        { _tag: "Leave", identity: "alice", at: 8, cause: undefined },
        { _tag: "Join", identity: "carol", at: 8 }
      ])
    }))

  it.effect("that begins before the first snapshot waits for it", () =>
    Effect.gen(function*() {
      const hub = new PresenceHub(0)
      const permits = yield* Queue.unbounded<void>()
      const { told } = yield* watch(hub, permits)
      const asked = yield* Effect.forkScoped(hub.members("server"), { startImmediately: true })
      yield* turn
      assert.deepStrictEqual([told, asked.pollUnsafe()], [[], undefined])
      const since = { since: 3, identity: "alice", subscriptions: [] }
      hub.apply({ _tag: "PresenceSnapshot", at: 4, sessions: new Map([[ClientId.make("x"), since]]) })
      yield* until("the beginning", () => told.length === 1)
      assert.deepStrictEqual(known(told), ["alice"])
    }))

  it.effect("knows the members in the end, whatever it has lost and whenever it began", () =>
    forAll(
      fc.array(fc.record({ who: fc.array(fc.constantFrom(...people)), permits: fc.nat(4), begins: fc.boolean() })),
      200,
      (acts) =>
        Effect.scoped(Effect.gen(function*() {
          const timeline = new Timeline(3)
          const watchers: Array<{ readonly told: ReadonlyArray<PresenceEvent>; readonly permits: Queue.Queue<void> }> =
            []
          for (const { begins, permits, who } of acts) {
            if (begins) {
              const permits = yield* Queue.unbounded<void>()
              watchers.push({ permits, told: (yield* watch(timeline.hub, permits)).told })
            }
            for (const { permits: queue } of watchers) {
              for (let i = 0; i < permits; i++) Queue.offerUnsafe(queue, undefined)
            }
            yield* turn
            for (const identity of who) timeline.turn(identity)
          }
          for (const { permits, told } of watchers) {
            for (let i = 0; i < 999; i++) Queue.offerUnsafe(permits, undefined)
            yield* until("the whole", () => known(told).join() === timeline.here.join())
          }
          assert.deepStrictEqual([...PresenceState.members(timeline.hub.state, "server").keys()].sort(), timeline.here)
        }))
    ))
})
