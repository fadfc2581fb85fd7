/** An HTTP keep-alive connection on a bare socket: one request after the other, bodies handed out where they lie. */
import { type Address, BareSocket } from "./BareSocket.ts"

/** The body of a response, valid during the call only. */
export type OnBody = (bytes: Buffer, start: number, end: number) => void

/** The bytes of a POST with JSON. */
export const post = (path: string, body: string): Buffer =>
  Buffer.from([
    `POST ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "",
    body
  ].join("\r\n"))

/** The bytes of a GET. */
export const get = (path: string): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)

export class HttpClient {
  readonly #socket: BareSocket
  /** Called with the body of each response. */
  onBody: OnBody = () => {
    throw new Error("The server answered a request that was not made")
  }

  private constructor(address: Address, onOpen: () => void) {
    this.#socket = new BareSocket(address, (bytes, end) => this.#consume(bytes, end), onOpen)
  }

  /** Connects. */
  static open(address: Address): Promise<HttpClient> {
    return new Promise((resolve) => {
      const client: HttpClient = new HttpClient(address, () => resolve(client))
    })
  }

  /** Sends a request. */
  send(request: Buffer): void {
    this.#socket.write(request)
  }

  /** Sends a request and waits for the body of its response. */
  ask(request: Buffer): Promise<string> {
    return new Promise((resolve) => {
      this.onBody = (bytes, start, end) => resolve(bytes.toString("utf8", start, end))
      this.send(request)
    })
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.end()
  }

  #consume(bytes: Buffer, end: number): number {
    let at = 0
    while (at < end) {
      const head = bytes.toString("latin1", at, Math.min(end, at + 2_048))
      const headLength = head.indexOf("\r\n\r\n") + 4
      if (headLength < 4) break
      const start = at + headLength
      const length = bodyLength(head.slice(0, headLength))
      if (end - start < length) break
      this.onBody(bytes, start, start + length)
      at = start + length
    }
    return at
  }
}

const bodyLength = (head: string): number => {
  if (!head.startsWith("HTTP/1.1 200")) {
    throw new Error(`A request was answered with ${head.slice(0, head.indexOf("\r\n"))}`)
  }
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) {
    throw new Error(`A response has no Content-Length, which is all the generator reads: ${head}`)
  }
  return Number(length)
}
