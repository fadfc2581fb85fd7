/**
 * Connections that break at any moment. What a client has read as a whole answer it has; everything else comes again
 * with its next connect: complete, in order, and nothing twice.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, stat } from "node:fs"
import { connect as connectTcp, createServer as createTcpServer, type Socket, type TcpNetConnectOpts } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Bayeux, WebSocketTransport } from "../../src/index.ts"
import { Connections } from "../../src/service/Connections.ts"
import type * as Transport from "../../src/service/Transport.ts"
import {
  atEnd,
  begin,
  beginSocket,
  bindSocket,
  connectMessage,
  connectRaw,
  dataOf,
  flawIn,
  handshakeMessage,
  holdConnect,
  numbersIn,
  openEvents,
  openSocket,
  poll,
  post,
  postBytes,
  releaseAll,
  serve,
  type Server,
  type Socket as Client,
  socketsOf,
  subscribeMessage,
  until
} from "./support.ts"

afterEach(releaseAll)

// ---------------------------------------------------------------------------------------------------------------------
// examples

const connectionHeaders = [["keep-alive", {}], ["Connection: close", { Connection: "close" }]] as const

/** Polls until something comes: what is given back by a broken connection is there when the break is noticed. */
const pollUntilThere = (server: Server, clientId: string) =>
  until("the message to come again", async () => {
    const data = await poll(server, clientId)
    return data.length > 0 && data
  })

describe.each(connectionHeaders)("a message published while a long poll with %s is being cut off", (_, headers) => {
  const connect = async (server: Server, clientId: string, options: Partial<TcpNetConnectOpts> = {}) => {
    const raw = await connectRaw(server, options)
    raw.send(postBytes(JSON.stringify([connectMessage(clientId)]), headers))
    await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
    return raw
  }

  it.each([["closes", "destroy"], ["resets", "resetAndDestroy"]] as const)(
    "is delivered on the next one when the client %s the connection in the same moment",
    async (_, destroy) => {
      const server = await serve()
      const clientId = await begin(server, "/a")
      for (let n = 0; n < 20; n++) {
        const raw = await connect(server, clientId)
        if (n % 2 === 0) raw.socket[destroy]()
        void server.publish("/a", n)
        raw.socket[destroy]()
        assert.deepStrictEqual(await pollUntilThere(server, clientId), [n])
        assert.deepStrictEqual(await poll(server, clientId), [])
      }
    }
  )

  it.each([["closes", "destroy"], ["resets", "resetAndDestroy"]] as const)(
    "is delivered on the next one when the client %s the connection with the answer unread",
    async (_, destroy) => {
      const server = await serve()
      const clientId = await begin(server, "/a")
      for (let n = 0; n < 5; n++) {
        const raw = await connectRaw(server)
        // Node reads ahead until it is paused; its reads count as read.
        const deaf = connectTcp({ port: server.port, host: "127.0.0.1" })
        deaf.pause().on("error", () => undefined).write(postBytes(JSON.stringify([connectMessage(clientId)]), headers))
        atEnd(() => deaf.destroy())
        await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
        await server.publish("/a", n)
        await until("the answer to be given", async () => (await server.session(clientId))?.queueLength === 0)
        // A request on another connection is answered after it: by then the answer is with the client's system.
        raw.send(postBytes("[]"))
        await raw.answer()
        deaf[destroy]()
        assert.deepStrictEqual(await pollUntilThere(server, clientId), [n])
        assert.deepStrictEqual(await poll(server, clientId), [])
      }
    }
  )

  it.each([["first"], ["second"]])(
    "is delivered on the next one when it comes between the end of the connection and its close, at its %s request",
    async (which) => {
      const server = await serve()
      const clientId = await begin(server, "/a")
      server.http.once("connection", (socket: Socket) => {
        socket.on("end", () => void server.publish("/a", "between"))
      })
      const raw = await connectRaw(server)
      if (which === "second") {
        raw.send(postBytes(JSON.stringify([connectMessage(clientId, "long-polling", { advice: { timeout: 0 } })])))
        await raw.answer()
      }
      raw.send(postBytes(JSON.stringify([connectMessage(clientId)]), headers))
      await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
      raw.socket.destroy()
      assert.deepStrictEqual(await pollUntilThere(server, clientId), ["between"])
      assert.deepStrictEqual(await poll(server, clientId), [])
    }
  )

  it("comes before what was published later", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const raw = await connect(server, clientId)
    void server.publish("/a", 1)
    raw.socket.resetAndDestroy()
    void server.publish("/a", 2)
    await until("the cut to be noticed", async () => (await server.session(clientId))?.queueLength === 2)
    await server.publish("/a", 3)
    assert.deepStrictEqual(await poll(server, clientId), [1, 2, 3])
  })
})

describe("a proxy that resets the connection of an answer it has read", () => {
  /** Has a message read and its connection reset; gives what the next connect gets. */
  const readAndReset = async (server: Server, clientId: string, headers: Record<string, string>) => {
    const sockets = socketsOf(server)
    const raw = await connectRaw(server)
    const port = raw.socket.localPort
    raw.send(postBytes(JSON.stringify([connectMessage(clientId)]), headers))
    await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
    await server.publish("/a", 1)
    assert.deepStrictEqual(dataOf((await raw.answer()).messages), [1])
    const served = sockets.find(({ remotePort }) => remotePort === port)
    raw.socket.resetAndDestroy()
    await until("the reset to be noticed", () => served?.destroyed)
    return poll(server, clientId)
  }

  it.each(["X-Forwarded-For", "Forwarded", "Via"])(
    "has it delivered once if it says by %s what it is",
    async (header) => {
      const server = await serve()
      const clientId = await begin(server, "/a")
      assert.deepStrictEqual(await readAndReset(server, clientId, { [header]: "192.0.2.7" }), [])
    }
  )

  it("has it delivered once if it has carried two sessions over one connection", async () => {
    const server = await serve()
    const [clientId, other] = [await begin(server, "/a"), await begin(server)]
    const shared = await connectRaw(server)
    for (const name of [clientId, other]) {
      shared.send(postBytes(JSON.stringify([connectMessage(name, "long-polling", { advice: { timeout: 0 } })])))
      await shared.answer()
    }
    assert.deepStrictEqual(await readAndReset(server, clientId, {}), [])
  })

  it("gets it twice, and not more often, if nothing distinguishes it from a client", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    assert.deepStrictEqual(await readAndReset(server, clientId, {}), [1])
    assert.deepStrictEqual(await poll(server, clientId), [])
  })
})

it("what is delivered by callback-polling comes again as well when its answer was cut off", async () => {
  const server = await serve()
  const clientId = await begin(server, "/a")
  const raw = await connectRaw(server)
  const message = encodeURIComponent(JSON.stringify(connectMessage(clientId, "callback-polling")))
  raw.send(`GET /bayeux?jsonp=f&message=${message} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
  void server.publish("/a", 1)
  raw.socket.resetAndDestroy()
  assert.deepStrictEqual(await pollUntilThere(server, clientId), [1])
})

it("messages that end with their session do not come again", async () => {
  const server = await serve()
  const clientId = await begin(server, "/a")
  const raw = await connectRaw(server)
  raw.send(postBytes(JSON.stringify([connectMessage(clientId)])))
  await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
  void server.publish("/a", 1)
  raw.socket.resetAndDestroy()
  await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(clientId, "over")))
  assert.deepStrictEqual(await server.sessions(), [])
  assert.isFalse((await post(server, [connectMessage(clientId)])).messages[0]?.successful)
})

// ---------------------------------------------------------------------------------------------------------------------
// WebSocket

describe("a WebSocket that is cut off", () => {
  const cuts = [
    ["by closing it", (socket: Client) => socket.ws.close()],
    ["by dropping it", (socket: Client) => socket.ws.terminate()],
    ["by dropping it with a connect on its way", (socket: Client) => {
      socket.send(...Array.from({ length: 50 }, () => ({ channel: "/b", data: "x".repeat(10_000) })))
      socket.ws.terminate()
    }]
  ] as const

  it.each(cuts)("%s gets what was published meanwhile by its next socket, each message once", async (_, cut) => {
    const server = await serve()
    const { clientId, socket: first } = await beginSocket(server, "/a")
    const received: Array<number> = []
    let socket = first
    let n = 0
    const publish = async (count: number) => {
      for (let i = 0; i < count; i++) await server.publish("/a", { n: ++n })
    }
    for (let round = 0; round < 20; round++) {
      await publish(3)
      await socket.delivered(n - received.length)
      cut(socket)
      await until("the cut to be noticed", async () => (await server.session(clientId))?.link === "Detached")
      await publish(3)
      received.push(...numbersIn(socket.data))
      socket = await openSocket(server)
      await bindSocket(server, socket, clientId)
    }
    await socket.delivered(n - received.length)
    assert.isUndefined(flawIn([...received, ...numbersIn(socket.data)], n))
  })

  it("gets everything once while it changes to long-polling and back", async () => {
    const server = await serve()
    const { clientId, socket: first } = await beginSocket(server, "/a")
    const received: Array<number> = []
    let socket = first
    let n = 0
    for (let round = 0; round < 20; round++) {
      await server.publish("/a", { n: ++n })
      await socket.delivered(1)
      received.push(...numbersIn(socket.data))
      const held = await holdConnect(server, clientId)
      await server.publish("/a", { n: ++n })
      received.push(...numbersIn(dataOf((await held.answered).messages)))
      socket.ws.terminate()
      await server.publish("/a", { n: ++n })
      received.push(...numbersIn(await poll(server, clientId)))
      socket = await openSocket(server)
      await bindSocket(server, socket, clientId)
    }
    assert.isUndefined(flawIn(received, n))
  })

  describe.each([["", false], [" with compression", true]])("at its end%s", (_, perMessageDeflate) => {
    const begin = async () => {
      const server = await serve({ transports: WebSocketTransport.layer({ perMessageDeflate }) })
      return { server, ...await beginSocket(server, "/a", { perMessageDeflate }) }
    }

    const comeBack = async (server: Server, clientId: string): Promise<Client> => {
      await until("the cut to be noticed", async () => (await server.session(clientId))?.link === "Detached")
      const socket = await openSocket(server, { perMessageDeflate })
      await bindSocket(server, socket, clientId)
      return socket
    }

    it("gets what is written in the moment in which its client drops it by the next one", async () => {
      const { clientId, server, socket: first } = await begin()
      let socket = first
      for (let n = 0; n < 20; n += 2) {
        await server.publish("/a", n)
        await socket.delivered(n === 0 ? 1 : 2)
        await writeAfter(server, () => socket.ws.terminate(), n + 1)
        socket = await comeBack(server, clientId)
        assert.deepStrictEqual(await socket.delivered(1), [n + 1])
      }
    })

    it("gets what its client has left unread by the next one", async () => {
      const { clientId, server, socket: first } = await begin()
      let socket = first
      const neighbour = await openSocket(server)
      // Noise does not get smaller.
      const padding = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("hex")
      for (let n = 0; n < 5; n++) {
        socket.ws.pause()
        // Node reads ahead, but not as much.
        await server.publish("/a", { n, padding })
        // A message of another client is answered after it: by then it is with this one's system.
        const answer = neighbour.messages.length + 1
        neighbour.send({ channel: "/b", data: n })
        await until("an answer", () => neighbour.messages.length === answer)
        socket.ws.terminate()
        socket = await comeBack(server, clientId)
        assert.deepStrictEqual(await socket.delivered(1), [{ n, padding }])
      }
    })
  })
})

it("a WebSocket on a Unix socket gets nothing twice, however it ends", async () => {
  const server = await serve()
  const path = join(mkdtempSync(join(tmpdir(), "effect-bayeux-")), "socket")
  const listener = createTcpServer((socket) => server.http.emit("connection", socket)).listen(path)
  atEnd(() => {
    listener.close()
    rmSync(dirname(path), { recursive: true })
  })
  const open = () => openSocket({ url: `ws+unix:${path}:/bayeux` })
  let socket = await open()
  const { clientId = "" } = await socket.send(handshakeMessage)
    .message("a handshake", ({ channel }) => channel === "/meta/handshake")
  socket.send(subscribeMessage(clientId, "/a"))
  await bindSocket(server, socket, clientId)
  for (let n = 0; n < 10; n++) {
    await server.publish("/a", n)
    assert.deepStrictEqual(await socket.delivered(1), [n])
    socket.ws.terminate()
    await until("the cut to be noticed", async () => (await server.session(clientId))?.link === "Detached")
    socket = await open()
    await bindSocket(server, socket, clientId)
  }
})

/** Publishes on `/a` in such a way that it is written before the server can see that a client has ended a connection. */
const writeAfter = async (server: Server, end: () => void, data: number): Promise<void> => {
  const { open } = await server.run(Connections)
  await new Promise<void>((resolve) => {
    // What reads in a turn of the event loop is followed by what writes, before anything else is read.
    stat(".", () => {
      end()
      publishAt(open, data)
      resolve()
    })
  })
}

/** Publishes in this very moment. */
const publishAt = (open: Transport.Open, data: number): void => {
  const connection = open({
    connectionType: "in-process",
    kind: "exchange",
    local: true,
    request: undefined,
    owner: undefined
  }, {
    send: () => connection.closed(),
    close: () => undefined
  })
  connection.receive([{ channel: "/a", data }])
}

it("a stream of events gets what is written in the moment in which its client drops it by the next one", async () => {
  const server = await serve()
  const clientId = await begin(server, "/a")
  for (let n = 0; n < 20; n += 2) {
    const stream = await openEvents(server, clientId)
    await server.publish("/a", n)
    await stream.delivered(1)
    await writeAfter(server, () => stream.destroy(), n + 1)
    await until("the cut to be noticed", async () => (await server.session(clientId))?.link === "Detached")
    assert.deepStrictEqual(await poll(server, clientId), [n + 1])
  }
})
