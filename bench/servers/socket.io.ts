/** Socket.IO with rooms: `join` is acknowledged, `publish` goes to all of a room. */
import { createServer } from "node:http"
import { Server } from "socket.io"
import { listen } from "./announce.ts"

const server = createServer()
const io = new Server(server, { transports: ["websocket"], serveClient: false })
io.on("connection", (socket) => {
  socket.on("join", (room, done) => {
    void socket.join(room)
    done?.()
  })
  socket.on("publish", (room, message) => {
    io.to(room).emit("message", message)
  })
})
listen(server)
