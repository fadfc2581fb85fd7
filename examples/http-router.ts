import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Layer } from "effect"
import { Bayeux, HttpRoutes, MemoryEngine, Monitor, Transports } from "effect-bayeux"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

const Routes = Layer.mergeAll(
  HttpRouter.add("GET", "/", HttpServerResponse.text("the rest of the application\n")),
  HttpRoutes.layer({ mount: "/bayeux" }).pipe(Layer.provide(Transports.layer))
)

const Server = HttpRouter.serve(Routes, { disableLogger: true }).pipe(
  Layer.provide(Bayeux.layer()),
  Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer())),
  Layer.provide(NodeHttpServer.layer(() => createServer(), { port: 8000, host: "127.0.0.1" }))
)

NodeRuntime.runMain(Layer.launch(Server))
