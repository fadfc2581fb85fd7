/**
 * Connections that break at any moment. What a client has read as a whole answer it has; everything else comes again
 * with its next connect: complete, in order, and nothing twice.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { fork, spawn } from "node:child_process"
import { mkdtempSync, rmSync, stat } from "node:fs"
import { createServer as createHttpsServer } from "node:https"
import { connect as connectTcp, createServer as createTcpServer, type Socket, type TcpNetConnectOpts } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Bayeux, type Transport, WebSocketTransport } from "../../src/index.ts"
import { selfSigned } from "../support/certificate.ts"
import type { HastyOptions } from "./hasty.ts"
import {
  atEnd,
  begin,
  beginSocket,
  bindSocket,
  connectMessage,
  connectRaw,
  type CutLog,
  type CutNews,
  Cutter,
  type CutterOptions,
  dataOf,
  fayeHandshake,
  flawIn,
  handshakeMessage,
  holdConnect,
  type Numbered,
  numbersIn,
  openEvents,
  openSocket,
  patience,
  poll,
  post,
  postBytes,
  random,
  releaseAll,
  serve,
  type Server,
  type Socket as Client,
  socketsOf,
  subscribeMessage,
  until,
  within
} from "./support.ts"

afterEach(releaseAll)

const support = fileURLToPath(new URL("./support.ts", import.meta.url))
const limit = 12 * patience

/** Publishes numbers at moments that are drawn by lot, some with so much beside them that an answer takes several writes. */
const publishNumbers = async (publish: (data: Numbered) => Promise<void>, seed: number, isOver: () => boolean) => {
  const { below, chance } = random(seed)
  const padding = "x".repeat(300_000)
  let n = 0
  while (!isOver()) {
    await publish({ n: ++n, ...(chance(0.08) ? { padding } : {}) })
    await new Promise<void>((resolve) => {
      const pause = below(6)
      if (pause === 0) setImmediate(resolve)
      else setTimeout(resolve, pause - 1)
    })
  }
  await publish({ n: ++n, last: true })
  return n
}

type Run = (options: CutterOptions, tell: (news: CutNews) => void) => Promise<CutLog>

const inSameProcess: Run = (options, tell) => {
  const cutter = new Cutter(options)
  atEnd(() => cutter.destroy())
  return cutter.run(tell)
}

const inOtherProcess: Run = (options, tell) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [support, JSON.stringify(options)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"]
    })
    atEnd(() => child.kill("SIGKILL"))
    child.on("message", (message) =>
      message === "ready" || message === "enough" ? tell(message) : resolve(message as CutLog))
    child.on("exit", (code) =>
      reject(new Error(`The process of the client ended with ${code}`)))
  })

/** Has a client connect and cut while another one publishes, until everything is there. */
const trial = async (run: Run, options: Pick<CutterOptions, "ids" | "keepAlive" | "manner">) => {
  const server = await serve()
  const seed = Date.now() % 1_000_000_007
  const clientId = await begin(server, "/numbers", options.ids === "repeated" ? fayeHandshake : {})
  const publisher = await openSocket(server)
  const publish = async (data: Numbered) => void publisher.send({ channel: "/numbers", data })
  let isOver = false
  atEnd(() => isOver = true)
  let publishing: Promise<number> | undefined
  const running = run({ ...options, port: server.port, clientId, seed, cuts: 200 }, (news) => {
    if (news === "ready") publishing = publishNumbers(publish, seed, () => isOver)
    else isOver = true
  })
  const log = await within("all messages", running, limit - patience)
  return { log, seed, count: await publishing ?? 0 }
}

const places = [["in the same process", inSameProcess], ["in another process", inOtherProcess]] as const

describe.each(places)("a client of Faye's kind %s that cuts its connections", (_, run) => {
  it.each(
    [["keep-alive", "always"], ["Connection: close", "never"], ["both by turns", "mixed"]] as const
  )("loses nothing by 200 cuts at random moments with %s", { timeout: limit }, async (_, keepAlive) => {
    const { count, log, seed } = await trial(run, { keepAlive, manner: "cut", ids: "repeated" })
    assert.isUndefined(flawIn(log.received, count), `seed ${seed}`)
    assert.isAtLeast(log.before + log.during, 200)
    assert.isAbove(log.during, 0, `no answer was cut in the middle (seed ${seed})`)
    assert.isAbove(log.after, 0, `no connection was closed after its answer (seed ${seed})`)
  })
})

const leaving = [
  ["keep-alive", "always", "leave", "closes", "none"],
  ["Connection: close", "never", "leave", "closes", "none"],
  ["keep-alive", "always", "reset", "resets", "repeated"],
  ["Connection: close", "never", "reset", "resets", "repeated"]
] as const

describe.each(places)("a client %s that reads each answer and ends its connection", (_, run) => {
  it.each(leaving)(
    "gets nothing twice with %s (%s, %s) when it %s it and its ids are %s",
    { timeout: limit },
    async (_, keepAlive, manner, _how, ids) => {
      const { count, log, seed } = await trial(run, { keepAlive, manner, ids })
      assert.isUndefined(flawIn(log.received, count), `seed ${seed}`)
      assert.isAtLeast(log.after, 200)
    }
  )

  it.each([["keep-alive", "always"], ["Connection: close", "never"]] as const)(
    "gets one answer twice at the most with %s when it resets it and says nothing by ids",
    { timeout: limit },
    async (_, keepAlive) => {
      const { count, log, seed } = await trial(run, { keepAlive, manner: "reset", ids: "none" })
      const { received } = log
      const again = received.findIndex((n, at) => received.indexOf(n) < at)
      const twice = received.length - new Set(received).size
      assert.strictEqual(new Set(received).size, count, `seed ${seed}: something was lost`)
      assert.deepStrictEqual(received.slice(again, again + twice), received.slice(again - twice, again), `seed ${seed}`)
      assert.isAtLeast(log.after, 200)
    }
  )
})

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
        // Node reads ahead until it is told not to; what it has read counts as read.
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

  it("has it delivered twice, and no more often, if nothing tells it from a client", async () => {
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

/** Starts a subscriber that drops its connection while it reads; gives its session, and what it has read. */
const startHasty = async (options: HastyOptions) => {
  const child = fork(fileURLToPath(new URL("./hasty.ts", import.meta.url)), [JSON.stringify(options)])
  atEnd(() => child.kill("SIGKILL"))
  const told = () => new Promise<unknown>((resolve) => child.once("message", resolve))
  const clientId = await within("a session", told()) as string
  return { clientId, read: within("what was read", told()) as Promise<ReadonlyArray<number>> }
}

describe.each(
  [["over TLS, of 200 times 3 kB", true, 200, 3_000], ["over TCP, of 30 times 400 kB", false, 30, 400_000]] as const
)("a WebSocket that is cut in the middle of a burst %s", (_, isTls, count, length) => {
  it("gets nothing again that it has read", { timeout: limit }, async () => {
    const { cert, key } = isTls ? selfSigned() : { cert: undefined, key: undefined }
    const server = await serve(isTls ? { node: { createServer: () => createHttpsServer({ cert, key }) } } : {})
    const options = isTls ? { ca: cert } : {}
    const publisher = await openSocket(server, options)
    const padding = "x".repeat(length)
    const seed = Date.now() % 1_000_000_007
    const { below } = random(seed)
    for (let cut = 0; cut < 10; cut++) {
      const channel = `/a${cut}`
      const first = await startHasty({ url: server.url, channel, ca: cert, cutAt: 3 + below(24) })
      await until("it to be attached", async () => (await server.session(first.clientId))?.link === "Attached")
      for (let n = 1; n <= count; n++) publisher.send({ channel, data: { n, padding } })
      const read = await first.read
      await until("all to be published", () => publisher.messages.length >= (cut + 1) * count)
      await until("the cut to be noticed", async () => (await server.session(first.clientId))?.link === "Detached")
      const next = await openSocket(server, options)
      await bindSocket(server, next, first.clientId)
      await server.publish(channel, { n: count + 1 })
      await until("the last one", () => numbersIn(next.data).includes(count + 1))
      const twice = numbersIn(next.data).filter((n) => read.includes(n))
      assert.deepStrictEqual(twice, [], `cut ${cut} after ${read.length} (seed ${seed})`)
      next.ws.terminate()
    }
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
  const { open } = await server.run(Bayeux.Bayeux)
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
