/**
 * A process that knows its users (`identities`) and prints who is there: what `Presence.watch` tells, a line of JSON for
 * each. It takes the arguments of the command.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, References, Stream } from "effect"
import { parseArgs } from "node:util"
import * as RedisEngine from "../../src/engine/redis/RedisEngine.ts"
import { Bayeux, Monitor, NodeServer, Presence, Transports } from "../../src/index.ts"
import { identities } from "./identities.ts"

const option = { type: "string", default: "" } as const
const { values } = parseArgs({
  options: { "port": option, "engine": option, "lease": option, "timeout": option, "log-events": { type: "boolean" } }
})
const url = new URL(values.engine)
const namespace = url.searchParams.get("namespace") ?? ""
url.search = ""

const Server = NodeServer.layer({ port: Number(values.port) }).pipe(
  Layer.provide(Layer.mergeAll(Transports.layer, Bayeux.layerExtensions(identities))),
  Layer.provide(Bayeux.layer({ timeout: Number(values.timeout) * 1000 })),
  Layer.provideMerge(Presence.layer({ gracePeriod: "1 second" })),
  Layer.provide(Layer.mergeAll(
    RedisEngine.layer({ url: url.href, namespace, lease: Number(values.lease) * 1000 }),
    Monitor.layer()
  ))
)

const program = Effect.gen(function*() {
  const { url } = yield* NodeServer.NodeServer
  const { watch } = yield* Presence.Presence
  yield* Effect.logInfo(`Listening on ${url}`)
  yield* Stream.runForEach(watch(), (told) =>
    Effect.sync(() => {
      const line = told._tag === "Present" ? { ...told, members: [...told.members.keys()] } : told
      process.stdout.write(`${JSON.stringify(line)}\n`)
    }))
})

program.pipe(
  Effect.provide(Server),
  Effect.provideService(References.LogToStderr, true),
  NodeRuntime.runMain()
)
