import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer } from "effect"
import { BayeuxServer } from "effect-bayeux"

/** Pages of two origins, and the server's own, may use the service; programs, which have no origin, may. */
const Server = BayeuxServer.layer({ port: 8000, origins: ["https://www.example.com", "http://localhost:3000"] })

NodeRuntime.runMain(Layer.launch(Server))
