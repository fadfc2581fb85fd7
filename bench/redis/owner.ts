/**
 * A process of effect-bayeux that owns sessions: each has subscribed to some rooms, and waits. It says how many bytes of
 * heap each of them takes, and lives until it is killed.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { Connections } from "../../src/service/Connections.ts"
import * as Request from "../dialects/Request.ts"
import { service } from "./service.ts"

const [port = "", sessions = "", subscriptions = ""] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const connections = yield* Connections
  const ask = (message: object): Promise<string> =>
    new Promise((resolve) => {
      const info = {
        connectionType: "long-polling",
        kind: "exchange",
        local: false,
        request: undefined,
        owner: undefined
      } as const
      const connection = connections.open(info, {
        send: (frame) => {
          resolve(frame.text)
          connection.closed()
        },
        close: () => {}
      })
      connection.receive([message])
    })
  const [handshake = {}] = JSON.parse(Request.handshake) as ReadonlyArray<object>
  const begin = async (session: number) => {
    const clientId = Request.clientIdOf(await ask(handshake))
    const rooms = Array.from({ length: Number(subscriptions) }, (_, i) => `/rooms/${(session + i) % 100}`)
    if (rooms.length > 0) Request.expectReply(await ask(Request.subscribe(clientId, rooms)), "/meta/subscribe")
  }
  for (let at = 0; at < Number(sessions); at += 500) {
    const some = Math.min(500, Number(sessions) - at)
    yield* Effect.promise(() => Promise.all(Array.from({ length: some }, (_, i) => begin(at + i))))
  }
  console.log("ready")
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(Effect.provide(program, service(Number(port)))))
