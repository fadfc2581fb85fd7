/** Faye with faye-redis: its adapter with all transports, and clients within the process, as its adapter serves sockets. */
import faye from "faye"
import fayeRedis from "faye-redis"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Open } from "./InProcess.ts"
import * as InProcess from "./InProcess.ts"
import { serve } from "./part.ts"

const adapter = new faye.NodeAdapter({
  mount: "/bayeux",
  timeout: 120,
  engine: { type: fayeRedis, host: "127.0.0.1", port: Number(process.argv[2]), namespace: "bench" }
})

const clientIdOf = (message: object): unknown => "clientId" in message ? message.clientId : undefined

const open: Open = (onText) => {
  const socket = { send: onText, close: () => {} }
  return (messages) => {
    for (const message of messages) adapter._server.openSocket(clientIdOf(message), socket, undefined)
    adapter._server.process(messages, undefined, (replies) => onText(JSON.stringify(replies)))
  }
}

serve(({ sessions }) => InProcess.dialect(open, sessions))
const server = createServer()
adapter.attach(server)
server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 }, () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }))
})
