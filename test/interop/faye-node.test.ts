/** The `faye` package's own client in Node, on both of the transports it has there. */
import { Client } from "faye"
import { openFaye } from "../support/clients.ts"
import { scenarios } from "./scenarios.ts"

scenarios("Faye's client in Node over WebSocket", {
  transport: "websocket",
  open: (options) => openFaye(Client, options),
  burst: 1_000
})

scenarios("Faye's client in Node over long polling", {
  transport: "long-polling",
  open: (options) => openFaye(Client, options),
  // What it is given in one turn goes into requests of 2 KB that race each other; ten messages fit in one.
  burst: 10
})
