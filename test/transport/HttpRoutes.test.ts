/** The service as routes of an Effect `HttpRouter`, beside another route. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Layer, ManagedRuntime } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { createServer } from "node:http"
import { Bayeux, HttpRoutes, MemoryEngine, Monitor, Transports } from "../../src/index.ts"
import {
  atEnd,
  begin,
  beginSocket,
  connectMessage,
  dataOf,
  openEvents,
  poll,
  post,
  releaseAll,
  request,
  type Server,
  until
} from "./support.ts"

afterEach(releaseAll)

const serve = async () => {
  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/", HttpServerResponse.text("the application")),
    HttpRoutes.layer({ mount: "/api/bayeux" }).pipe(Layer.provide(Transports.layer))
  )
  const runtime = ManagedRuntime.make(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(Bayeux.layer({ timeout: "1 second" })),
      Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer())),
      Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
    )
  )
  atEnd(() => runtime.dispose())
  const { address } = await runtime.runPromise(HttpServer.HttpServer)
  const port = "port" in address ? address.port : 0
  const publish = (channel: string, data: string) =>
    runtime.runPromise(Bayeux.Bayeux.use((bayeux) => bayeux.publish(channel, data)))
  const session = async (clientId: string) =>
    (await runtime.runPromise(Bayeux.Bayeux.use(({ sessions }) => sessions))).find((one) => one.clientId === clientId)
  const origin = `http://127.0.0.1:${port}`
  return { runtime, publish, origin, server: { url: `${origin}/api/bayeux`, port, session } as Server }
}

describe("HttpRoutes", () => {
  it("serves long-polling beside another route", async () => {
    const { origin, publish, server } = await serve()
    assert.strictEqual((await request(`${origin}/`)).text, "the application")
    const clientId = await begin(server, "/a")
    const held = post(server, [connectMessage(clientId)])
    await publish("/a", "hello")
    const answered = dataOf((await held).messages)
    assert.deepStrictEqual(answered.length > 0 ? answered : await poll(server, clientId), ["hello"])
    assert.strictEqual((await request(`${origin}/elsewhere`)).status, 404)
  })

  it("serves WebSocket", async () => {
    const { publish, server } = await serve()
    const { socket } = await beginSocket(server, "/a")
    await publish("/a", "hello")
    await until("the message", () => socket.data.length === 1)
    assert.deepStrictEqual(socket.data, ["hello"])
  })

  it("serves EventSource and Faye's client", async () => {
    const { origin, publish, server } = await serve()
    const clientId = await begin(server, "/a")
    const events = await openEvents(server, clientId)
    await publish("/a", "hello")
    await until("the event", () => events.data.length === 1)
    assert.deepStrictEqual(events.data, ["hello"])
    assert.strictEqual((await request(`${origin}/api/bayeux.js`)).status, 200)
    assert.strictEqual((await request(`${origin}/api/bayeux/client.js`)).status, 200)
  })
})
