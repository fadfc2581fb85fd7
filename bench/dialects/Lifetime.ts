/**
 * A session from its handshake to its disconnect: how long it takes is measured by the scenarios with cycles. Servers
 * without sessions answer as many requests with a prepared text.
 */
import type { Address } from "../load/BareSocket.ts"
import * as HttpClient from "../load/HttpClient.ts"
import { WebSocketClient } from "../load/WebSocketClient.ts"
import type { Name } from "../servers/Server.ts"
import { post } from "./BayeuxPolling.ts"
import { openSession } from "./BayeuxWebSocket.ts"
import * as Request from "./Request.ts"

const patterns = ["/cycle"]
const bareRequest = JSON.stringify([{ channel: "/cycle", data: "x".repeat(60) }])
const requests = 3

const closed = (socket: WebSocketClient): Promise<void> => new Promise((resolve) => socket.expectClose(resolve))

/** Reads until the reply to this channel has come; a held connect may be answered before it. */
const replyTo = async (socket: WebSocketClient, channel: string): Promise<void> => {
  while (Request.reply(await socket.next(), channel) === undefined) { /* the reply to a connect */ }
}

const bayeuxOverWebSocket = async (address: Address): Promise<void> => {
  const { clientId, socket } = await openSession(address)
  socket.sendText(JSON.stringify([Request.subscribe(clientId, patterns)]))
  socket.sendText(JSON.stringify([Request.connect(clientId, "websocket")]))
  await replyTo(socket, "/meta/subscribe")
  const end = closed(socket)
  socket.sendText(JSON.stringify([Request.disconnect(clientId)]))
  await replyTo(socket, "/meta/disconnect")
  socket.close()
  return end
}

const bareOverWebSocket = async (address: Address): Promise<void> => {
  const socket = await WebSocketClient.open(address, "/echo/cycle")
  for (let i = 0; i < requests; i++) await socket.ask(bareRequest)
  const end = closed(socket)
  socket.close()
  return end
}

/** A socket of its own for each session: TCP, upgrade, handshake, subscription with a connect, disconnect, closure. */
export const overWebSocket = (server: Name) =>
  server === "plain-ws" || server === "bare-socket" ? bareOverWebSocket : bayeuxOverWebSocket

const bayeuxOverHttp = async (client: HttpClient.HttpClient): Promise<void> => {
  const clientId = Request.clientIdOf(await client.ask(HttpClient.post(Request.mount, Request.handshake)))
  const connect = Request.connect(clientId, "long-polling", { timeout: 0 })
  const replies = await client.ask(post(Request.subscribe(clientId, patterns), connect))
  Request.expectReply(replies, "/meta/subscribe")
  Request.expectReply(replies, "/meta/connect")
  Request.expectReply(await client.ask(post(Request.disconnect(clientId))), "/meta/disconnect")
}

const bareOverHttp = async (client: HttpClient.HttpClient): Promise<void> => {
  for (let i = 0; i < requests; i++) await client.ask(HttpClient.post("/echo", bareRequest))
}

/** One after the other on a connection that stays: handshake, subscription with a connect that is not held, disconnect. */
export const overHttp = (server: Name) => server === "plain-http" ? bareOverHttp : bayeuxOverHttp
