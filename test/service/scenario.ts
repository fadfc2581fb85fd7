/** A running service over the memory engine, under a clock that stands still unless it is moved. */
import { it } from "@effect/vitest"
import { Effect, Layer, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { Delivery } from "../../src/core/Message.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import type { Connections } from "../../src/service/Connections.ts"
import { type Failure, layerTransports, type Service, turn, wholeService } from "../engine/laws.ts"

export type { Service }
export type Scenario = (
  bayeux: Service
) => Effect.Effect<void, Failure, Bayeux.Bayeux | Connections | Engine | Monitor.Monitor | Scope.Scope>

export const layerBare = (options: Bayeux.BayeuxOptions = {}) =>
  Bayeux.layer(options).pipe(
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer({ node: "here" })))
  )

export const layer = (options?: Bayeux.BayeuxOptions) => Layer.provideMerge(layerTransports, layerBare(options))

export const scenario = (sentence: string, run: Scenario, options?: Bayeux.BayeuxOptions): void =>
  it.effect(sentence, () => Effect.provide(Effect.flatMap(wholeService, run), layer(options)))

/** Lets so many milliseconds pass, and everything happen that they bring about. */
export const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), turn)

/** Keeps the messages of a local subscription. */
export const collect = (bayeux: Service, pattern: string) =>
  Effect.gen(function*() {
    const messages: Array<Delivery> = []
    const stream = yield* bayeux.subscription(pattern)
    const fiber = yield* Effect.forkScoped(
      Stream.runForEach(stream, (message) => Effect.sync(() => void messages.push(message)))
    )
    return { data: () => messages.map(({ data }) => data), fiber, messages }
  })
