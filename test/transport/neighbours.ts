/**
 * Two good clients, one on a WebSocket and one by long-polling, beside whatever else arrives over the network. They get
 * numbered messages all the time: at the end of each test they have all of them, in order, once.
 */
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { Agent } from "node:http"
import {
  type Answer,
  atEnd,
  begin,
  beginSocket,
  connectMessage,
  connectRaw,
  dataOf,
  flawIn,
  numbersIn,
  post,
  releaseAll,
  releaseLater,
  serve,
  type Server,
  type Socket,
  until
} from "./support.ts"

export const json = JSON.stringify
export const formType = "application/x-www-form-urlencoded"
export const oneMebibyte = 1 << 20

/** Two regular sessions, and their publisher of numbers. */
class Neighbours {
  readonly #server: Server
  readonly #socket: Socket
  readonly clientIds: ReadonlyArray<string>
  readonly #polled: Array<number> = []
  readonly #agent = new Agent({ keepAlive: true })
  readonly #timer: NodeJS.Timeout
  #published = 0
  readonly #polling: Promise<void>
  #isOver = false

  constructor(server: Server, socket: Socket, clientIds: readonly [socket: string, poller: string]) {
    this.#server = server
    this.#socket = socket
    this.clientIds = clientIds
    const [socketId, pollerId] = clientIds
    // The server ends a session that does not connect; a client connects again whenever its connect was answered.
    socket.ws.on("message", (data: Buffer) => {
      if (data.includes("/meta/connect")) socket.send(connectMessage(socketId, "websocket"))
    })
    this.#polling = this.#poll(pollerId)
    this.#polling.catch(() => undefined)
    this.#timer = setInterval(() => void this.#publish(), 5)
    atEnd(() => this.stop())
  }

  static async begin(server: Server): Promise<Neighbours> {
    const { clientId, socket } = await beginSocket(server, "/numbers")
    return new Neighbours(server, socket, [clientId, await begin(server, "/numbers")])
  }

  async #poll(clientId: string): Promise<void> {
    while (!this.#isOver) {
      const { messages } = await post(this.#server, [connectMessage(clientId)], { agent: this.#agent, isOwn: true })
      if (messages[0]?.successful !== true) throw new Error(`A good client was refused: ${messages[0]?.error}`)
      this.#polled.push(...numbersIn(dataOf(messages)))
    }
  }

  #publish(): Promise<void> {
    return this.#server.publish("/numbers", { n: ++this.#published })
  }

  /** Everything that was published has arrived, as it should. */
  async check(): Promise<void> {
    await this.#publish()
    const count = this.#published
    const got = () => numbersIn(this.#socket.data)
    const all = until(
      "the good clients to have everything",
      () => got().length >= count && this.#polled.length >= count
    )
    await Promise.race([all, this.#polling.then(() => all)])
    assert.isUndefined(flawIn(got().slice(0, count), count))
    assert.isUndefined(flawIn(this.#polled.slice(0, count), count))
    assert.isUndefined(this.#socket.closing)
  }

  async stop(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#timer)
    for (const clientId of this.clientIds) await post(this.#server, [{ channel: "/meta/disconnect", clientId }])
    await this.#polling
    this.#agent.destroy()
  }
}

export let server: Server
let neighbours: Neighbours
let releaseOthers: () => Promise<void>

/**
 * Has a server with two good clients for all tests of a file. After each test they have everything, and after the last
 * one nothing is left but them.
 */
export const besideNeighbours = (name: string, tests: () => void): void => {
  describe(name, () => {
    beforeAll(async () => {
      server = await serve({ bayeux: { timeout: 1_000, sessionTimeout: 12_000 } })
      neighbours = await Neighbours.begin(server)
      releaseOthers = releaseLater()
    })
    afterEach(async () => {
      await releaseOthers()
      await neighbours.check()
    })
    afterAll(releaseAll)

    tests()

    it("leaves no sessions but those of the good clients, and no connections but theirs", async () => {
      await until("the other sessions to end", async () => (await server.sessions()).length === 2)
      assert.sameMembers((await server.sessions()).map(({ clientId }) => clientId), [...neighbours.clientIds])
      const connections = () =>
        new Promise<number>((resolve) => server.http.getConnections((_, count) => resolve(count)))
      await until("the other connections to be closed", async () => await connections() === 2)
      await neighbours.check()
    })
  })
}

export const ask = async (bytes: string | Buffer): Promise<Answer> => (await connectRaw(server)).send(bytes).answer()

export const postOf = (body: string | Buffer, type = "application/json"): Buffer =>
  Buffer.concat([
    Buffer.from(
      `POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
    ),
    Buffer.from(body)
  ])

export const isSentence = ({ headers, text }: Answer): void => {
  assert.match(String(headers["content-type"]), /^text\/plain/)
  assert.match(text, /^[A-Z].*\n$/)
}
