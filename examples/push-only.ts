import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Redacted } from "effect"
import { Bayeux, BayeuxServer, Channel, Extension, Message } from "effect-bayeux"

/** Only clients that know the password may publish; everybody may subscribe. Subscribers do not get the password. */
const pushOnly = (password: Redacted.Redacted): Extension.Extension => ({
  name: "push only",
  incoming: (message, { local }) => {
    const { channel, ext } = message
    if (local || (typeof channel === "string" && Channel.isMeta(channel))) return Effect.succeed(message)
    return Message.isRaw(ext) && ext["password"] === Redacted.value(password)
      ? Effect.succeed(message)
      : Extension.refuse("Password required")
  }
})

const PushOnly = Layer.unwrap(Effect.gen(function*() {
  const password = yield* Config.Redacted("PASSWORD").pipe(Config.withDefault(Redacted.make("swordfish")))
  return Bayeux.layerExtensions(pushOnly(password))
}))

const Server = BayeuxServer.layer({ port: 8000, install: PushOnly })

NodeRuntime.runMain(Layer.launch(Server))
