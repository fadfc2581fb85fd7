import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Bayeux, Extension, MemoryEngine, Message, Monitor, NodeServer, Transports } from "effect-bayeux"

const tokens = new Map([["/users/alice", "rabbit"], ["/users/bob", "turtle"]])

/** A subscription to a channel of the list needs the token of that channel, in `ext.authToken`. */
const tokenOnSubscribe: Extension.Extension = {
  name: "token on subscribe",
  incoming: (message) => {
    if (message["channel"] !== "/meta/subscribe") return Effect.succeed(message)
    const ext = message["ext"]
    const given = Message.isRaw(ext) ? ext["authToken"] : undefined
    const wanted = [message["subscription"]].flat().map((channel) => tokens.get(String(channel)))
    return wanted.every((token) => token === undefined || token === given)
      ? Effect.succeed(message)
      : Extension.refuse("Invalid subscription auth token")
  }
}

const Server = NodeServer.layer({ port: 8000 }).pipe(
  Layer.provide(Layer.mergeAll(Transports.layer, Bayeux.layerExtensions(tokenOnSubscribe))),
  Layer.provide(Bayeux.layer()),
  Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

NodeRuntime.runMain(Layer.launch(Server))
