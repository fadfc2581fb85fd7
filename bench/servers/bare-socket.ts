/**
 * The limit: WebSocket by hand on bare sockets. A message is framed once, and each subscriber gets one write for all
 * that came in a turn. It understands what the generator sends, and nothing else.
 */
import { createHash } from "node:crypto"
import { createServer, type Socket } from "node:net"
import { listen } from "./announce.ts"
import { answer } from "./answer.ts"
import { placeOf, Rooms } from "./rooms.ts"

const maskLength = 4
const closeFrame = Buffer.from([0x88, 0x02, 0x03, 0xe8])

const frame = (content: Buffer): Buffer => {
  const { length } = content
  const header = length < 126 ? Buffer.from([0x81, length]) : Buffer.from([0x81, 126, length >> 8, length & 0xff])
  return Buffer.concat([header, content])
}

const answerFrame = frame(answer)

/** What is to be written at the end of the turn: to whom, and the frames. */
const outbox = new Map<Iterable<Socket>, Array<Buffer>>()

const flush = (): void => {
  for (const [sockets, frames] of outbox) {
    const bytes = frames.length === 1 && frames[0] ? frames[0] : Buffer.concat(frames)
    for (const socket of sockets) socket.write(bytes)
  }
  outbox.clear()
}

const post = (sockets: Iterable<Socket>, bytes: Buffer): void => {
  const frames = outbox.get(sockets)
  if (frames !== undefined) return void frames.push(bytes)
  if (outbox.size === 0) setImmediate(flush)
  outbox.set(sockets, [bytes])
}

const rooms = new Rooms<Socket>()

const acceptKey = (request: string): string => {
  const key = /\r\nsec-websocket-key: *(\S+)/i.exec(request)?.[1] ?? ""
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
}

/** Answers the upgrade and gives what is to be done with each text, if anything. */
const upgrade = (socket: Socket, request: string): (content: Buffer) => void => {
  const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
  socket.write(`${head}${acceptKey(request)}\r\n\r\n`)
  const { role, room } = placeOf(request.split(" ", 2)[1] ?? "/")
  const subscribers = rooms.of(room)
  if (role === "subscribe") {
    subscribers.add(socket)
    socket.on("close", () => subscribers.delete(socket))
    return () => {}
  }
  const self = [socket]
  return (content) => {
    if (role !== "echo") post(subscribers, frame(content))
    if (role !== "publish") post(self, answerFrame)
  }
}

/** Consumes whole frames and gives the rest. */
const consume = (socket: Socket, bytes: Buffer, onText: (content: Buffer) => void): Buffer => {
  let at = 0
  while (bytes.length - at >= 2) {
    const short = (bytes[at + 1] ?? 0) & 0x7f
    const maskAt = short < 126 ? at + 2 : at + 4
    if (bytes.length < maskAt + maskLength) break
    const length = short < 126 ? short : bytes.readUInt16BE(at + 2)
    const start = maskAt + maskLength
    if (bytes.length < start + length) break
    if (bytes[at] === 0x88) socket.end(closeFrame)
    else onText(unmask(bytes, maskAt, start, start + length))
    at = start + length
  }
  return bytes.subarray(at)
}

const unmask = (bytes: Buffer, maskAt: number, start: number, end: number): Buffer => {
  for (let i = start; i < end; i++) bytes[i] = (bytes[i] ?? 0) ^ (bytes[maskAt + (i - start & 3)] ?? 0)
  return bytes.subarray(start, end)
}

const accept = (socket: Socket): void => {
  let rest: Buffer = Buffer.alloc(0)
  let onText: ((content: Buffer) => void) | undefined
  socket.on("data", (part: Buffer) => {
    const bytes = rest.length === 0 ? part : Buffer.concat([rest, part])
    if (onText === undefined) onText = upgrade(socket, bytes.toString("latin1"))
    else rest = consume(socket, bytes, onText)
  })
  socket.on("error", () => socket.destroy())
}

listen(createServer({ noDelay: true }, accept))
