/** The `cometd` package in Node, by way of `cometd-nodejs-client`, on both of the transports it has there. */
import { AckExtension, CometD } from "cometd"
import { adapt } from "cometd-nodejs-client"
import { openCometd } from "../support/clients.ts"
import { scenarios } from "./scenarios.ts"

adapt()

scenarios("CometD's client in Node over WebSocket", {
  transport: "websocket",
  open: (options) => openCometd(CometD, options),
  burst: 1_000
})

scenarios("CometD's client in Node over long polling", {
  transport: "long-polling",
  open: (options) => openCometd(CometD, options),
  burst: 1_000,
  // `cometd-nodejs-client` decodes each chunk of a response by itself.
  readsUnicodeInPieces: false
})

scenarios("CometD's client in Node over WebSocket, with acknowledgement", {
  transport: "websocket",
  open: (options) => openCometd(CometD, options, new AckExtension()),
  burst: 1_000
})

scenarios("CometD's client in Node over long polling, with acknowledgement", {
  transport: "long-polling",
  open: (options) => openCometd(CometD, options, new AckExtension()),
  burst: 1_000,
  readsUnicodeInPieces: false
})
