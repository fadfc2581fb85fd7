/**
 * Lines that fall silent: nobody says anything any more, and the system goes on taking what is written. What the peer has
 * not confirmed by a pong comes again.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Layer } from "effect"
import { LongPollingTransport, WebSocketTransport } from "../../src/index.ts"
import { Proxy } from "../support/proxy.ts"
import {
  begin,
  beginSocket,
  bindSocket,
  clientFrame,
  connectMessage,
  connectRawWebSocket,
  flawIn,
  holdConnect,
  nextTurn,
  numbersIn,
  openSocket,
  poll,
  releaseAll,
  serve,
  type Server,
  type Socket,
  until
} from "./support.ts"

afterEach(releaseAll)

const start = async (options: WebSocketTransport.WebSocketOptions = {}) => {
  const server = await serve({
    transports: Layer.mergeAll(
      WebSocketTransport.layer({ ping: 400, confirm: 50, ...options }),
      LongPollingTransport.layer()
    )
  })
  const proxy = await Proxy.start(server.port)
  return { server, proxy, behind: { ...server, url: server.url.replace(`:${server.port}`, `:${proxy.port}`) } }
}

const publisher = (server: Server) => {
  let n = 0
  const publish = async (count: number) => {
    for (let i = 0; i < count; i++) await server.publish("/a", { n: ++n })
    return n
  }
  return { publish, count: () => n }
}

/** Waits until it was asked for so many more times, and its answer has arrived: what it sends goes behind that. */
const confirmed = async (socket: Socket, more = 2): Promise<void> => {
  const pings = socket.pings
  await until("pings", () => socket.pings >= pings + more)
  const frames = socket.frames.length
  socket.sendText("[]")
  await until("an answer", () => socket.frames.length > frames)
}

const isDetached = async (server: Server, clientId: string) => (await server.session(clientId))?.link === "Detached"

describe("a WebSocket whose line falls silent", () => {
  it.each([["", false], [" with compression", true]])(
    "gets what was written meanwhile by its next socket, and nothing that it has confirmed%s",
    async (_, perMessageDeflate) => {
      const { behind, proxy, server } = await start({ perMessageDeflate })
      const { clientId, socket } = await beginSocket(behind, "/a", { perMessageDeflate })
      const { count, publish } = publisher(server)
      const received: Array<number> = []
      await publish(5)
      await socket.delivered(5)
      await confirmed(socket)
      proxy.blackHole()
      await publish(20)
      await until("it to be detached", () => isDetached(server, clientId))
      await publish(3)
      received.push(...numbersIn(socket.data))
      const next = await openSocket(server, { perMessageDeflate })
      await bindSocket(server, next, clientId)
      await next.delivered(23)
      assert.isUndefined(flawIn([...received, ...numbersIn(next.data)], count()))
    }
  )

  it("gets again what it has read and not confirmed, once, and no more", async () => {
    const { behind, proxy, server } = await start({ confirm: 10_000 })
    const { clientId, socket } = await beginSocket(behind, "/a")
    const { publish } = publisher(server)
    await confirmed(socket)
    await publish(3)
    await socket.delivered(3)
    proxy.blackHole()
    await publish(2)
    await until("it to be detached", () => isDetached(server, clientId))
    const next = await openSocket(server)
    await bindSocket(server, next, clientId)
    await next.delivered(5)
    await confirmed(next)
    assert.deepStrictEqual(numbersIn(next.data), [1, 2, 3, 4, 5])
    next.ws.terminate()
    await until("it to be detached", () => isDetached(server, clientId))
    assert.deepStrictEqual(await poll(server, clientId), [])
  })

  it("gets the newest of what it has not confirmed, as far as the bound goes", async () => {
    const { behind, proxy, server } = await start({ maxUnconfirmed: 10_000 })
    const { clientId, socket } = await beginSocket(behind, "/a")
    await confirmed(socket)
    proxy.blackHole()
    for (let n = 1; n <= 100; n++) {
      await server.publish("/a", { n, padding: "x".repeat(1_000) })
      await nextTurn()
    }
    await until("it to be detached", () => isDetached(server, clientId))
    const numbers = numbersIn(await poll(server, clientId))
    assert.isAtLeast(numbers.length, 6)
    assert.isAtMost(numbers.length, 10)
    assert.deepStrictEqual(numbers, Array.from(numbers, (_, at) => 101 - numbers.length + at))
  })

  it.each([["another socket", true], ["long-polling", false]])(
    "is asked at once when its session comes back by %s, and what it has not confirmed comes after it",
    async (_, isSocket) => {
      const { behind, proxy, server } = await start({ ping: 2_000 })
      const { clientId, socket } = await beginSocket(behind, "/a")
      const { count, publish } = publisher(server)
      await publish(2)
      await socket.delivered(2)
      await confirmed(socket, 1)
      proxy.blackHole()
      await publish(4)
      const received = [...numbersIn(socket.data)]
      if (isSocket) {
        const next = await openSocket(server)
        await bindSocket(server, next, clientId)
        received.push(...numbersIn(await next.delivered(4)))
      } else {
        const { answered } = await holdConnect(server, clientId)
        received.push(...numbersIn((await answered).messages.slice(1).map(({ data }) => data)))
      }
      assert.isUndefined(flawIn(received, count()))
    }
  )
})

it("a client that gives up its new socket before it has read anything gets all of it by the next one", async () => {
  const { server } = await start({ ping: 5_000 })
  const clientId = await begin(server, "/a")
  const { publish } = publisher(server)
  await publish(3)
  const deaf = await connectRawWebSocket(server)
  deaf.socket.pause()
  deaf.send(clientFrame(JSON.stringify([connectMessage(clientId, "websocket")])))
  await until("it to be attached", async () => (await server.session(clientId))?.link === "Attached")
  for (let i = 0; i < 3; i++) {
    await publish(1)
    await nextTurn()
    await nextTurn()
  }
  deaf.socket.resetAndDestroy()
  await until("it to be detached", () => isDetached(server, clientId))
  assert.deepStrictEqual(numbersIn(await poll(server, clientId)), [1, 2, 3, 4, 5, 6])
})

it("a peer that never answers pings gets nothing twice: its silence means nothing", async () => {
  const { server } = await start()
  const clientId = await begin(server, "/a")
  const raw = await connectRawWebSocket(server)
  raw.send(clientFrame(JSON.stringify([connectMessage(clientId, "websocket")])))
  await until("it to be attached", async () => (await server.session(clientId))?.link === "Attached")
  await server.publish("/a", 1)
  await raw.closed()
  await until("it to be detached", () => isDetached(server, clientId))
  assert.deepStrictEqual(await poll(server, clientId), [])
})
