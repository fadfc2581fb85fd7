/**
 * A client that notices: publishes to itself every 25 ms, whether the last one has arrived or not, and measures how long
 * each takes. A process of its own, so that the attacker's work does not delay it.
 */
import { WebSocket } from "ws"
import type { FromCanary } from "./Protocol.ts"

const period = 25
const again = 200

const url = `ws://127.0.0.1:${process.argv[2]}/bayeux`
const channel = `/canary/${process.pid}`

/** When each publish that has not arrived was sent, by its number. */
const waiting = new Map<number, number>()
let latencies: Array<number> = []
let published = 0
let sessions = 0
let timer: NodeJS.Timeout | undefined

/** The latency within which this share of all came. */
const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0

interface Message {
  readonly channel?: string
  readonly clientId?: string
  readonly successful?: boolean
  readonly data?: unknown
}

const send = (message: FromCanary): void => void process.send?.(message)

/** One session, and the next one when it has ended. */
const open = (): void => {
  const socket = new WebSocket(url)
  let clientId: string | undefined
  const say = (...messages: ReadonlyArray<object>): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(messages))
  }
  const connect = () => say({ channel: "/meta/connect", clientId, connectionType: "websocket" })
  const begin = () => say({ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["websocket"] })
  // Also while there is no connection: then it is late by all that time.
  const publish = () => {
    published += 1
    waiting.set(published, performance.now())
    say({ channel, clientId, data: published })
  }
  const take = (message: Message): void => {
    if (typeof message.data === "number") return arrived(message.data)
    if (message.successful === false && message.channel !== channel) return socket.terminate()
    if (message.channel === "/meta/connect") return connect()
    if (message.channel === "/meta/handshake") {
      sessions += 1
      clientId = message.clientId
      return say({ channel: "/meta/subscribe", clientId, subscription: channel })
    }
    if (message.channel !== "/meta/subscribe") return
    connect()
    clearInterval(timer)
    timer = setInterval(publish, period)
    send({ _tag: "Ready" })
  }
  socket.on("open", begin)
  socket.on("message", (bytes: Buffer) => (JSON.parse(bytes.toString()) as ReadonlyArray<Message>).forEach(take))
  socket.on("error", () => undefined)
  socket.on("close", () => setTimeout(open, again))
}

const arrived = (number: number): void => {
  const sentAt = waiting.get(number)
  if (sentAt !== undefined && waiting.delete(number)) latencies.push(performance.now() - sentAt)
}

process.on("message", (message) => {
  if (message === "begin") {
    latencies = []
    waiting.clear()
    sessions = 0
    return
  }
  const now = performance.now()
  const all = [...latencies, ...Array.from(waiting.values(), (sentAt) => now - sentAt)].sort((a, b) => a - b)
  send({
    _tag: "Report",
    published: all.length,
    missing: waiting.size,
    sessions,
    p50: quantile(all, 0.5),
    p99: quantile(all, 0.99),
    max: all.at(-1) ?? 0
  })
})
process.on("disconnect", () => process.exit())
open()
