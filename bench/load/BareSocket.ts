/**
 * A TCP connection that costs the generator as little as Node allows: all connections of the process read into one
 * buffer, and what was read is consumed before the next read. Only the rest of an unfinished frame or response is
 * copied.
 */
import { connect, type Socket } from "node:net"

/** Where to connect to. `peer` counts the connections of a run, so that they spread over source addresses. */
export interface Address {
  readonly port: number
  readonly peer: number
}

/** Consumes from 0 to `end` what is complete, and gives how many bytes that were. */
export type Consume = (bytes: Buffer, end: number) => number

/** When the bytes that are being consumed were read, in milliseconds. One clock reading serves all messages of a read. */
export const read = { at: 0 }

const buffer = Buffer.allocUnsafeSlow(256 * 1024)
const nothing = Buffer.alloc(0)

/** One source address has some 28,000 ports. Linux owns all of 127.0.0.0/8; elsewhere there is only the first. */
const sourceAddress = (peer: number): string =>
  process.platform === "linux" ? `127.0.0.${1 + Math.floor(peer / 500) % 32}` : "127.0.0.1"

export class BareSocket {
  readonly #socket: Socket
  readonly #consume: Consume
  #rest = nothing
  #closing = false
  /** Called when the connection is gone after {@link end} or {@link expectEnd}. Any other end is an error. */
  onEnd: () => void = () => {}

  constructor(address: Address, consume: Consume, onOpen: () => void) {
    this.#consume = consume
    this.#socket = connect({
      host: "127.0.0.1",
      port: address.port,
      localAddress: sourceAddress(address.peer),
      noDelay: true,
      onread: { buffer, callback: (length) => this.#read(length) }
    }, onOpen)
    this.#socket.on("error", (error) => this.#failed(error))
    this.#socket.on("close", () => this.#closed())
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Closes this side. */
  end(): void {
    this.#closing = true
    this.#socket.end()
  }

  /** From now on the server may close. */
  expectEnd(): void {
    this.#closing = true
  }

  get isClosing(): boolean {
    return this.#closing
  }

  #read(length: number): boolean {
    read.at = performance.now()
    if (this.#rest.length === 0) {
      const used = this.#consume(buffer, length)
      if (used < length) this.#rest = Buffer.from(buffer.subarray(used, length))
    } else {
      const bytes = Buffer.concat([this.#rest, buffer.subarray(0, length)])
      const used = this.#consume(bytes, bytes.length)
      this.#rest = used === bytes.length ? nothing : bytes.subarray(used)
    }
    return true
  }

  #failed(error: Error): void {
    if (!this.#closing) throw new Error(`A connection to the server broke: ${error.message}`, { cause: error })
  }

  #closed(): void {
    if (!this.#closing) throw new Error("The server closed a connection that was in use")
    this.onEnd()
  }
}
