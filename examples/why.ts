import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Stream } from "effect"
import { BayeuxServer, Monitor, type MonitorEvent } from "effect-bayeux"

const Server = BayeuxServer.layer({ port: 8000 })

// The union is closed: a forgotten cause is a compile error.
const why = (cause: MonitorEvent.Cause): string => {
  switch (cause._tag) {
    case "ClientRequest":
      return "its client has said goodbye"
    case "Timeout":
      return `its client was last heard at ${new Date(cause.lastSeen).toISOString()}`
    case "Kicked":
      return `we have ended it: ${cause.reason}`
    case "QueueOverflow":
      return "its client does not collect its messages"
    case "Shutdown":
      return "the server stops"
    case "EngineLost":
    case "ProcessLost":
      return "something has broken: look at the engine"
  }
}

// The end of a session ends its subscriptions: one line for all of them.
const program = Effect.gen(function*() {
  const { events } = yield* Monitor.Monitor
  yield* Stream.runForEach(events, (event) => {
    if (event._tag === "Disconnect") return Console.log("a session ended:", why(event.cause))
    if (event._tag === "Unsubscribe" && !event.withSession) return Console.log("somebody has left", event.channel)
    return Effect.void
  })
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain())
