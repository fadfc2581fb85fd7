/** Socket.IO over its WebSocket transport: rooms, joined and published to by events of our own. */
import type { Address } from "../load/BareSocket.ts"
import * as Frame from "../load/Frame.ts"
import * as Mark from "../load/Mark.ts"
import * as Template from "../load/Template.ts"
import { WebSocketClient } from "../load/WebSocketClient.ts"
import type { Dialect } from "./Dialect.ts"

// The packets of Engine.IO 4 and Socket.IO 5, each the beginning of a text frame.
const ping = 0x32
const pong = Frame.text("3")
const connect = "40"
const joinWithAcknowledgement = "420"
const acknowledgement = "430"
const event = "42"

const expectPacket = (text: string, packet: string): void => {
  if (!text.startsWith(packet)) throw new Error(`The server sent ${text} where a packet ${packet} was due`)
}

const open = async (address: Address): Promise<WebSocketClient> => {
  const socket = await WebSocketClient.open(address, "/socket.io/?EIO=4&transport=websocket")
  expectPacket(await socket.next(), "0")
  expectPacket(await socket.ask(connect), connect)
  return socket
}

const subscribe: Dialect["subscribe"] = async (address, { room }, onDelivery) => {
  const socket = await open(address)
  expectPacket(await socket.ask(`${joinWithAcknowledgement}${JSON.stringify(["join", room])}`), acknowledgement)
  socket.onText = (bytes, start, end) => {
    if (bytes[start] === ping) socket.send(pong)
    else Mark.scanDeliveries(bytes, start, end, onDelivery)
  }
}

const publisher: Dialect["publisher"] = async (address, { room, streams }) => {
  const socket = await open(address)
  socket.onText = () => socket.send(pong)
  const message = Template.forStreams(
    streams,
    ({ channel, stream }) =>
      Frame.text(`${event}${JSON.stringify(["publish", room, { channel, data: Mark.data(stream) }])}`)
  )
  const send = Template.gather((frames) => socket.send(Buffer.concat(frames)))
  return (stream, sequence) => send(message(stream, sequence))
}

export const dialect: Dialect = { subscribe, publisher, answers: "never" }
