/** A yardstick: what arrives is sent to each socket of the room by `ws.send`, with no protocol work at all. */
import { createServer } from "node:http"
import { type WebSocket, WebSocketServer } from "ws"
import { listen } from "./announce.ts"
import { answer } from "./answer.ts"
import { placeOf, Rooms } from "./rooms.ts"

const asText = { binary: false }
const rooms = new Rooms<WebSocket>()

const subscribe = (socket: WebSocket, room: Set<WebSocket>): void => {
  room.add(socket)
  socket.on("close", () => room.delete(socket))
}

const accept = (socket: WebSocket, path: string): void => {
  const place = placeOf(path)
  const room = rooms.of(place.room)
  if (place.role === "subscribe") return subscribe(socket, room)
  const passesOn = place.role !== "echo"
  const answers = place.role !== "publish"
  socket.on("message", (data: Buffer) => {
    if (passesOn) { for (const subscriber of room) subscriber.send(data, asText) }
    if (answers) socket.send(answer, asText)
  })
}

const server = createServer()
const sockets = new WebSocketServer({ noServer: true, clientTracking: false })
server.on("upgrade", (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (open) => accept(open, request.url ?? "/"))
})
listen(server)
