import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Option, Stream } from "effect"
import { Bayeux, BayeuxServer, Metrics, Tracing } from "effect-bayeux"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"

const templates = ["/orders/{order}"]

const Server = BayeuxServer.layer({
  port: 8000,
  install: Layer.mergeAll(Metrics.layer({ templates }), Tracing.layer({ templates }))
})

// Effect's exporter sends metrics, traces and logs to an OpenTelemetry collector.
const Telemetry = Otlp.layerJson({
  baseUrl: process.env["COLLECTOR_URL"] ?? "http://127.0.0.1:4318",
  resource: { serviceName: "shop" },
  tracerExportInterval: "1 second"
}).pipe(Layer.provide(FetchHttpClient.layer))

// Spans of the application join the trace of the publisher.
const program = Effect.gen(function*() {
  const bayeux = yield* Bayeux.Bayeux
  yield* Stream.runForEach(bayeux.subscribe("/orders/*"), (message) =>
    Console.log("an order:", message.data).pipe(
      Effect.withSpan("process /orders/{order}", {
        kind: "consumer",
        parent: Option.getOrUndefined(Tracing.publisher(message))
      })
    ))
})

program.pipe(Effect.provide(Layer.provideMerge(Server, Telemetry)), NodeRuntime.runMain())
