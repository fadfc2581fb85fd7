import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Stream } from "effect"
import { BayeuxServer, Monitor } from "effect-bayeux"

const Server = BayeuxServer.layer({ port: 8000, mount: "/bayeux", timeout: "45 seconds" })

Monitor.Monitor.use(({ events }) => Stream.runForEach(events, Console.log)).pipe(
  Effect.provide(Server),
  NodeRuntime.runMain()
)
