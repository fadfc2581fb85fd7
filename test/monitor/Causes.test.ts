/** Causes of the ends of sessions and subscriptions, in events and in the document. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import type { Cause } from "../../src/core/MonitorEvent.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import {
  ask,
  Client,
  type Failure,
  layerTransports,
  plain,
  record,
  type Service,
  until,
  wholeService
} from "../engine/laws.ts"

type End = (bayeux: Service, client: Client, stop: Effect.Effect<void>) => Effect.Effect<unknown, Failure>

/** Ends that a single process can cause, and their causes. */
const ends: { readonly [tag in Exclude<Cause["_tag"], "EngineLost" | "ProcessLost">]: readonly [End, Cause] } = {
  ClientRequest: [(_, client) => client.disconnect(), { _tag: "ClientRequest" }],
  Timeout: [() => TestClock.adjust(2_000), { _tag: "Timeout", lastSeen: 0 }],
  Kicked: [({ disconnect }, { clientId }) => disconnect(clientId, "spam"), { _tag: "Kicked", reason: "spam" }],
  QueueOverflow: [
    (bayeux) => Effect.forEach([1, 2, 3], (data) => ask(bayeux, { channel: "/a", data })),
    { _tag: "QueueOverflow" }
  ],
  Shutdown: [(_bayeux, _client, stop) => stop, { _tag: "Shutdown" }]
}

describe("an end", () => {
  for (const [tag, [end, cause]] of Object.entries(ends)) {
    it.effect(`says ${tag}, and that the subscriptions ended with their session`, () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const layer = layerTransports.pipe(
          Layer.provideMerge(Bayeux.layer({ timeout: 1_000, maxQueueLength: 2 })),
          Layer.provideMerge(MemoryEngine.layer)
        )
        const bayeux = yield* Effect.provideContext(wholeService, yield* Layer.buildWithScope(layer, scope))
        const events = yield* record
        const client = yield* Client.subscribed(bayeux, "/a", "/b")
        yield* client.unsubscribe("/b")
        yield* end(bayeux, client, Scope.close(scope, Exit.void))
        yield* until("its end", () => events.some(({ _tag }) => _tag === "Disconnect"))
        const { clientId } = client
        assert.deepStrictEqual<unknown>(events.map(plain).filter((event) => "cause" in event), [
          { _tag: "Unsubscribe", clientId, channel: "/b", cause: { _tag: "ClientRequest" }, withSession: false },
          { _tag: "Unsubscribe", clientId, channel: "/a", cause, withSession: true },
          { _tag: "Disconnect", clientId, cause }
        ])
      }).pipe(Effect.provide(Monitor.layer())))
  }
})

describe("the table of causes", () => {
  it("has each cause, with its meaning and a remedy", () => {
    const document = readFileSync(new URL("../../docs/monitoring.md", import.meta.url), "utf8")
    const [, why = ""] = /^## Causes$(.*?)^## /ms.exec(`${document}\n## `) ?? []
    const rows = [...why.matchAll(/^\| `(\w+)`(.*)$/gm)].map(([, tag]) => tag)
    assert.deepStrictEqual(rows, [...Object.keys(ends), "EngineLost", "ProcessLost"])
  })
})
