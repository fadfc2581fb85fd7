/**
 * A yardstick: long polls that are held and answered with a prepared body. The body of a publish goes out as it came
 * in; those that came while a subscriber was not there are put together once for all who missed the same.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { listen } from "./announce.ts"
import { answer } from "./answer.ts"

/** How many publishes a room remembers. */
const memory = 4_096

interface Room {
  readonly published: Array<Buffer>
  /** How many of the first are forgotten. */
  forgotten: number
  /** By subscriber: how many it has had. */
  readonly positions: Map<string, number>
  readonly waiting: Map<string, ServerResponse>
  /** The last body that was put together from several. */
  prepared: { readonly from: number; readonly to: number; readonly body: Buffer }
}

const rooms = new Map<string, Room>()

const roomOf = (name: string): Room => {
  const known = rooms.get(name)
  if (known !== undefined) return known
  const prepared = { from: 0, to: 0, body: Buffer.alloc(0) }
  const made: Room = { published: [], forgotten: 0, positions: new Map(), waiting: new Map(), prepared }
  rooms.set(name, made)
  return made
}

const respond = (response: ServerResponse, body: Buffer): void => {
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": body.length })
  response.end(body)
}

const endOf = (room: Room): number => room.forgotten + room.published.length

const bodyFrom = (room: Room, from: number): Buffer => {
  const to = endOf(room)
  if (from < room.forgotten) throw new Error(`A subscriber stayed away for more than ${memory} publishes`)
  if (room.prepared.from !== from || room.prepared.to !== to) {
    const missed = room.published.slice(from - room.forgotten)
    room.prepared = { from, to, body: missed.length === 1 && missed[0] ? missed[0] : Buffer.concat(missed) }
  }
  return room.prepared.body
}

const poll = (room: Room, subscriber: string, response: ServerResponse): void => {
  const from = room.positions.get(subscriber) ?? endOf(room)
  if (from === endOf(room)) return void room.waiting.set(subscriber, response)
  respond(response, bodyFrom(room, from))
  room.positions.set(subscriber, endOf(room))
}

const publish = (room: Room, body: Buffer): void => {
  room.published.push(body)
  if (room.published.length > 2 * memory) room.forgotten += room.published.splice(0, memory).length
  for (const [subscriber, response] of room.waiting) {
    respond(response, bodyFrom(room, room.positions.get(subscriber) ?? 0))
    room.positions.set(subscriber, endOf(room))
  }
  room.waiting.clear()
}

const withBody = (request: IncomingMessage, use: (body: Buffer) => void): void => {
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => use(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)))
}

const handle = (request: IncomingMessage, response: ServerResponse): void => {
  const [, action = "", name = "", subscriber = ""] = (request.url ?? "").split("/")
  const room = roomOf(name)
  if (action === "poll") return poll(room, subscriber, response)
  if (action === "subscribe") room.positions.set(subscriber, endOf(room))
  withBody(request, (body) => {
    if (action === "publish") publish(room, body)
    respond(response, answer)
  })
}

listen(createServer(handle))
