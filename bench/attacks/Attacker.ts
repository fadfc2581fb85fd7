/**
 * An anonymous peer: opens sockets, sends what it likes and counts the bytes. Everything ends when the server does, or
 * when the time of the attack is over.
 */
import { Agent, request } from "node:http"
import { connect, type Socket } from "node:net"
import { WebSocket } from "ws"

/** An answer or a delivery; of what an attacker looks at. */
export interface Message {
  readonly channel?: string
  readonly clientId?: string
  readonly id?: string
  readonly successful?: boolean
  readonly error?: string
  readonly data?: unknown
}

/** What an attack is against. */
export interface Target {
  readonly port: number
  /** Aborted when the server has ended or the time is over. */
  readonly signal: AbortSignal
}

/** A WebSocket of the attacker's. */
export class AttackSocket {
  readonly #socket: WebSocket
  readonly #signal: AbortSignal
  readonly #waiting = new Map<string, (message: Message) => void>()
  #id = 0

  constructor(socket: WebSocket, signal: AbortSignal) {
    this.#socket = socket
    this.#signal = signal
    socket.setMaxListeners(0)
    socket.on("message", (bytes: Buffer) => {
      if (this.#waiting.size === 0) return
      for (const message of JSON.parse(bytes.toString()) as ReadonlyArray<Message>) this.#take(message)
    })
  }

  #take(message: Message): void {
    if (message.id === undefined) return
    this.#waiting.get(message.id)?.(message)
    this.#waiting.delete(message.id)
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  /** Reads nothing any more. */
  pause(): void {
    this.#socket.pause()
  }

  /** Sends a text; ends when the system has taken it. */
  send(text: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.#signal.aborted) return resolve()
      this.#signal.addEventListener("abort", () => resolve(), { once: true })
      this.#socket.send(text, () => resolve())
    })
  }

  /** Sends a batch, each message with an id, and waits for all of its answers. */
  async ask(messages: ReadonlyArray<object>): Promise<ReadonlyArray<Message>> {
    const answers = messages.map((message) => {
      const id = String(++this.#id)
      return {
        message: { ...message, id },
        answer: new Promise<Message>((resolve) => this.#waiting.set(id, resolve))
      }
    })
    void this.send(JSON.stringify(answers.map(({ message }) => message)))
    const over = new Promise<ReadonlyArray<Message>>((resolve) => {
      const end = () => resolve([])
      if (this.#signal.aborted) return end()
      this.#signal.addEventListener("abort", end, { once: true })
      this.#socket.once("close", end)
      void Promise.all(answers.map(({ answer }) => answer)).then((all) => {
        this.#signal.removeEventListener("abort", end)
        this.#socket.off("close", end)
        resolve(all)
      })
    })
    return over
  }
}

export class Attacker implements Target {
  readonly port: number
  readonly signal: AbortSignal
  readonly #sockets = new Set<Socket>()
  readonly #agent = new Agent({ keepAlive: true })

  constructor({ port, signal }: Target) {
    this.port = port
    this.signal = signal
  }

  /** Bytes that the system has taken from it, and that have come. */
  get traffic(): { readonly sent: number; readonly received: number } {
    let [sent, received] = [0, 0]
    for (const socket of this.#sockets) {
      sent += socket.bytesWritten - socket.writableLength
      received += socket.bytesRead
    }
    return { sent, received }
  }

  get isOver(): boolean {
    return this.signal.aborted
  }

  /** Opens a WebSocket. */
  open(): Promise<AttackSocket> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${this.port}/bayeux`, { skipUTF8Validation: true })
      socket.on("error", reject).on("upgrade", ({ socket: tcp }) => this.#sockets.add(tcp))
      socket.on("open", () => {
        const attack = new AttackSocket(socket, this.signal)
        resolve(attack)
      })
    })
  }

  /** A bare connection. */
  raw(): Socket {
    const socket = connect(this.port, "127.0.0.1")
    this.#sockets.add(socket)
    return socket.on("error", () => undefined)
  }

  /** Posts a body, and reads the answer to its end without a look at it; gives its status, or 0 where there was none. */
  post(body: string, type = "application/json"): Promise<number> {
    return new Promise((resolve) => {
      if (this.isOver) return resolve(0)
      this.signal.addEventListener("abort", () => resolve(0), { once: true })
      const sent = request({
        port: this.port,
        host: "127.0.0.1",
        path: "/bayeux",
        method: "POST",
        agent: this.#agent,
        headers: { "Content-Type": type, "Content-Length": Buffer.byteLength(body) }
      }, (response) => response.resume().on("close", () => resolve(response.complete ? response.statusCode ?? 0 : 0)))
      sent.on("socket", (socket) => this.#sockets.add(socket)).on("error", () => resolve(0)).end(body)
    })
  }

  /** Waits, but not longer than the attack may take. */
  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.isOver) return resolve()
      const end = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(end, milliseconds)
      this.signal.addEventListener("abort", end, { once: true })
    })
  }

  /** Lets go of everything. */
  close(): void {
    this.#agent.destroy()
    for (const socket of this.#sockets) socket.destroy()
  }
}
