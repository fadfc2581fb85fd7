/** effect-bayeux on Redis: all transports, and clients within the process. */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import * as RedisEngine from "../../src/engine/redis/RedisEngine.ts"
import { Bayeux, Monitor, NodeServer, Transports } from "../../src/index.ts"
import { Connections } from "../../src/service/Connections.ts"
import type { Open } from "./InProcess.ts"
import * as InProcess from "./InProcess.ts"
import { serve } from "./part.ts"

const port = Number(process.argv[2])

const server = NodeServer.layer({ port: 0, mount: "/bayeux" }).pipe(
  Layer.provide(Transports.layer),
  Layer.provideMerge(Bayeux.layer({ timeout: "2 minutes" })),
  Layer.provide(RedisEngine.layer({ url: `redis://127.0.0.1:${port}`, namespace: "bench" })),
  Layer.provide(Monitor.layer())
)

const info = {
  connectionType: "websocket",
  kind: "socket",
  local: false,
  request: undefined,
  owner: undefined
} as const

const program = Effect.gen(function*() {
  const { address } = yield* NodeServer.NodeServer
  const connections = yield* Connections
  const open: Open = (onText) => {
    const connection = connections.open(info, {
      send: (frame) => onText(frame.text),
      close: (reason) => {
        throw new Error(`A client was sent away: ${reason}`)
      }
    })
    return (messages) => connection.receive(messages)
  }
  serve(({ sessions }) => InProcess.dialect(open, sessions))
  console.log(JSON.stringify({ port: address.port }))
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(Effect.provide(program, server)))
