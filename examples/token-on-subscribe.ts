import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import { Bayeux, Extension, MemoryEngine, Message, Monitor, NodeServer, Transports } from "effect-bayeux"

const tokens = new Map<unknown, string>([["/users/alice", "rabbit"], ["/users/bob", "turtle"]])

/** A subscription to a channel of the list needs the token of that channel, in `ext.authToken`. */
const tokenOnSubscribe: Extension.Extension = {
  name: "token on subscribe",
  incoming: (message) => {
    const { channel, ext, subscription } = message
    if (channel !== "/meta/subscribe") return Effect.succeed(message)
    const given = Message.isRaw(ext) ? ext["authToken"] : undefined
    const wanted = [subscription].flat().map((channel) => tokens.get(channel))
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
