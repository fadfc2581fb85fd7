import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer } from "effect"
import { Bayeux, HttpRoutes, MemoryEngine, Monitor, NodeServer, Transports } from "effect-bayeux"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

const Routes = Layer.mergeAll(
  HttpRouter.add("GET", "/", HttpServerResponse.text("the rest of the application\n")),
  HttpRoutes.layer({ mount: "/bayeux" })
)

const Server = HttpRouter.serve(Routes, { disableLogger: true }).pipe(
  // The port opens when this layer is built, and requests that arrive before the routes exist are not answered. So it
  // is provided first: the layers below are built before it.
  Layer.provide(NodeHttpServer.layer(() => NodeServer.tune(createServer()), { port: 8000, host: "127.0.0.1" })),
  Layer.provide(Transports.layer),
  Layer.provide(Bayeux.layer()),
  Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

NodeRuntime.runMain(Layer.launch(Server))
