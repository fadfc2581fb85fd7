/** Connections that say nothing, or say it very slowly: how long they may, and who is not meant by it. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Layer } from "effect"
import { createServer } from "node:http"
import { LongPollingTransport, NodeServer, WebSocketTransport } from "../../src/index.ts"
import {
  begin,
  bindSocket,
  connectMessage,
  connectRaw,
  handshakeMessage,
  holdConnect,
  openSocket,
  postBytes,
  type RawSocket,
  releaseAll,
  serve,
  until
} from "./support.ts"

afterEach(releaseAll)

describe("a WebSocket without a message", () => {
  const start = (options: WebSocketTransport.WebSocketOptions = {}) =>
    serve({
      transports: Layer.mergeAll(
        WebSocketTransport.layer({ firstMessage: 300, ping: 100, ...options }),
        LongPollingTransport.layer()
      )
    })

  it("is closed with 1008 and told why, though it answers pings", async () => {
    const socket = await openSocket(await start())
    assert.strictEqual(await socket.closed(), 1008)
    assert.match(socket.closing?.reason ?? "", /^There was no message within \d+ ms: send a handshake/)
    assert.isAbove(socket.pings, 0)
  })

  it.each([["empty texts", ""], ["empty batches", "[]"]])("is closed, too, if it sends %s only", async (_, text) => {
    const socket = await openSocket(await start())
    const timer = setInterval(() => socket.ws.readyState === socket.ws.OPEN && socket.sendText(text), 50)
    try {
      assert.strictEqual(await socket.closed(), 1008)
    } finally {
      clearInterval(timer)
    }
  })

  it("is not one that has sent a message, whether it has a session or not", async () => {
    const server = await start({ firstMessage: 1_000 })
    const clientId = await begin(server, "/a")
    const publisher = (await openSocket(server)).send({ channel: "/a", data: 1 })
    const stranger = (await openSocket(server)).send(handshakeMessage)
    const socket = await openSocket(server)
    await bindSocket(server, socket, clientId)
    await (await openSocket(server)).closed()
    for (const { closing } of [publisher, stranger, socket]) assert.isUndefined(closing)
  })

  it("has 30 seconds, if nobody says otherwise", async () => {
    const socket = await openSocket(await serve())
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    assert.isUndefined(socket.closing)
  })
})

describe("a request that comes slowly", () => {
  const timeouts = { headersTimeout: 300, requestTimeout: 900 }

  /** Goes on with a byte every 20 ms until the connection is closed; gives what was answered. */
  const drip = async (raw: RawSocket, byte: string) => {
    const timer = setInterval(() => raw.send(byte), 20)
    try {
      await raw.closed()
      return raw.received.length === 0 ? undefined : (await raw.answer()).status
    } finally {
      clearInterval(timer)
    }
  }

  it("is given up after the time for headers, or for all of it, with 408", async () => {
    const server = await serve({ node: timeouts })
    const [nothing, headers, body] = [await connectRaw(server), await connectRaw(server), await connectRaw(server)]
    headers.send("POST /bayeux HTTP/1.1\r\nHost: ")
    body.send("POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n[")
    assert.deepStrictEqual(await Promise.all([drip(nothing, ""), drip(headers, "x"), drip(body, " ")]), [
      408,
      408,
      408
    ])
  })

  it("is none whose answer takes long: a held connect, a WebSocket, a connection between two requests", async () => {
    const server = await serve({ node: timeouts, bayeux: { timeout: 4_000 } })
    const [held, other] = [await begin(server, "/a"), await begin(server, "/a")]
    const { answered } = await holdConnect(server, held)
    const socket = await openSocket(server)
    await bindSocket(server, socket, other)
    const kept = await connectRaw(server)
    kept.send(postBytes("[]"))
    await kept.answer()
    const slow = await connectRaw(server)
    await slow.closed()
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    kept.send(postBytes("[]"))
    assert.strictEqual((await kept.answer()).status, 200)
    await server.publish("/a", 1)
    assert.strictEqual((await answered).status, 200)
    await socket.delivered(1)
    assert.isUndefined(socket.closing)
  })

  it("has 20 seconds for its headers and 2 minutes for all of it, if nobody says otherwise", async () => {
    const { http } = await serve()
    assert.deepStrictEqual([http.headersTimeout, http.requestTimeout], [20_000, 120_000])
    const tuned = NodeServer.tune(createServer())
    assert.deepStrictEqual([tuned.headersTimeout, tuned.requestTimeout], [20_000, 120_000])
  })

  it("has the time that the server was given by hand", async () => {
    const server = () => createServer({ headersTimeout: 7_000, requestTimeout: 8_000 })
    const { http } = await serve({ node: { createServer: server } })
    assert.deepStrictEqual([http.headersTimeout, http.requestTimeout], [7_000, 8_000])
  })
})

describe("a connection of which one half is closed", () => {
  it("is closed when it is a WebSocket's", async () => {
    const server = await serve()
    const raw = await connectRaw(server, { allowHalfOpen: true })
    raw.send(
      "GET /bayeux HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert.strictEqual((await raw.answer()).status, 101)
    raw.socket.end()
    await until("the other half to be closed", () => raw.isEnded)
  })

  it("is closed when it is a held connect's, and the session is without a connection", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const raw = await connectRaw(server, { allowHalfOpen: true })
    raw.send(postBytes(JSON.stringify([connectMessage(clientId)])))
    await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
    raw.socket.end()
    await until("the other half to be closed", () => raw.isEnded)
    await until("no connection", async () => (await server.session(clientId))?.link === "Detached")
  })
})
