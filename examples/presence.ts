import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import { Bayeux, BayeuxServer, Extension, Message, Presence } from "effect-bayeux"

const users = new Map<unknown, string>([["rabbit", "alice"], ["turtle", "bob"]])

/** A handshake needs a token in `ext.token`, which identifies the user. */
const authenticate: Extension.Extension = {
  name: "authenticate",
  incoming: (message) => {
    const { channel, ext } = message
    if (channel !== "/meta/handshake") return Effect.succeed(message)
    const user = users.get(Message.isRaw(ext) ? ext["token"] : undefined)
    return user === undefined ? Extension.refuse("Unknown token") : Extension.identify(message, user)
  }
}

const Server = BayeuxServer.layer({
  port: 8000,
  install: Layer.merge(Bayeux.layerExtensions(authenticate), Presence.layer({ gracePeriod: "2 seconds" }))
})

// The members, then each join and leave. A second tab is no join, and a page change is no leave.
const program = Effect.gen(function*() {
  const presence = yield* Presence.Presence
  yield* Stream.runForEach(presence.watch(), (told) => {
    switch (told._tag) {
      case "Present":
        return Console.log("there are", [...told.members.keys()])
      case "Join":
        return Console.log(told.identity, "has come")
      case "Leave":
        return Effect.gen(function*() {
          const room = yield* presence.members("/rooms/7")
          yield* Console.log(told.identity, "has left:", told.cause?._tag, "- still in room 7:", [...room.keys()])
        })
    }
  })
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain())
