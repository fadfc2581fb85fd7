/** Presence with Redis: services that share sessions, a store that loses data or is restored, a log that was trimmed. */
import { afterEach, assert, beforeEach, describe, inject, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope, Stream } from "effect"
import * as RedisEngine from "../../src/engine/redis/RedisEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Presence from "../../src/monitor/Presence.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import {
  ask,
  Client,
  connect,
  eventually,
  handshake,
  layerTransports,
  type Service,
  until,
  wholeService
} from "../engine/laws.ts"
import { identities } from "../support/identities.ts"
import { Proxy } from "../support/proxy.ts"
import { RedisServer } from "../support/redis.ts"
import { releaseAll } from "../transport/support.ts"

/** Longer than the pause before a reconnect. */
const gracePeriod = 1_300
const prefix = "{presence}:"

interface Watched {
  readonly bayeux: Service
  readonly presence: Presence.Presence["Service"]
  readonly told: ReadonlyArray<Presence.PresenceEvent>
  readonly stop: Effect.Effect<void>
}

/** Presence events as text, without times, which differ from run to run. */
const plain = (told: Presence.PresenceEvent): string => {
  if (told._tag === "Present") return `Present ${[...told.members.keys()].sort().join()}`
  return told._tag === "Join" ? `Join ${told.identity}` : `Leave ${told.identity} ${told.cause?._tag}`
}

describe.skipIf(inject("redis") === "")("Presence with Redis", () => {
  let redis: RedisServer
  beforeEach(async () => {
    redis = await RedisServer.start(inject("redis"), { appendfsync: "no" })
  })
  afterEach(releaseAll)

  /** A process that watches a channel, or the server. */
  const start = Effect.fnUntraced(function*(channel?: string, url = redis.url) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const engine = RedisEngine.layer({ url, namespace: "presence", lease: 500 })
    const process = Layer.mergeAll(layerTransports, Bayeux.layerExtensions(identities)).pipe(
      Layer.provideMerge(Bayeux.layer()),
      Layer.provideMerge(Presence.layer({ gracePeriod })),
      Layer.provideMerge(Layer.mergeAll(engine, Monitor.layer()))
    )
    const context = yield* Layer.buildWithScope(Layer.fresh(process), scope)
    const presence = Context.get(context, Presence.Presence)
    const told: Array<Presence.PresenceEvent> = []
    const keep = (what: Presence.PresenceEvent) => Effect.sync(() => void told.push(what))
    yield* Effect.forkIn(Stream.runForEach(presence.watch(channel), keep), scope)
    yield* until("the beginning", () => told.length > 0)
    const watched: Watched = {
      bayeux: yield* Effect.provideContext(wholeService, context),
      presence,
      told,
      stop: Scope.close(scope, Exit.void)
    }
    return watched
  })

  const user = ({ bayeux }: Watched, name: string, ...patterns: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const { clientId = "", error } = yield* ask(bayeux, { ...handshake, ext: { user: name } })
      assert.isUndefined(error)
      const client = new Client(bayeux, clientId)
      if (patterns.length > 0) yield* client.subscribe(...patterns)
      return client
    })

  /** Waits for exactly these events. */
  const tells = ({ told }: Watched, ...expected: ReadonlyArray<string>): Effect.Effect<void> =>
    Effect.map(
      until(`${expected.join("; ")} after ${told.map(plain).join("; ")}`, () => told.length >= expected.length),
      () => assert.deepStrictEqual(told.map(plain), expected)
    )

  const command = (...args: ReadonlyArray<string>) => Effect.promise(() => redis.command(...args))

  const keys = Effect.map(command("KEYS", `${prefix}*`), (keys) => (keys as ReadonlyArray<string>).toSorted())

  it.live("gives all processes the same events, wherever a session is", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* start(), yield* start()]
      const alice = yield* user(one, "Alice Müller, 100 %")
      yield* ask(other.bayeux, connect(alice.clientId, "exchange", 0))
      yield* eventually("the session", Effect.map(other.bayeux.sessions, ([session]) => session))
      assert.deepStrictEqual((yield* other.bayeux.sessions).map(({ identity }) => identity), ["Alice Müller, 100 %"])
      const page = yield* user(other, "Alice Müller, 100 %")
      yield* alice.disconnect()
      const bob = yield* user(one, "bob")
      yield* bob.disconnect()
      yield* other.bayeux.disconnect(page.clientId, "enough")
      const expected = [
        "Present ",
        "Join Alice Müller, 100 %",
        "Join bob",
        "Leave bob ClientRequest",
        "Leave Alice Müller, 100 % Kicked"
      ]
      for (const process of [one, other]) yield* tells(process, ...expected)
      assert.deepStrictEqual(one.told, other.told)
      for (const process of [one, other]) yield* process.stop
      assert.deepStrictEqual(yield* keys, ["epoch", "log", "pos"].map((key) => prefix + key))
    }))

  it.live("knows channels, and from the beginning present and lingering members", () =>
    Effect.gen(function*() {
      const one = yield* start("/rooms/7")
      const alice = yield* user(one, "alice", "/rooms/*")
      const bob = yield* user(one, "bob", "/rooms/7", "/a")
      yield* user(one, "carol", "/rooms/8")
      yield* alice.disconnect()
      yield* bob.unsubscribe("/rooms/7")
      const other = yield* start("/rooms/7")
      const everywhere = yield* start()
      yield* tells(one, "Present ", "Join alice", "Join bob", "Leave bob ClientRequest", "Leave alice ClientRequest")
      yield* tells(other, "Present alice", "Leave alice ClientRequest")
      yield* tells(everywhere, "Present alice,bob,carol", "Leave alice ClientRequest")
      assert.deepStrictEqual(other.told.at(-1), one.told.at(-1))
    }))

  it.live("lets all members leave when Redis has lost everything, except those that come back in time", () =>
    Effect.gen(function*() {
      const one = yield* start()
      yield* user(one, "alice")
      yield* user(one, "bob")
      yield* tells(one, "Present ", "Join alice", "Join bob")
      yield* command("FLUSHALL")
      yield* eventually(
        "the end of the sessions",
        Effect.map(one.bayeux.sessions, (all) => all.length === 0 || undefined)
      )
      yield* user(one, "bob")
      yield* tells(one, "Present ", "Join alice", "Join bob", "Leave alice EngineLost")
      assert.deepStrictEqual([...(yield* one.presence.members()).keys()], ["bob"])
    }))

  it.live("is right again after an outage of Redis, and reports the changes", () =>
    Effect.gen(function*() {
      const one = yield* start()
      yield* user(one, "alice")
      yield* tells(one, "Present ", "Join alice")
      yield* Effect.promise(() => redis.kill())
      yield* Effect.promise(() => redis.start())
      // A process that finds Redis earlier than the others.
      const other = yield* start()
      const bob = yield* user(other, "bob")
      yield* bob.disconnect()
      yield* user(other, "carol")
      yield* tells(one, "Present ", "Join alice", "Join bob", "Join carol", "Leave bob ClientRequest")
    }))

  it.live("is right again when Redis was restored, and the log does not continue where it was read", () =>
    Effect.gen(function*() {
      const one = yield* start()
      const alice = yield* user(one, "alice")
      yield* tells(one, "Present ", "Join alice")
      const { appended } = redis
      yield* alice.disconnect()
      yield* user(one, "bob")
      yield* tells(one, "Present ", "Join alice", "Join bob", "Leave alice ClientRequest")
      yield* Effect.promise(() => redis.kill())
      redis.forgetAfter(appended)
      yield* Effect.promise(() => redis.start())
      // Its session is there again, and goes on until it times out.
      yield* eventually("alice", Effect.map(one.presence.members(), (members) => members.get("alice")))
      yield* eventually("bob's end", Effect.map(one.presence.members(), (members) => !members.has("bob") || undefined))
      assert.deepStrictEqual(one.told.map(plain).slice(4).sort(), ["Join alice", "Leave bob EngineLost"])
      assert.deepStrictEqual((yield* one.bayeux.sessions).map(({ identity }) => identity), ["alice"])
    }))

  it.live("is right again when the log was trimmed before it was read", () =>
    Effect.gen(function*() {
      const proxy = yield* Effect.promise(() => Proxy.start(redis.port))
      const [one, other] = [yield* start(undefined, `redis://127.0.0.1:${proxy.port}`), yield* start()]
      const alice = yield* user(other, "alice")
      yield* user(other, "bob")
      yield* tells(one, "Present ", "Join alice", "Join bob")
      proxy.blackHole()
      yield* alice.disconnect()
      yield* user(other, "carol")
      yield* tells(other, "Present ", "Join alice", "Join bob", "Join carol", "Leave alice ClientRequest")
      yield* command("XTRIM", `${prefix}log`, "MAXLEN", "0")
      yield* Effect.sync(() => proxy.cut())
      proxy.heal()
      yield* tells(one, "Present ", "Join alice", "Join bob", "Join carol", "Leave alice undefined")
    }))
})
