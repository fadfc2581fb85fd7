/**
 * A network that fails on purpose: a TCP proxy on the loopback that cuts connections in the middle of what they carry,
 * or lets nothing through for a while. It ends with the test.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { atEnd } from "../transport/support.ts"

/** `up` is from the client to the server. */
export type Direction = "up" | "down"

interface Cut {
  readonly direction: Direction
  left: number
  readonly done: () => void
}

/** A proxy in front of a port, or of several: each new connection goes to the next one. */
export class Proxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #cut: Cut | undefined
  #isHole = false

  private constructor(targets: ReadonlyArray<number>) {
    let count = 0
    const target = () => targets[count++ % targets.length] ?? 0
    this.#server = createServer((client) => this.#connect(client, connect(target(), "127.0.0.1")))
  }

  static async start(...targets: ReadonlyArray<number>): Promise<Proxy> {
    const proxy = new Proxy(targets)
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve))
    atEnd(() => {
      proxy.#server.close()
      proxy.cut()
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Resets all connections; new ones are served. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Lets so many more bytes through in a direction, over all connections, and closes them all; done when it has. */
  cutAfter(bytes: number, direction: Direction): Promise<void> {
    return new Promise((done) => this.#cut = { direction, left: bytes, done })
  }

  /** From now on nothing gets through, and nobody is told: connections stay open, new ones are accepted. */
  blackHole(): void {
    this.#isHole = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** Lets everything through again. What was sent meanwhile arrives late, as after a gap in a network. */
  heal(): void {
    this.#isHole = false
    for (const socket of this.#sockets) socket.resume()
  }

  #connect(client: Socket, server: Socket): void {
    this.#carry(client, server, "up")
    this.#carry(server, client, "down")
  }

  #carry(from: Socket, to: Socket, direction: Direction): void {
    this.#sockets.add(from)
    from.setNoDelay()
    from.on("data", (bytes) => this.#pass(bytes, to, direction))
    from.on("end", () => to.end())
    from.on("error", () => to.resetAndDestroy())
    from.on("close", () => {
      this.#sockets.delete(from)
      to.destroySoon()
    })
    if (this.#isHole) from.pause()
  }

  #pass(bytes: Buffer, to: Socket, direction: Direction): void {
    const cut = this.#cut
    if (cut?.direction !== direction) return void to.write(bytes)
    const last = bytes.subarray(0, cut.left)
    if (last.length === 0) return
    cut.left -= last.length
    to.write(last, () => {
      if (cut.left === 0) this.#close(cut)
    })
  }

  #close(cut: Cut): void {
    if (this.#cut !== cut) return
    this.#cut = undefined
    for (const socket of this.#sockets) socket.destroy()
    cut.done()
  }
}
