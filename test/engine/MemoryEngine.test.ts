import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Queue, Scope } from "effect"
import type { Change } from "../../src/core/Change.ts"
import type { ClientId } from "../../src/core/ClientId.ts"
import { Engine, EngineError, type Listener } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import { Client, engineLaws, failure, layerTransports, turn, wholeService } from "./laws.ts"

engineLaws("MemoryEngine", MemoryEngine.layer)

/** The same, but each change is carried out some turns of the event loop later, as by an engine that asks a store. */
const layerDeliberate = Layer.effect(
  Engine,
  Effect.gen(function*() {
    const engine = yield* Engine
    const changes = yield* Queue.unbounded<Change>()
    let listener: Listener | undefined
    let count = 0
    yield* Effect.gen(function*() {
      const change = yield* Queue.take(changes)
      count += 1
      for (let turns = count % 4; turns >= 0; turns--) yield* turn
      const outcome = engine.commit(change)
      if (outcome !== undefined) listener?.onOutcome(outcome)
    }).pipe(Effect.forever, Effect.forkScoped)
    return Engine.of({
      ...engine,
      listen: (service) => Effect.suspend(() => engine.listen(listener = service)),
      commit: (change) => {
        Queue.offerUnsafe(changes, change)
        return undefined
      }
    })
  })
).pipe(Layer.provide(MemoryEngine.layer))

engineLaws("an engine that takes its time", layerDeliberate)

/** A service over an engine that exists, for as long as its scope is open. */
const serve = Effect.gen(function*() {
  const engine = yield* Engine
  const scope = yield* Scope.make()
  const service = layerTransports.pipe(
    Layer.provideMerge(Bayeux.layer()),
    Layer.provide(Layer.mergeAll(Layer.succeed(Engine, engine), Monitor.layer()))
  )
  const context = yield* Layer.buildWithScope(service, scope)
  return { bayeux: yield* Effect.provideContext(wholeService, context), stop: Scope.close(scope, Exit.void) }
})

describe("MemoryEngine", () => {
  it.effect("serves one service only, and says what to do", () =>
    Effect.gen(function*() {
      const { bayeux } = yield* serve
      const error = yield* failure(serve)
      assert.instanceOf(error, EngineError)
      assert.match(error.message, /already serves a Bayeux service/)
      assert.match(error.message, /Layer\.fresh\(MemoryEngine\.layer\)/)
      const client = yield* Client.subscribed(bayeux, "/a")
      client.socket()
      yield* client.publish("/a", "the first one goes on")
      yield* client.hears("the first one goes on")
    }).pipe(Effect.provide(MemoryEngine.layer)))

  it.effect("serves the next service when the first one has stopped, with nothing left of its sessions", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const first = yield* serve
      yield* Client.subscribed(first.bayeux, "/a", "/b")
      assert.strictEqual((yield* engine.counts).sessions, 1)
      yield* first.stop
      assert.deepStrictEqual(yield* engine.counts, { sessions: 0, subscribers: new Map() })
      const second = yield* serve
      yield* Client.subscribed(second.bayeux, "/c")
      assert.deepStrictEqual([...(yield* engine.counts).subscribers].map(String), ["/c,1"])
    }).pipe(Effect.provide(MemoryEngine.layer)))

  it.effect("returns the outcome of a change, and has the sessions that the service has", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const end = (clientId: string) =>
        engine.commit({
          _tag: "EndSession",
          clientId: clientId as ClientId,
          cause: { _tag: "Shutdown" },
          origin: undefined
        })
      assert.isUndefined(end("nobody"), "nobody is served yet")
      const { bayeux, stop } = yield* serve
      const { clientId } = yield* Client.subscribed(bayeux, "/a", "/b")
      assert.include(end("nobody"), { _tag: "Refused" })
      const ended = end(clientId)
      assert(ended?._tag === "SessionEnded")
      assert.sameMembers(ended.patterns.map(String), ["/a", "/b"])
      assert.isTrue(yield* engine.hasSession(clientId as ClientId), "the outcome was not applied")
      yield* stop
      assert.isFalse(yield* engine.hasSession(clientId as ClientId))
    }).pipe(Effect.provide(MemoryEngine.layer)))

  it.effect("gives out counts that do not change any more", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const { bayeux } = yield* serve
      const before = yield* engine.counts
      yield* Client.subscribed(bayeux, "/a")
      assert.strictEqual(before.subscribers.size, 0)
      assert.strictEqual((yield* engine.counts).subscribers.size, 1)
    }).pipe(Effect.provide(MemoryEngine.layer)))

  it.effect("is one per service where each gets a fresh one", () =>
    Effect.gen(function*() {
      const fresh = Effect.provide(serve, Layer.fresh(MemoryEngine.layer))
      const [one, other] = [yield* fresh, yield* fresh]
      const { clientId } = yield* Client.make(one.bayeux)
      assert.strictEqual((yield* one.bayeux.sessions).length, 1)
      assert.strictEqual((yield* other.bayeux.sessions).length, 0)
      assert.isFalse(yield* other.bayeux.disconnect(clientId, "not mine"))
    }))
})
