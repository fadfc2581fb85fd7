/** Options of the service, and what is said of those that make no sense. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import type * as Bayeux from "../../src/service/Bayeux.ts"
import { ask, Client } from "../engine/laws.ts"
import { compileCache } from "../support/compileCache.ts"
import { patience } from "../transport/support.ts"
import { layerBare, scenario } from "./scenario.ts"

describe("options", () => {
  const errorOf = (options: unknown) =>
    Effect.gen(function*() {
      const context = yield* Effect.scoped(Effect.result(Layer.build(layerBare(options as Bayeux.BayeuxOptions))))
      return context._tag === "Failure" ? `${context.failure._tag}: ${context.failure.message}` : "none"
    })

  const time = "Expected a time above 0, such as \"45 seconds\" or a number of milliseconds"
  const count = "Expected a value greater than or equal to 1"

  for (
    const [options, rule, given, name] of [
      [{ timeuot: 1 }, "Unexpected key", "1", "timeuot"],
      [{ timeout: 0 }, time, "0", "timeout"],
      [{ timeout: -5 }, time, "-5", "timeout"],
      [{ timeout: "soon" }, time, "\"soon\"", "timeout"],
      [{ timeout: Number.NaN }, time, "NaN", "timeout"],
      [{ timeout: "Infinity" }, time, "\"Infinity\"", "timeout"],
      [{ timeout: Number.POSITIVE_INFINITY }, time, "Infinity", "timeout"],
      [{ sessionTimeout: null }, time, "null", "sessionTimeout"],
      [{ extensionTimeout: 0 }, time, "0", "extensionTimeout"],
      [{ interval: -1 }, "Expected a time that is not negative", "-1", "interval"],
      [{ maxQueueLength: 0 }, count, "0", "maxQueueLength"],
      [{ maxQueueLength: 1.5 }, "Expected an integer", "1.5", "maxQueueLength"],
      [{ maxSubscriptions: "many" }, "Expected number", "\"many\"", "maxSubscriptions"],
      [{ maxChannelSegments: -1 }, count, "-1", "maxChannelSegments"]
    ] as const
  ) {
    it.effect(`that are wrong are named with the rule: ${name} of ${given}`, () =>
      Effect.gen(function*() {
        const error = yield* errorOf(options)
        assert.include(error, "OptionsInvalid: The options of Bayeux.layer are not valid: ")
        for (const part of [rule, given, `at ["${name}"]`]) assert.include(error, part)
      }))
  }

  it.effect("that are wrong are all told at once", () =>
    Effect.gen(function*() {
      const error = yield* errorOf({ timeout: 0, maxQueueLength: 0, other: true })
      for (const name of ["timeout", "maxQueueLength", "other"]) assert.include(error, `at ["${name}"]`)
    }))

  it.effect("that are no object are refused", () =>
    Effect.gen(function*() {
      assert.include(yield* errorOf(null), "Expected object, got null")
      assert.include(yield* errorOf("fast"), "Expected object, got \"fast\"")
    }))

  it.effect("may be left out, and times be written in several ways", () =>
    Effect.gen(function*() {
      for (const options of [undefined, {}, { timeout: "1 minute", interval: 0 }, { interval: "0 seconds" }]) {
        assert.strictEqual(yield* errorOf(options), "none")
      }
    }))

  /** Builds a service and connects to it, in a process of its own: whatever becomes of it, this one goes on. */
  const tryOut = (options: Bayeux.BayeuxOptions): Promise<string> => {
    const source = `
      import { Effect, Layer } from "effect"
      import { Bayeux, MemoryEngine, Monitor } from ${JSON.stringify(import.meta.resolve("../../src/index.ts"))}
      import { Connections } from ${JSON.stringify(import.meta.resolve("../../src/service.ts"))}
      const ask = (connections, message) => Effect.callback((resume) => {
        const info = { connectionType: "long-polling", kind: "exchange", local: false }
        const sink = { send: (frame) => resume(Effect.succeed(frame.messages[0])), close: () => {} }
        connections.open(info, sink).receive([{ connectionType: "long-polling", ...message }])
      })
      const supportedConnectionTypes = ["long-polling"]
      const program = Effect.gen(function*() {
        const connections = yield* Connections.Connections
        yield* connections.addTransport({ connectionTypes: supportedConnectionTypes })
        const handshake = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes }
        const { clientId } = yield* ask(connections, handshake)
        return (yield* ask(connections, { channel: "/meta/connect", clientId })).channel
      })
      const layer = Layer.provide(Bayeux.layer(${JSON.stringify(options)}), [MemoryEngine.layer, Monitor.layer()])
      const outcome = program.pipe(Effect.scoped, Effect.provide(layer))
      console.log(await Effect.runPromise(Effect.catch(outcome, (error) => Effect.succeed(error._tag))))
    `
    const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", source], {
      env: { ...process.env, ...compileCache },
      timeout: patience
    })
    return run.then(({ stdout }) => stdout.trim(), () => "no end")
  }

  it.each([
    [{ timeout: 20, sessionTimeout: 60 }, ["/meta/connect"]],
    [{ timeout: 60, sessionTimeout: 20 }, ["/meta/connect", "BayeuxOptionsInvalid"]]
  ])(
    "with the times %j are refused, or a connect is answered: the process does not stand still",
    async (options, good) => {
      assert.include(good, await tryOut(options))
    }
  )

  scenario("bound the subscriptions of a session and the depth of a channel", (bayeux) =>
    Effect.gen(function*() {
      const { clientId } = yield* Client.subscribed(bayeux, "/a")
      const subscribe = (subscription: string) => ask(bayeux, { channel: "/meta/subscribe", clientId, subscription })
      assert.strictEqual((yield* subscribe("/b")).error, "403:1:Too many subscriptions")
      assert.strictEqual((yield* subscribe("/b/c/d")).error, "405:/b/c/d:Too many channel segments")
    }), { maxSubscriptions: 1, maxChannelSegments: 2 })
})
