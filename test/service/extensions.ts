/** Extensions, and a running service for them, under a clock that stands still unless it is moved. */
import { it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import { TestClock } from "effect/testing"
import type { Raw } from "../../src/core/Message.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import type { Connections } from "../../src/service/Connections.ts"
import { type Extension, type Handler } from "../../src/service/Extension.ts"
import { Client, type Failure, layerTransports, type Service, turn, until, wholeService } from "../engine/laws.ts"

export type { Service }
export type Scenario = (
  bayeux: Service
) => Effect.Effect<void, Failure, Bayeux.Bayeux | Connections | Engine | Monitor.Monitor | Scope.Scope>

export const layer = (options?: Bayeux.BayeuxOptions) =>
  layerTransports.pipe(
    Layer.provideMerge(Bayeux.layer(options)),
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
  )

/** What the service has logged in this test. */
export const log: Array<string> = []
export const logged = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])

export const scenario = (sentence: string, run: Scenario, options?: Bayeux.BayeuxOptions): void =>
  it.effect(sentence, () => {
    log.length = 0
    return Effect.provide(Effect.flatMap(wholeService, run), Layer.provideMerge(layer(options), logged))
  })

/** Lets so many milliseconds pass, and everything happen that they bring about. */
export const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), turn)

export const isOn = (message: Raw, channel: string): boolean => message["channel"] === channel

/** An extension that treats the messages on a channel, and lets all others pass. */
export const on = (channel: string, treat: Handler): Handler => (message, context) =>
  isOn(message, channel) ? treat(message, context) : Effect.succeed(message)

export const incoming = (incoming: Handler): Extension => ({ name: "test", incoming })
export const outgoing = (outgoing: Handler): Extension => ({ name: "test", outgoing })

/** Takes so many milliseconds over each message that has data, as its data says. */
export const takingItsTime: Handler = (message) => {
  const data = message["data"]
  return Effect.as(typeof data === "number" && data > 0 ? Effect.sleep(data) : Effect.void, message)
}

export const sign = (message: Raw, name: string): Raw => {
  const data = message["data"]
  return typeof data === "string" || typeof data === "number" ? { ...message, data: `${data}${name}` } : message
}

/** Writes its name behind the data of a message. */
export const signing = (name: string): Handler => (message) => Effect.succeed(sign(message, name))

export const subscriber = (bayeux: Service, pattern = "/a") =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, pattern)
    const peer = client.socket()
    yield* until("the session's socket", () => peer.boundTo.length > 0)
    return peer
  })
