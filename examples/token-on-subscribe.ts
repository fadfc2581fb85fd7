import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import { Bayeux, BayeuxServer, Extension, Message } from "effect-bayeux"

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

const Server = BayeuxServer.layer({ port: 8000, install: Bayeux.layerExtensions(tokenOnSubscribe) })

NodeRuntime.runMain(Layer.launch(Server))
