import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer } from "effect"
import { BayeuxServer, Metrics, MetricsPage } from "effect-bayeux"

// The metrics are at http://127.0.0.1:8000/metrics, beside the service.
const Server = BayeuxServer.layer({ port: 8000, install: Metrics.layer({ templates: ["/rooms/{room}"] }) })

NodeRuntime.runMain(Layer.launch(Layer.provide(MetricsPage.layer(), Server)))
