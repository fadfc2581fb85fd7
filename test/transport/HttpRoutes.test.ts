/** The service as routes of an Effect `HttpRouter`, beside other routes. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Cause, type Duration, Effect, Exit, Layer, ManagedRuntime, Option } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { once } from "node:events"
import { Agent, createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Bayeux, HttpRoutes, MemoryEngine, Monitor, NodeServer, Transports } from "../../src/index.ts"
import {
  atEnd,
  begin,
  clientFrame,
  closeCodeIn,
  connectMessage,
  connectRaw,
  connectRawWebSocket,
  dataOf,
  handshakeMessage,
  openEvents,
  openSocket,
  poll,
  post,
  postBytes,
  releaseAll,
  request,
  serverFrames,
  stopwatch,
  subscribeMessage,
  until,
  within
} from "./support.ts"

afterEach(releaseAll)

interface Options {
  readonly mount?: string
  readonly gracePeriod?: Duration.Input
  /** Effect's server lets open requests end by themselves for so long before it ends its routes; it does not if false. */
  readonly gracefulShutdownTimeout?: Duration.Input | false
  readonly isTuned?: boolean
  /** Effect's middleware gives up on any request after this time. */
  readonly patience?: Duration.Input
}

const otherRoutes = Layer.mergeAll(
  HttpRouter.add("GET", "/other", HttpServerResponse.text("other")),
  HttpRouter.add("POST", "/other", HttpServerResponse.text("posted"))
)

/** What the application's middleware does with a request that takes long. */
const impatient = (patience: Duration.Input) =>
  HttpRouter.middleware((handled) =>
    Effect.timeoutOrElse(handled, {
      duration: patience,
      orElse: () => Effect.succeed(HttpServerResponse.text("late", { status: 504 }))
    }), { global: true })

const routesLayer = (
  { gracePeriod = "3 seconds", gracefulShutdownTimeout = 0, isTuned = false, mount = "/bayeux", patience }: Options = {}
) =>
  HttpRouter.serve(
    Layer.mergeAll(
      HttpRoutes.layer({ mount, gracePeriod }),
      otherRoutes,
      patience === undefined ? Layer.empty : impatient(patience)
    ),
    { disableLogger: true, disableListenLog: true }
  ).pipe(
    Layer.provide(Transports.layer),
    Layer.provideMerge(
      NodeHttpServer.layer(() => isTuned ? NodeServer.tune(createServer()) : createServer(), {
        port: 0,
        host: "127.0.0.1",
        ...(gracefulShutdownTimeout === false ? { disablePreemptiveShutdown: true } : { gracefulShutdownTimeout })
      })
    ),
    Layer.provideMerge(Bayeux.layer()),
    Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
  )

const start = async (options: Options = {}) => {
  const runtime = ManagedRuntime.make(routesLayer(options))
  let stopped: Promise<void> | undefined
  const stop = () => stopped ??= runtime.dispose()
  atEnd(stop)
  const { address } = await runtime.runPromise(HttpServer.HttpServer)
  if (!("port" in address)) throw new Error("The server has no port")
  const { port } = address
  const origin = `http://127.0.0.1:${port}`
  const publish = (n: number) => runtime.runPromise(Bayeux.Bayeux.use((bayeux) => bayeux.publish("/a", n)))
  const link = async (clientId: string) => {
    const sessions = await runtime.runPromise(Bayeux.Bayeux.use((bayeux) => bayeux.sessions))
    return sessions.find((session) => session.clientId === clientId)?.link
  }
  return { port, origin, url: `${origin}${options.mount ?? "/bayeux"}`, publish, link, stop }
}

describe("a service among the routes of an Effect server", () => {
  it("leaves the other routes alone", async () => {
    const server = await start()
    const ask = async (path: string, method = "GET") => {
      const { status, text } = await request(`${server.origin}${path}`, { method })
      return status === 200 ? text : status
    }
    assert.strictEqual(await ask("/other"), "other")
    assert.strictEqual(await ask("/other", "POST"), "posted")
    assert.strictEqual(await ask("/"), 404)
    assert.strictEqual(await ask("/bayeuxes"), 404)
    assert.strictEqual(await ask("/bayeux"), 400, "the service's own words")
  })

  it.each([["/bayeux"], ["/a/b"]] as const)("serves long-polling at %s", async (mount) => {
    const server = await start({ mount })
    const clientId = await begin(server, "/a")
    for (let n = 0; n < 3; n++) {
      const held = post(server, [connectMessage(clientId)])
      await until("the connect to be held", async () => await server.link(clientId) === "Polling")
      await server.publish(n)
      assert.deepStrictEqual(dataOf((await held).messages), [n])
    }
    const preflight = await request(server.url, { method: "OPTIONS", headers: { Origin: "http://x" } })
    assert.strictEqual(preflight.headers["access-control-allow-origin"], "http://x")
    assert.isTrue((await post({ url: `${server.url}/handshake` }, [handshakeMessage])).messages[0]?.successful)
    assert.strictEqual((await request(server.url, { method: "PUT" })).status, 405)
  })

  it("serves callback-polling", async () => {
    const server = await start()
    const message = encodeURIComponent(JSON.stringify([handshakeMessage]))
    const { headers, text } = await request(`${server.url}?jsonp=f&message=${message}`)
    assert.match(text, /^\/\*\*\/f\(\[\{.*"successful":true.*\}\]\);$/)
    assert.strictEqual(headers["x-content-type-options"], "nosniff")
  })

  it("serves EventSource", async () => {
    const server = await start()
    const clientId = await begin(server, "/a")
    const stream = await openEvents(server, clientId)
    assert.strictEqual(stream.response.headers["content-type"], "text/event-stream; charset=utf-8")
    for (let n = 0; n < 3; n++) await server.publish(n)
    assert.deepStrictEqual(await stream.delivered(3), [0, 1, 2])
    stream.destroy()
    await until("the session to be detached", async () => await server.link(clientId) === "Detached")
  })

  it("serves WebSocket", async () => {
    const server = await start()
    const socket = await openSocket(server)
    const { clientId = "" } = await socket.send(handshakeMessage)
      .message("a handshake", ({ successful }) => successful === true)
    socket.send(subscribeMessage(clientId, "/a")).send(connectMessage(clientId, "websocket"))
    await until("the session to be attached", async () => await server.link(clientId) === "Attached")
    for (let n = 0; n < 3; n++) await server.publish(n)
    assert.deepStrictEqual(await socket.delivered(3), [0, 1, 2])
    socket.send({ channel: "/meta/disconnect", clientId })
    assert.strictEqual(await socket.closed(), 1000)
  })

  it("serves Faye's client", async () => {
    const server = await start()
    for (const path of ["/bayeux.js", "/bayeux/client.js"]) {
      const { headers, status, text } = await request(`${server.origin}${path}`)
      assert.strictEqual(status, 200)
      assert.strictEqual(headers["content-type"], "text/javascript; charset=utf-8")
      assert.include(text, "Faye")
    }
  })

  it("delivers on the next connect what was cut off", async () => {
    const server = await start()
    const clientId = await begin(server, "/a")
    for (const headers of [{}, { Connection: "close" }]) {
      const raw = await connectRaw(server)
      raw.send(postBytes(JSON.stringify([connectMessage(clientId)]), headers))
      await until("the connect to be held", async () => await server.link(clientId) === "Polling")
      void server.publish(1)
      raw.socket.destroy()
      await until("the cut to be noticed", async () => await server.link(clientId) === "Detached")
      const data = await until("the message to come again", async () => {
        const data = await poll(server, clientId)
        return data.length > 0 && data
      })
      assert.deepStrictEqual(data, [1])
    }
  })

  it.each([["/bayeux"], ["/bayeux/x"], ["/other"], ["/nowhere"]])(
    "answers an upgrade to something else at %s",
    async (path) => {
      const server = await start()
      const raw = await connectRaw(server)
      raw.send(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: nonsense\r\n\r\n`)
      assert.include([200, 400, 404, 426], (await raw.answer(3_000)).status)
    }
  )

  it.each([["websocket"], ["h2c"]])(
    "serves a POST that has the headers of an upgrade to %s as any other, on a tuned server",
    async (protocol) => {
      const server = await start({ isTuned: true })
      const headers = { "Connection": "Upgrade", "Upgrade": protocol }
      for (let n = 0; n < 2; n++) {
        assert.isTrue((await post(server, [handshakeMessage], { headers })).messages[0]?.successful)
      }
      assert.strictEqual((await request(`${server.origin}/other`, { method: "POST", headers })).text, "posted")
      assert.strictEqual((await request(`${server.url}/health`, { headers })).status, 200)
      const socket = await openSocket(server)
      await socket.send(handshakeMessage).message("a handshake", ({ successful }) => successful === true)
    }
  )

  it("loses one such POST on a server that is not, and answers that it may be repeated", async () => {
    const server = await start()
    const send = () =>
      post(server, [handshakeMessage], { headers: { "Connection": "Upgrade", "Upgrade": "websocket" } })
    const refused = await send()
    assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [503, "1"])
    assert.isTrue((await send()).messages[0]?.successful)
    const other = await start()
    const headers = { "Connection": "Upgrade", "Upgrade": "websocket" }
    assert.strictEqual((await request(`${other.url}/health`, { headers })).status, 200, "a GET loses nothing")
  })

  it("does not start with options that are not valid", async () => {
    const exit = await Effect.runPromiseExit(Effect.scoped(Layer.build(routesLayer({ mount: "bayeux" }))))
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
    assert.include(String((error as Error | undefined)?.message), "HttpRoutes.layer")
  })
})

const holdAll = async (server: Awaited<ReturnType<typeof start>>) => {
  const [polling, streaming] = [await begin(server, "/a"), await begin(server, "/a")]
  const agent = new Agent({ keepAlive: true })
  atEnd(() => agent.destroy())
  const held = post(server, [connectMessage(polling)], { agent })
  held.catch(() => undefined)
  await until("the connect to be held", async () => await server.link(polling) === "Polling")
  const stream = await openEvents(server, streaming)
  const raw = await connectRawWebSocket(server)
  return { held, stream, socket: await openSocket(server), raw }
}

describe("an Effect server that stops", () => {
  it.each<[string, Options]>([
    ["waits for nothing", { gracefulShutdownTimeout: 0 }],
    ["waits for 500 ms", { gracefulShutdownTimeout: "500 millis" }],
    ["waits for 20 seconds, as it does by itself", { gracefulShutdownTimeout: "20 seconds" }],
    ["waits for 20 seconds, and is tuned", { gracefulShutdownTimeout: "20 seconds", isTuned: true }],
    ["interrupts its requests first", { gracefulShutdownTimeout: false }]
  ])("and %s has held connects answered, streams ended and sockets closed with 1001 at once", async (_, options) => {
    const server = await start(options)
    const { held, raw, socket, stream } = await holdAll(server)
    const elapsed = stopwatch()
    const stopped = server.stop()
    const { headers, messages: [reply], status } = await held
    assert.deepStrictEqual([status, reply?.successful, reply?.advice?.reconnect], [200, true, "retry"])
    assert.strictEqual(headers.connection, "close")
    await until("the stream to end", () => stream.isEnded)
    assert.strictEqual(await socket.closed(), 1001)
    await until("a close code", () => closeCodeIn(raw.received))
    raw.send(clientFrame(Uint8Array.of(3, 233), { opcode: 8 }))
    await raw.closed()
    assert.deepStrictEqual(
      serverFrames(raw.received).map(({ opcode, payload, reserved }) => [opcode, reserved, [...payload]]),
      [[8, 0, [3, 233]]],
      "a close frame and nothing else"
    )
    await within("the server's end", stopped)
    assert.isBelow(elapsed(), 2_000)
  })

  it.each<[string, Options]>([
    ["that waits", { gracefulShutdownTimeout: "20 seconds" }],
    ["that does not", { gracefulShutdownTimeout: 0 }],
    ["that interrupts its requests", { gracefulShutdownTimeout: false }]
  ])("%s is gone after the grace period although a socket does not let go", async (_, options) => {
    const server = await start({ ...options, gracePeriod: 300 })
    const raw = await connectRawWebSocket(server)
    const elapsed = stopwatch()
    await within("the server's end", server.stop())
    assert.isBelow(elapsed(), 2_500)
    assert.strictEqual(closeCodeIn(raw.received), 1001)
    assert.strictEqual(serverFrames(raw.received).length, 1)
  })

  it("and is tuned does not wait for unused connections", async () => {
    const server = await start({ gracefulShutdownTimeout: "20 seconds", isTuned: true })
    const silent = await connectRaw(server)
    const idle = await connectRaw(server)
    idle.send(postBytes("[]"))
    await idle.answer()
    const elapsed = stopwatch()
    await within("the server's end", server.stop())
    assert.isBelow(elapsed(), 3_000)
    await Promise.all([silent.closed(), idle.closed()])
  })

  it("and answers late lets nobody in by the connections that are left", async () => {
    const server = await start({ gracefulShutdownTimeout: "20 seconds" })
    const raw = await connectRawWebSocket(server)
    const late = await connectRaw(server)
    const bytes = postBytes(JSON.stringify([handshakeMessage]))
    late.send(bytes.subarray(0, 20))
    // So that the server has begun with it.
    await request(`${server.origin}/other`)
    const stopped = server.stop()
    await until("the end to begin", () => closeCodeIn(raw.received))
    const answer = await late.send(bytes.subarray(20)).answer()
    assert.deepStrictEqual([answer.status, answer.headers["connection"], answer.headers["retry-after"]], [
      503,
      "close",
      "1"
    ])
    raw.socket.destroy()
    await within("the server's end", stopped)
  })
})

it("a request that the application's middleware gives up is ended as its own, and no other one", async () => {
  const server = await start({ patience: 400 })
  const clientId = await begin(server, "/a")
  const raw = await connectRawWebSocket(server)
  const held = post(server, [connectMessage(clientId)])
  await until("a close code", () => closeCodeIn(raw.received))
  raw.send(clientFrame(Uint8Array.of(3, 233), { opcode: 8 }))
  await raw.closed()
  assert.strictEqual(serverFrames(raw.received).length, 1)
  const { messages: [reply], status } = await held
  assert.deepStrictEqual([status, reply?.successful, reply?.advice?.reconnect], [200, true, "retry"])
  const again = post(server, [connectMessage(clientId)])
  await until("the connect to be held", async () => await server.link(clientId) === "Polling")
  await server.publish(1)
  assert.deepStrictEqual(dataOf((await again).messages), [1])
})

it("a server whose layer comes last opens its port when there is somebody to answer, however long that takes", async () => {
  const free = createServer().listen(0, "127.0.0.1")
  await once(free, "listening")
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, "close")
  const slow = Layer.effectDiscard(Effect.sleep("300 millis"))
  const runtime = ManagedRuntime.make(
    HttpRouter.serve(Layer.mergeAll(HttpRoutes.layer(), otherRoutes), { disableLogger: true, disableListenLog: true })
      .pipe(
        Layer.provide(NodeHttpServer.layer(() => NodeServer.tune(createServer()), { port, host: "127.0.0.1" })),
        Layer.provide(Transports.layer),
        Layer.provide(Bayeux.layer().pipe(Layer.provide(slow))),
        Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
      )
  )
  atEnd(() => runtime.dispose())
  const begun = performance.now()
  const built = runtime.context()
  let refused = 0
  const first = await until("the port to open", async () => {
    const answer = await post({ url: `http://127.0.0.1:${port}/bayeux` }, [handshakeMessage]).catch(() => undefined)
    if (answer === undefined) refused++
    return answer
  })
  assert.isTrue(first.messages[0]?.successful)
  assert.isAbove(refused, 0)
  assert.isAtLeast(performance.now() - begun, 300)
  await built
})
