import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "effect-bayeux"

const Server = NodeServer.layer({ port: 8000, mount: "/bayeux" }).pipe(
  Layer.provide(Transports.layer),
  Layer.provide(Bayeux.layer({ timeout: "45 seconds" })),
  Layer.provide(MemoryEngine.layer),
  Layer.provideMerge(Monitor.layer())
)

Monitor.Monitor.use(({ events }) => Stream.runForEach(events, Console.log)).pipe(
  Effect.provide(Server),
  NodeRuntime.runMain()
)
