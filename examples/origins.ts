import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer } from "effect"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "effect-bayeux"

/** Pages of two origins, and the server's own, may use the service; programs, which have no origin, may. */
const Server = NodeServer.layer({ port: 8000, origins: ["https://www.example.com", "http://localhost:3000"] }).pipe(
  Layer.provide(Transports.layer),
  Layer.provide(Bayeux.layer()),
  Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

NodeRuntime.runMain(Layer.launch(Server))
