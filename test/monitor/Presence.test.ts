/** Presence through the public API, with a test clock. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, type Scope, Scope as Scopes, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { Engine } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Presence from "../../src/monitor/Presence.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import type { Connections } from "../../src/service/Connections.ts"
import {
  ask,
  Client,
  exchange,
  failure,
  handshake,
  layerTransports,
  type Service,
  turn,
  until,
  wholeService
} from "../engine/laws.ts"
import { identities } from "../support/identities.ts"

type Services = Bayeux.Bayeux | Connections | Engine | Monitor.Monitor | Presence.Presence

const layer = (options?: Presence.PresenceOptions) =>
  layerTransports.pipe(
    Layer.provideMerge(Bayeux.layer({ timeout: "10 seconds" })),
    Layer.provideMerge(Presence.layer(options)),
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
  )

const scenario = (
  sentence: string,
  run: (bayeux: Service, presence: Presence.Presence["Service"]) => Effect.Effect<void, never, Services | Scope.Scope>,
  options?: Presence.PresenceOptions
): void =>
  it.effect(sentence, () =>
    Effect.gen(function*() {
      const bayeux = yield* wholeService
      yield* bayeux.addExtension(identities)
      yield* run(bayeux, yield* Presence.Presence)
    }).pipe(Effect.provide(layer(options))))

/** A client with an identity. */
const user = (bayeux: Service, name: string, ...patterns: ReadonlyArray<string>): Effect.Effect<Client> =>
  Effect.gen(function*() {
    const { clientId = "" } = yield* ask(bayeux, { ...handshake, ext: { user: name } })
    const client = new Client(bayeux, clientId)
    if (patterns.length > 0) yield* client.subscribe(...patterns)
    return client
  })

/** Advances the clock by milliseconds, and runs everything that is due. */
const pass = (millis: number): Effect.Effect<void> =>
  Effect.andThen(TestClock.adjust(millis), Effect.repeat(turn, { times: 5 }))

const plain = (told: Presence.PresenceEvent): unknown => {
  if (told._tag === "Present") return ["Present", ...[...told.members.keys()].sort()]
  return told._tag === "Join"
    ? ["Join", told.identity, told.at]
    : ["Leave", told.identity, told.at, told.cause?._tag]
}

/** Records events from now on. */
const watch = (channel?: string) =>
  Effect.gen(function*() {
    const presence = yield* Presence.Presence
    const told: Array<unknown> = []
    const keep = (what: Presence.PresenceEvent) => Effect.sync(() => void told.push(plain(what)))
    yield* Effect.forkScoped(Stream.runForEach(presence.watch(channel), keep))
    yield* until("the beginning", () => told.length > 0)
    return told
  })

const names = (members: ReadonlyMap<string, Presence.Member>) =>
  [...members.values()].map(({ identity, sessions, since }) => [identity, since, sessions] as const)
    .sort(([a], [b]) => a < b ? -1 : 1)

describe("presence", () => {
  scenario(
    "tells who comes and who has gone, with the cause, and nothing of who has no identity",
    (bayeux, presence) =>
      Effect.gen(function*() {
        const told = yield* watch()
        yield* Client.make(bayeux)
        yield* pass(5)
        const alice = yield* user(bayeux, "alice")
        yield* pass(5)
        assert.deepStrictEqual(names(yield* presence.members()), [["alice", 5, 1]])
        yield* bayeux.disconnect(alice.clientId, "enough")
        yield* pass(9_999)
        assert.deepStrictEqual(names(yield* presence.members()), [["alice", 5, 0]])
        yield* pass(1)
        assert.deepStrictEqual(told, [["Present"], ["Join", "alice", 5], ["Leave", "alice", 10_010, "Kicked"]])
        assert.deepStrictEqual(names(yield* presence.members()), [])
      })
  )

  scenario(
    "takes a page change for no leave, and several pages for one member",
    (bayeux, presence) =>
      Effect.gen(function*() {
        const told = yield* watch()
        let page = yield* user(bayeux, "alice")
        const other = yield* user(bayeux, "alice")
        for (let i = 0; i < 5; i++) {
          yield* page.disconnect()
          yield* pass(3_000)
          page = yield* user(bayeux, "alice")
        }
        assert.deepStrictEqual(names(yield* presence.members()), [["alice", 0, 2]])
        yield* other.disconnect()
        yield* pass(9_000)
        yield* page.disconnect()
        yield* pass(9_999)
        assert.deepStrictEqual(told, [["Present"], ["Join", "alice", 0]])
      })
  )

  scenario(
    "lets who falls silent leave when the session has timed out, and then the grace period",
    (bayeux) =>
      Effect.gen(function*() {
        const told = yield* watch()
        yield* user(bayeux, "alice")
        yield* pass(29_999)
        assert.strictEqual(told.length, 2)
        yield* pass(1)
        assert.deepStrictEqual(told.slice(2), [["Leave", "alice", 30_000, "Timeout"]])
      })
  )

  scenario("begins anywhere with those who are there", (bayeux) =>
    Effect.gen(function*() {
      const alice = yield* user(bayeux, "alice")
      yield* user(bayeux, "bob")
      yield* alice.disconnect()
      yield* pass(9_999)
      const told = yield* watch()
      yield* pass(1)
      const later = yield* watch()
      yield* user(bayeux, "carol")
      yield* pass(1)
      assert.deepStrictEqual(told, [
        ["Present", "alice", "bob"],
        ["Leave", "alice", 10_000, "ClientRequest"],
        ["Join", "carol", 10_000]
      ])
      assert.deepStrictEqual(later, [["Present", "bob"], ["Join", "carol", 10_000]])
    }))

  scenario("knows who is on a channel, by whatever pattern", (bayeux, presence) =>
    Effect.gen(function*() {
      const told = yield* watch("/rooms/7")
      const alice = yield* user(bayeux, "alice", "/rooms/7", "/rooms/8")
      yield* user(bayeux, "bob", "/rooms/*")
      yield* user(bayeux, "carol", "/rooms/8")
      yield* pass(1)
      assert.deepStrictEqual(names(yield* presence.members("/rooms/7")), [["alice", 0, 1], ["bob", 0, 1]])
      yield* alice.unsubscribe("/rooms/7")
      yield* pass(1)
      assert.sameDeepMembers([...(yield* presence.members("/rooms/8")).keys()], ["alice", "bob", "carol"])
      yield* alice.disconnect()
      const again = yield* user(bayeux, "alice", "/rooms/7")
      yield* again.disconnect()
      yield* pass(20_000)
      assert.deepStrictEqual(told, [
        ["Present"],
        ["Join", "alice", 0],
        ["Join", "bob", 0],
        ["Leave", "alice", 1, "ClientRequest"],
        ["Join", "alice", 2],
        ["Leave", "alice", 10_002, "ClientRequest"]
      ])
    }))

  scenario("knows nobody on what is no channel", (bayeux, presence) =>
    Effect.gen(function*() {
      yield* user(bayeux, "alice", "/**")
      yield* pass(1)
      assert.deepStrictEqual(names(yield* presence.members("rooms")), [])
      assert.deepStrictEqual(names(yield* presence.members("/rooms")), [["alice", 0, 1]])
    }))

  scenario("knows the application's own sessions as well", (bayeux, presence) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension({
        name: "we",
        incoming: (message, { local }) =>
          local && message["channel"] === "/meta/handshake"
            ? Effect.succeed({ ...message, ext: { user: "us" } })
            : Effect.succeed(message)
      })
      yield* bayeux.addExtension({ ...identities })
      yield* Effect.asVoid(Effect.orDie(bayeux.subscription("/a")))
      yield* pass(1)
      assert.deepStrictEqual(names(yield* presence.members("/a")), [["us", 0, 1]])
    }))

  scenario("can do without a grace period", (bayeux) =>
    Effect.gen(function*() {
      const told = yield* watch()
      const alice = yield* user(bayeux, "alice")
      yield* pass(1)
      yield* alice.disconnect()
      yield* pass(0)
      assert.deepStrictEqual(told.slice(1), [["Join", "alice", 0], ["Leave", "alice", 1, "ClientRequest"]])
    }), { gracePeriod: 0 })

  // A turn has more events than the buffer of the monitor: a new snapshot replaces the lost ones.
  scenario("makes up for what it has missed", (bayeux, presence) =>
    Effect.gen(function*() {
      const told = yield* watch()
      const alice = yield* user(bayeux, "alice")
      const bob = yield* user(bayeux, "bob")
      yield* pass(1)
      yield* bayeux.removeExtension(identities)
      exchange(bayeux, { channel: "/meta/disconnect", clientId: alice.clientId })
      exchange(bayeux, { channel: "/meta/subscribe", clientId: bob.clientId, subscription: "/a" })
      for (let i = 0; i < 2; i++) exchange(bayeux, ...Array.from({ length: 8_200 }, () => ({ channel: "/b", data: 1 })))
      assert.deepStrictEqual(names(yield* presence.members()), [["alice", 0, 0], ["bob", 0, 1]])
      assert.deepStrictEqual(names(yield* presence.members("/a")), [["bob", 0, 1]])
      yield* pass(10_000)
      assert.deepStrictEqual(told.slice(3), [["Leave", "alice", 10_001, undefined]])
    }))

  it.effect("lets all members leave at once when the service stops, and ends", () =>
    Effect.gen(function*() {
      const scope = yield* Scopes.make()
      const context = yield* Layer.buildWithScope(layer(), scope)
      const bayeux = yield* Effect.provideContext(wholeService, context)
      yield* bayeux.addExtension(identities)
      const { watch } = Context.get(context, Presence.Presence)
      const told: Array<Presence.PresenceEvent> = []
      const watching = yield* Effect.forkScoped(
        Stream.runForEach(watch(), (what) => Effect.sync(() => void told.push(what)))
      )
      yield* until("the beginning", () => told.length > 0)
      const alice = yield* user(bayeux, "alice")
      yield* user(bayeux, "bob")
      yield* alice.disconnect()
      yield* pass(1)
      yield* Scopes.close(scope, Exit.void)
      yield* until("the end", () => watching.pollUnsafe() !== undefined)
      assert.deepStrictEqual(told.map(plain).slice(3), [
        ["Leave", "alice", 10_000, "ClientRequest"],
        ["Leave", "bob", 10_001, "Shutdown"]
      ])
    }))

  it.effect("refuses options that are not valid", () =>
    Effect.gen(function*() {
      const error = yield* failure(Layer.build(layer({ gracePeriod: -1 })))
      assert.match(error.message, /Presence\.layer.*gracePeriod/s)
    }))
})
