/**
 * A subscriber by WebSocket in a process of its own that drops its connection while the server writes. It sends its client id
 * to the parent process, then the messages that it has read.
 */
import { WebSocket } from "ws"

export interface DroppingOptions {
  readonly url: string
  readonly channel: string
  /** Certificate of an HTTPS server. */
  readonly ca: string | undefined
  /** Number of messages that it reads before it drops its connection. */
  readonly cutAt: number
}

interface Received {
  readonly channel: string
  readonly clientId?: string
  readonly data?: { readonly n: number }
}

const { ca, channel, cutAt, url } = JSON.parse(process.argv[2] ?? "") as DroppingOptions
const socket = new WebSocket(url.replace(/^http/, "ws"), { perMessageDeflate: false, ...(ca && { ca }) })
const send = (message: object) => socket.send(JSON.stringify([message]))
const read: Array<number> = []

socket.on("open", () => send({ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["websocket"] }))
socket.on("message", (text: Buffer) => {
  for (const { channel: of, clientId, data } of JSON.parse(text.toString("utf8")) as ReadonlyArray<Received>) {
    if (of === "/meta/handshake") {
      send({ channel: "/meta/subscribe", clientId, subscription: channel })
      send({ channel: "/meta/connect", clientId, connectionType: "websocket" })
      process.send?.(clientId)
    }
    if (of === channel && data !== undefined) read.push(data.n)
  }
  if (read.length >= cutAt) socket.terminate()
})
socket.on("error", () => undefined)
socket.on("close", () => process.send?.(read, () => process.disconnect()))
