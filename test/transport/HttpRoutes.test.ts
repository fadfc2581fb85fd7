/** The service as routes of an Effect `HttpRouter`, beside other routes. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Cause, type Duration, Effect, Exit, Layer, ManagedRuntime, Option } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { createServer } from "node:http"
import { Bayeux, HttpRoutes, MemoryEngine, Monitor, Transports } from "../../src/index.ts"
import {
  atEnd,
  begin,
  connectMessage,
  connectRaw,
  dataOf,
  handshakeMessage,
  openEvents,
  openSocket,
  poll,
  post,
  postBytes,
  releaseAll,
  request,
  subscribeMessage,
  until
} from "./support.ts"

afterEach(releaseAll)

interface Options {
  readonly mount?: string
  /** Effect's server lets open requests end by themselves for so long before it ends its routes. */
  readonly gracefulShutdownTimeout?: Duration.Input
}

const otherRoutes = Layer.mergeAll(
  HttpRouter.add("GET", "/other", HttpServerResponse.text("other")),
  HttpRouter.add("POST", "/other", HttpServerResponse.text("posted"))
)

const routesLayer = ({ gracefulShutdownTimeout = 0, mount = "/bayeux" }: Options = {}) =>
  HttpRouter.serve(Layer.mergeAll(HttpRoutes.layer({ mount }), otherRoutes), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(
    Layer.provide(Transports.layer),
    Layer.provideMerge(
      NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1", gracefulShutdownTimeout })
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

  it("does not start with options that are not valid", async () => {
    const exit = await Effect.runPromiseExit(Effect.scoped(Layer.build(routesLayer({ mount: "bayeux" }))))
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
    assert.include(String((error as Error | undefined)?.message), "HttpRoutes.layer")
  })
})
