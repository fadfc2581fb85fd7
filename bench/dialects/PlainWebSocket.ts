/** What plain-ws and bare-socket understand: the path says what a socket is for, and what it sends is passed on as it is. */
import * as Frame from "../load/Frame.ts"
import * as Mark from "../load/Mark.ts"
import * as Template from "../load/Template.ts"
import { WebSocketClient } from "../load/WebSocketClient.ts"
import type { Dialect } from "./Dialect.ts"
import * as Request from "./Request.ts"

const subscribe: Dialect["subscribe"] = async (address, { room }, onDelivery) => {
  const socket = await WebSocketClient.open(address, `/subscribe/${room}`)
  socket.onText = (bytes, start, end) => void Mark.scanDeliveries(bytes, start, end, onDelivery)
}

const publisher: Dialect["publisher"] = async (address, { answered, room, streams }, onAnswer) => {
  const socket = await WebSocketClient.open(address, `/${answered ? "ask" : "publish"}/${room}`)
  const first = streams[0]?.stream ?? 0
  // The answer is a prepared buffer without a number.
  socket.onText = () => onAnswer(first)
  const message = Template.forStreams(streams, (stream) => Frame.text(JSON.stringify([Request.bare(stream)])))
  const send = Template.gather((frames) => socket.send(Buffer.concat(frames)))
  return (stream, sequence) => send(message(stream, sequence))
}

export const dialect: Dialect = { subscribe, publisher, answers: "asked" }
