import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "effect-bayeux"
import { createServer } from "node:http"

// Any Node server: also that of express or fastify, or one with TLS.
const server = createServer((_request, response) => response.end("the rest of the application\n"))
server.listen(8000, "127.0.0.1")

const Service = Layer.effectDiscard(NodeServer.attach(server, { mount: "/bayeux" })).pipe(
  Layer.provide(Transports.layer),
  Layer.provide(Bayeux.layer()),
  Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

Layer.launch(Service).pipe(
  Effect.ensuring(Effect.sync(() => server.close())),
  NodeRuntime.runMain()
)
