import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Bayeux, Extension, MemoryEngine, Monitor, NodeServer, Transports } from "effect-bayeux"

const allowed = new Set(["http://localhost:8000", "https://www.example.com"])

/** Pages of other origins may not begin a session; programs, which send no origin, may. */
const originCheck: Extension.Extension = {
  name: "origin check",
  incoming: (message, { request }) => {
    const origin = request?.headers.origin
    return message["channel"] !== "/meta/handshake" || origin === undefined || allowed.has(origin)
      ? Effect.succeed(message)
      : Extension.refuse("Origin not allowed", { reconnect: "none" })
  }
}

const Server = NodeServer.layer({ port: 8000 }).pipe(
  Layer.provide(Layer.mergeAll(Transports.layer, Bayeux.layerExtensions(originCheck))),
  Layer.provide(Bayeux.layer()),
  Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

NodeRuntime.runMain(Layer.launch(Server))
