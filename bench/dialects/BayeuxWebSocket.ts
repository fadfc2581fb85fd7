/** Bayeux over WebSocket, for effect-bayeux and Faye. */
import type { Address } from "../load/BareSocket.ts"
import * as Frame from "../load/Frame.ts"
import * as Mark from "../load/Mark.ts"
import * as Template from "../load/Template.ts"
import { WebSocketClient } from "../load/WebSocketClient.ts"
import type { Dialect } from "./Dialect.ts"
import * as Request from "./Request.ts"

interface Session {
  readonly socket: WebSocketClient
  readonly clientId: string
}

/** Opens a socket and shakes hands. */
export const openSession = async (address: Address): Promise<Session> => {
  const socket = await WebSocketClient.open(address, Request.mount)
  return { socket, clientId: Request.clientIdOf(await socket.ask(Request.handshake)) }
}

/** Keeps a connect held: whenever it is answered, the next one is sent. */
const holdConnect = ({ clientId, socket }: Session) => {
  const request = Frame.text(JSON.stringify([Request.connect(clientId, "websocket")]))
  socket.send(request)
  return (bytes: Buffer, start: number, end: number): void => {
    if (Request.reply(bytes.toString("utf8", start, end), "/meta/connect") !== undefined) socket.send(request)
  }
}

/** Opens a session that keeps a connect held, with a subscription. */
export const subscribe: Dialect["subscribe"] = async (address, { patterns }, onDelivery) => {
  const session = await openSession(address)
  const { clientId, socket } = session
  Request.expectReply(await socket.ask(JSON.stringify([Request.subscribe(clientId, patterns)])), "/meta/subscribe")
  const onReplies = holdConnect(session)
  socket.onText = (bytes, start, end) => {
    if (Mark.scanDeliveries(bytes, start, end, onDelivery)) onReplies(bytes, start, end)
  }
}

const publisher: Dialect["publisher"] = async (address, { streams }, onAnswer) => {
  const session = await openSession(address)
  const { clientId, socket } = session
  const onReplies = holdConnect(session)
  socket.onText = (bytes, start, end) => {
    const text = bytes.toString("latin1", start, end)
    if (text.includes("\"successful\":false")) throw new Error(`The server refused a publish: ${text}`)
    if (text.includes("/meta/")) onReplies(bytes, start, end)
    Mark.scanAnswers(bytes, start, end, onAnswer)
  }
  const message = Template.forStreams(
    streams,
    (stream) => Frame.text(JSON.stringify([Request.publish(clientId, stream)]))
  )
  const send = Template.gather((frames) => socket.send(Buffer.concat(frames)))
  return (stream, sequence) => send(message(stream, sequence))
}

export const dialect: Dialect = { subscribe, publisher, answers: "always" }
