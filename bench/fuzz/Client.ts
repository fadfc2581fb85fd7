/**
 * One client of a case: sends over each transport what it is given, and waits for what is due. All that it opens it
 * closes.
 */
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http"
import { connect, type Socket } from "node:net"

/** An answer that may not be. */
export class Flaw extends Error {}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Request {
  readonly method: string
  readonly path: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Buffer
  /** Lets go after so many milliseconds. */
  readonly leaveAfter?: number
}

/** How long a server may take that is not dead (milliseconds). */
const answerTimeout = 20_000

export class Client {
  readonly #port: number
  readonly #clientIds: Array<string> = []
  readonly #sockets = new Set<Socket>()
  sent = 0

  constructor(port: number) {
    this.#port = port
  }

  get known(): { readonly clientIds: ReadonlyArray<string> } {
    return { clientIds: this.#clientIds }
  }

  /** Sends a request, whole, and waits for the answer; nothing where it was let go or the connection was cut. */
  request({ body, headers = {}, leaveAfter, method, path }: Request): Promise<Answer | undefined> {
    this.sent += 1
    return new Promise((resolve, reject) => {
      const late = () => reject(new Flaw(`${method} ${path.slice(0, 100)} was not answered in ${answerTimeout} ms`))
      const timer = leaveAfter === undefined
        ? setTimeout(late, answerTimeout)
        : setTimeout(() => sent.destroy(), leaveAfter)
      const done = (answer: Answer | undefined) => {
        clearTimeout(timer)
        resolve(answer)
      }
      const all = body === undefined ? headers : { "Content-Length": body.length, ...headers }
      const sent = request({ port: this.#port, host: "127.0.0.1", method, path, headers: all, agent: false })
      sent.on("response", (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (part: string) => text += part).on("error", () => undefined)
        response.on("close", () => done({ status: response.statusCode ?? 0, headers: response.headers, text }))
      })
      sent.on("error", () => done(undefined)).on("close", () => done(undefined)).end(body)
    }).then((answer) => {
      if (answer !== undefined) this.look(answer as Answer)
      return answer as Answer | undefined
    })
  }

  /** Looks for what no peer may bring about, and for sessions. */
  look({ status, text }: Pick<Answer, "status" | "text">): void {
    if (status >= 500 && status !== 503) throw new Flaw(`The server answered with ${status}: ${text.slice(0, 200)}`)
    if (text.includes("\"500:")) throw new Flaw(`The server has failed: ${text.slice(0, 500)}`)
    for (const [, clientId = ""] of text.matchAll(/"clientId":"([0-9a-z]{20,})"/g)) {
      if (!this.#clientIds.includes(clientId) && this.#clientIds.length < 20) this.#clientIds.push(clientId)
    }
  }

  /** Opens a connection, writes to it and gives what has come when it is closed or the time is over. */
  raw(parts: ReadonlyArray<Buffer>, milliseconds: number): Promise<string> {
    this.sent += parts.length
    return new Promise((resolve) => {
      const socket = connect(this.#port, "127.0.0.1")
      this.#sockets.add(socket)
      let text = ""
      const end = () => {
        clearTimeout(timer)
        socket.destroy()
        this.#sockets.delete(socket)
        resolve(text)
      }
      const timer = setTimeout(end, milliseconds)
      socket.on("data", (bytes) => text += bytes.toString("latin1")).on("error", () => undefined).on("close", end)
      socket.on("connect", () => {
        for (const part of parts) socket.write(part)
      })
    })
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
