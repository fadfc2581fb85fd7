/** Subscribers of one kind; each message that one of them gets is a line `client number milliseconds`. */
import { createRequire } from "node:module"

const require = createRequire(import.meta.url)
const [, , kind = "", url = "", count = "1", within = "0"] = process.argv

const got = (client: number) => ({ n }: { readonly n: number }) => console.log(`${client} ${n} ${Date.now()}`)

const faye = (client: number): void => {
  const { Client } = require("faye")
  const subscriber = new Client(url)
  subscriber.disable("eventsource")
  if (kind === "faye-polling") subscriber.disable("websocket")
  subscriber.subscribe("/n", got(client))
}

const cometd = (client: number): void => {
  require("cometd-nodejs-client").adapt()
  const { AckExtension, CometD } = require("cometd")
  const subscriber = new CometD()
  if (kind.endsWith("ack")) subscriber.registerExtension("ack", new AckExtension())
  if (kind.startsWith("cometd-polling")) subscriber.unregisterTransport("websocket")
  else subscriber.unregisterTransport("long-polling")
  subscriber.configure({ url, logLevel: "error" })
  subscriber.addListener("/meta/handshake", ({ successful }: { readonly successful: boolean }) => {
    if (successful) {
      subscriber.subscribe("/n", ({ data }: { readonly data: { readonly n: number } }) => got(client)(data))
    }
  })
  subscriber.handshake()
}

process.on("uncaughtException", (error) => console.error(String(error)))
for (let client = 0; client < Number(count); client++) {
  setTimeout(() => (kind.startsWith("faye") ? faye : cometd)(client), (client * Number(within)) / Number(count))
}
