import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer } from "effect"
import { Bayeux, MemoryEngine, Metrics, MetricsPage, Monitor, NodeServer, Transports } from "effect-bayeux"

// The metrics are at http://127.0.0.1:8000/metrics, beside the service.
const Server = MetricsPage.layer().pipe(
  Layer.provide(NodeServer.layer({ port: 8000 })),
  Layer.provide(Transports.layer),
  Layer.provide(Metrics.layer({ templates: ["/rooms/{room}"] })),
  Layer.provide(Bayeux.layer()),
  Layer.provide(MemoryEngine.layer),
  Layer.provide(Monitor.layer())
)

Layer.launch(Server).pipe(NodeRuntime.runMain())
