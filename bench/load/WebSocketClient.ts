/** A WebSocket client on a bare socket. It hands out the bytes of each text frame where they lie, and parses nothing. */
import { type Address, BareSocket } from "./BareSocket.ts"
import * as Frame from "./Frame.ts"

/** The content of a text frame, valid during the call only. */
export type OnText = (bytes: Buffer, start: number, end: number) => void

const upgradeRequest = (port: number, path: string): Buffer =>
  Buffer.from([
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "\r\n"
  ].join("\r\n"))

export class WebSocketClient {
  readonly #socket: BareSocket
  readonly #path: string
  #upgraded = false
  #closed = false
  #onOpen: () => void
  /** What came when nobody waited for it. */
  readonly #early: Array<string> = []
  readonly #keep: OnText = (bytes, start, end) => void this.#early.push(bytes.toString("utf8", start, end))
  /** Called with each text frame. */
  onText: OnText = this.#keep

  private constructor(address: Address, path: string, onOpen: () => void) {
    this.#path = path
    this.#onOpen = onOpen
    this.#socket = new BareSocket(
      address,
      (bytes, end) => this.#upgraded ? this.#consume(bytes, 0, end) : this.#consumeUpgrade(bytes, end),
      () => this.#socket.write(upgradeRequest(address.port, path))
    )
  }

  /** Connects and upgrades. */
  static open(address: Address, path: string): Promise<WebSocketClient> {
    return new Promise((resolve) => {
      const client: WebSocketClient = new WebSocketClient(address, path, () => resolve(client))
    })
  }

  /** Sends frames. */
  send(frames: Buffer): void {
    this.#socket.write(frames)
  }

  /** Sends a text frame. */
  sendText(content: string): void {
    this.send(Frame.text(content))
  }

  /** Sends a text frame and waits for the next one from the server. */
  ask(content: string): Promise<string> {
    this.sendText(content)
    return this.next()
  }

  /** Waits for the next text frame. */
  next(): Promise<string> {
    const early = this.#early.shift()
    if (early !== undefined) return Promise.resolve(early)
    return new Promise((resolve) => {
      this.onText = (bytes, start, end) => {
        this.onText = this.#keep
        resolve(bytes.toString("utf8", start, end))
      }
    })
  }

  /** From now on the server may close, too. */
  expectClose(onClosed: () => void): void {
    this.#socket.onEnd = onClosed
    this.#socket.expectEnd()
  }

  /** Says that this side closes, or agrees to a closure. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.send(Frame.close)
  }

  #consumeUpgrade(bytes: Buffer, end: number): number {
    const response = bytes.toString("latin1", 0, end)
    const headEnd = response.indexOf("\r\n\r\n")
    if (headEnd === -1) return 0
    if (!response.startsWith("HTTP/1.1 101")) {
      throw new Error(`The upgrade of ${this.#path} was answered with ${response.slice(0, response.indexOf("\r\n"))}`)
    }
    this.#upgraded = true
    this.#onOpen()
    return this.#consume(bytes, headEnd + 4, end)
  }

  #consume(bytes: Buffer, from: number, end: number): number {
    let at = from
    while (end - at >= 2) {
      let length = (bytes[at + 1] ?? 0) & 0x7f
      let start = at + 2
      if (length === 126) {
        if (end - at < 4) break
        length = bytes.readUInt16BE(at + 2)
        start = at + 4
      } else if (length === 127) {
        if (end - at < 10) break
        length = bytes.readUInt32BE(at + 6)
        start = at + 10
      }
      if (end - start < length) break
      if (bytes[at] === 0x81) this.onText(bytes, start, start + length)
      else this.#control(bytes[at] ?? 0, bytes, start, start + length)
      at = start + length
    }
    return at
  }

  #control(first: number, bytes: Buffer, start: number, end: number): void {
    switch (first) {
      case 0x88:
        return this.#closedByServer(bytes, start, end)
      case 0x89:
        return this.send(Frame.pong(Buffer.from(bytes.subarray(start, end))))
      case 0x8a:
        return
      default:
        throw new Error(
          `A frame began with 0x${first.toString(16)}: only whole text frames and control frames are read`
        )
    }
  }

  #closedByServer(bytes: Buffer, start: number, end: number): void {
    if (!this.#socket.isClosing) {
      const code = end - start < 2 ? "no code" : `code ${bytes.readUInt16BE(start)}`
      throw new Error(`The server closed a WebSocket that was in use, with ${code}`)
    }
    this.close()
    this.#socket.end()
  }
}
