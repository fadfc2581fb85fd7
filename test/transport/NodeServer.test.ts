// @effect-diagnostics anyUnknownInErrorContext:off -- tests build layers of any kind
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, ManagedRuntime, Option, Scope } from "effect"
import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, request as httpRequest, type Server as HttpServer } from "node:http"
import { createServer as createHttpsServer, request as httpsRequest } from "node:https"
import { createRequire } from "node:module"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { WebSocketServer } from "ws"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "../../src/index.ts"
import { selfSigned } from "../support/certificate.ts"
import {
  atEnd,
  begin,
  beginSocket,
  clientFrame,
  closeCodeIn,
  connectMessage,
  connectRaw,
  connectRawWebSocket,
  connectTls,
  dataOf,
  handshakeMessage,
  holdConnect,
  type Message,
  nextTurn,
  openEvents,
  openSocket,
  poll,
  post,
  postBytes,
  releaseAll,
  request,
  serve,
  serverLayer,
  subscribeMessage,
  until,
  within
} from "./support.ts"

afterEach(releaseAll)

/** Builds the server's layer and gives the error. */
const failure = async (options: Parameters<typeof serverLayer>[0]) => {
  const exit = await Effect.runPromiseExit(Effect.scoped(Layer.build(serverLayer(options))))
  if (Exit.isSuccess(exit)) throw new Error("The server did start")
  return Option.getOrThrow(Cause.findErrorOption(exit.cause)) as Error
}

/** A server for HTTPS, and a way to post messages to it. */
const serveTls = async () => {
  const { cert, key } = selfSigned()
  const server = await serve({ node: { createServer: () => createHttpsServer({ key, cert }) } })
  assert.isTrue(server.url.startsWith("https://127.0.0.1:"))
  const send = (messages: unknown) =>
    within(
      "an answer",
      new Promise<ReadonlyArray<Message>>((resolve, reject) => {
        const headers = { "Content-Type": "application/json" }
        const sent = httpsRequest(server.url, { method: "POST", agent: false, ca: cert, headers }, (response) => {
          let text = ""
          response.setEncoding("utf8").on("data", (chunk: string) => text += chunk)
          response.on("end", () => resolve(JSON.parse(text) as ReadonlyArray<Message>))
        })
        sent.on("error", reject)
        sent.on("close", atEnd(() => sent.destroy()))
        sent.end(JSON.stringify(messages))
      })
    )
  return { cert, send, server }
}

describe("a server of its own", () => {
  it("listens on a free port of 127.0.0.1 and says where the service is", async () => {
    const server = await serve({ node: { mount: "/a/b" } })
    const { address, url } = await server.run(NodeServer.NodeServer)
    assert.strictEqual(address.host, "127.0.0.1")
    assert.strictEqual(url, `http://127.0.0.1:${address.port}/a/b`)
    assert.isTrue((await post({ url }, [handshakeMessage])).messages[0]?.successful)
    const elsewhere = await request(new URL("/bayeux", url).href)
    assert.strictEqual(elsewhere.status, 404)
    assert.include(elsewhere.text, "/a/b")
  })

  it("tells its health to a GET and, without the body, to a HEAD", async () => {
    const server = await serve()
    const get = await request(`${server.url}/health`)
    const head = await request(`${server.url}/health`, { method: "HEAD" })
    assert.strictEqual(get.status, 200)
    assert.strictEqual((JSON.parse(get.text) as { readonly status: string }).status, "up")
    assert.deepStrictEqual([head.status, head.text], [200, ""])
    const lasting = (headers: typeof get.headers) => ({ ...headers, date: "" })
    assert.deepStrictEqual(lasting(head.headers), lasting(get.headers))
    assert.strictEqual((await request(`${server.url}/health`, { method: "PUT" })).status, 404)
  })

  it.each([["/"], ["/bayeux"], ["/bayeux/x"], ["/bayeux.js"], [`/bayeux/${"0".repeat(40)}`]])(
    "answers a HEAD of %s as it would answer a GET",
    async (path) => {
      const server = await serve()
      const ask = async (method: string) => {
        const { headers, status } = await request(new URL(path, server.url).href, { method })
        return [status, headers["content-length"], headers["content-type"]]
      }
      assert.deepStrictEqual(await ask("HEAD"), await ask("GET"))
    }
  )

  it("fails with a sentence that names the port when that is in use, and leaves nothing behind", async () => {
    const other = createTcpServer()
    atEnd(() => other.close())
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    const { port } = other.address() as AddressInfo
    const created: Array<HttpServer> = []
    const create = () => {
      const server = createServer()
      created.push(server)
      return server
    }
    const error = await failure({ node: { port, createServer: create } })
    assert.instanceOf(error, NodeServer.ServerError)
    assert.include(error.message, `127.0.0.1, port ${port}`)
    assert.include(error.message, "choose another port")
    assert.isFalse(created[0]?.listening)
  })

  it("fails with a sentence when there is no such host", async () => {
    const error = await failure({ node: { host: "no.such.host.invalid" } })
    assert.instanceOf(error, NodeServer.ServerError)
    assert.include(error.message, "no.such.host.invalid")
  })

  it.each([
    [{ mount: "bayeux" }, "mount"],
    [{ mount: "/" }, "mount"],
    [{ mount: "/bayeux/" }, "mount"],
    [{ mount: "/a?b" }, "mount"],
    [{ port: 65_536 }, "port"],
    [{ port: -1 }, "port"],
    [{ port: 1.5 }, "port"],
    [{ host: "" }, "host"],
    [{ gracePeriod: -1 }, "gracePeriod"],
    [{ prot: 1 }, "prot"]
  ])("does not start with the options %j and names what is wrong", async (node, name) => {
    const error = await failure({ node: node as NodeServer.NodeServerOptions })
    assert.include(error.message, "NodeServer.layer")
    assert.include(error.message, name)
  })

  it("answers with 503 for as long as it stops, also over a connection that is busy with something else", async () => {
    let finish = () => {}
    const outside = createServer((_, response) => {
      finish = () => response.end("slow")
    })
    const server = await serve({ node: { createServer: () => outside } })
    const raw = (await connectRaw(server)).send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    const { socket } = await beginSocket(server, "/a")
    const stopped = server.stop()
    await socket.closed()
    await until(
      "the end of the service",
      async () => (await new Promise<number>((resolve) => outside.getConnections((_, count) => resolve(count)))) === 1
    )
    await nextTurn()
    raw.send(postBytes(JSON.stringify([handshakeMessage])))
    await until("the request", () => raw.socket.bytesWritten > 0 && raw.socket.writableLength === 0)
    finish()
    assert.strictEqual((await raw.answer()).text, "slow")
    assert.strictEqual((await raw.answer()).status, 503)
    await stopped
  })

  it("ends streams that are opened while it stops: a browser that is refused once never asks again", async () => {
    let finish = () => {}
    const outside = createServer((_, response) => {
      finish = () => response.end("slow")
    })
    const server = await serve({ node: { createServer: () => outside } })
    const raw = (await connectRaw(server)).send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    const { clientId, socket } = await beginSocket(server, "/a")
    const stopped = server.stop()
    await socket.closed()
    raw.send(`GET /bayeux/${clientId} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`)
    await until("the request", () => raw.socket.bytesWritten > 0 && raw.socket.writableLength === 0)
    finish()
    assert.strictEqual((await raw.answer()).text, "slow")
    await raw.closed()
    assert.match(raw.received.toString("utf8"), /HTTP\/1.1 200 OK.*retry: 1000\r\n\r\n/s)
    await stopped
  })

  it("serves by HTTPS when it is given such a server", async () => {
    const { send, server, cert } = await serveTls()
    const [{ clientId = "" } = {}] = await send([handshakeMessage])
    await send([subscribeMessage(clientId, "/a")])
    const held = send([connectMessage(clientId)])
    await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
    await server.publish("/a", 1)
    assert.deepStrictEqual(dataOf(await held), [1])
    const { socket } = await beginSocket(server, "/a", { ca: cert })
    await server.publish("/a", 2)
    assert.deepStrictEqual(await socket.delivered(1), [2])
    await server.stop()
    assert.strictEqual(await socket.closed(), 1001)
  })

  it("delivers on the next connect what was cut off over TLS", async () => {
    const { send, server, cert } = await serveTls()
    const [{ clientId = "" } = {}] = await send([handshakeMessage])
    await send([subscribeMessage(clientId, "/a")])
    const polled = async () =>
      dataOf(await send([connectMessage(clientId, "long-polling", { advice: { timeout: 0 } })]))
    for (const headers of [{}, { Connection: "close" }]) {
      const raw = await connectTls(server, cert)
      raw.send(postBytes(JSON.stringify([connectMessage(clientId)]), headers))
      await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
      void server.publish("/a", headers)
      raw.socket.destroy()
      await until("the cut to be noticed", async () => (await server.session(clientId))?.link === "Detached")
      assert.deepStrictEqual(
        await until("the message to come again", async () => {
          const data = await polled()
          return data.length > 0 && data
        }, 3_000),
        [headers]
      )
    }
  })

  it("serves Faye's client at {mount}.js and {mount}/client.js", async () => {
    const server = await serve({ node: { mount: "/faye" } })
    const expected = readFileSync(createRequire(import.meta.url).resolve("faye/client/faye-browser-min.js"), "utf8")
    for (const path of ["/faye.js", "/faye/client.js", "/faye.js?v=1"]) {
      const url = new URL(path, server.url).href
      const { headers, status, text } = await request(url)
      assert.strictEqual(status, 200)
      assert.strictEqual(headers["content-type"], "text/javascript; charset=utf-8")
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      assert.isTrue(text === expected, "it is the package's file")
      const again = await request(url, { headers: { "If-None-Match": String(headers.etag) } })
      assert.deepStrictEqual([again.status, again.text], [304, ""])
      for (const tags of [`W/${headers.etag}`, `"a", W/"b,c" , ${headers.etag}`, "*"]) {
        assert.strictEqual((await request(url, { headers: { "If-None-Match": tags } })).status, 304, tags)
      }
      for (const tags of ["\"a\"", "W/*", `w/${headers.etag}`, ""]) {
        assert.strictEqual((await request(url, { headers: { "If-None-Match": tags } })).status, 200, tags)
      }
      const head = await request(url, { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.headers["content-length"]], [200, `${Buffer.byteLength(expected)}`])
    }
    assert.strictEqual((await request(new URL("/faye/faye-browser-min.js.map", server.url).href)).status, 200)
    for (const path of ["/faye.json", "/faye.js/", "/faye/client", "/faye/client.js.map"]) {
      assert.strictEqual((await request(new URL(path, server.url).href)).status, 404, path)
    }
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// beside something else

interface Host {
  readonly http: HttpServer
  readonly origin: string
  readonly port: number
}

/** A server that does something else already: it answers with its name, and echoes on WebSockets at `/echo`. */
const startHost = async (): Promise<Host> => {
  const http = createServer((request, response) => {
    response.end(`host ${request.method} ${request.url}`)
  })
  const echo = new WebSocketServer({ noServer: true })
  http.on("upgrade", (request: IncomingMessage, socket, head) => {
    if (request.url !== "/echo") return void socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")
    echo.handleUpgrade(
      request,
      socket,
      head,
      (client) => client.on("message", (data: Buffer) => client.send(`[${data.toString()}]`))
    )
  })
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  atEnd(() => {
    for (const client of echo.clients) client.terminate()
    http.closeAllConnections()
    return new Promise((resolve) => http.close(resolve))
  })
  const { port } = http.address() as AddressInfo
  return { http, port, origin: `http://127.0.0.1:${port}` }
}

const startService = () => {
  const runtime = ManagedRuntime.make(Transports.layer.pipe(
    Layer.provideMerge(Bayeux.layer()),
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
  ))
  atEnd(() => runtime.dispose())
  /** Attaches it and gives the function that takes it off again. */
  const attach = async (server: NodeServer.AnyServer, options?: NodeServer.AttachOptions) => {
    const scope = await Effect.runPromise(Scope.make())
    const detach = () => Effect.runPromise(Scope.close(scope, Exit.void))
    atEnd(detach)
    await runtime.runPromise(Scope.provide(NodeServer.attach(server, options), scope))
    return detach
  }
  const sessions = () => runtime.runPromise(Bayeux.Bayeux.use((bayeux) => bayeux.sessions))
  return {
    attach,
    sessions,
    publish: (n: number) => runtime.runPromise(Bayeux.Bayeux.use((bayeux) => bayeux.publish("/a", n)))
  }
}

describe("a service that is attached to a server that exists", () => {
  it("takes its mount, exact to the path segment; everything else stays with the server", async () => {
    const host = await startHost()
    await startService().attach(host.http, { mount: "/bayeux" })
    const text = async (path: string) => (await request(`${host.origin}${path}`)).text
    for (
      const path of [
        "/",
        "/bayeuxes",
        "/bayeux.json",
        "/bayeux.js.map",
        "/x/bayeux",
        "/Bayeux",
        "//bayeux",
        "/%62ayeux"
      ]
    ) {
      assert.strictEqual(await text(path), `host GET ${path}`)
    }
    for (const path of ["/bayeux", "/bayeux/", "/bayeux/x", "/bayeux?x", "/bayeux.js", "/bayeux/client.js"]) {
      assert.notMatch(await text(path), /^host /, path)
    }
    const answer = await post({ url: `${host.origin}/bayeux` }, [handshakeMessage])
    assert.isTrue(answer.messages[0]?.successful)
    const other = await request(`${host.origin}/other`, { method: "POST", body: "x" })
    assert.strictEqual(other.text, "host POST /other")
  })

  it("leaves the other upgrades of the server alone", async () => {
    const host = await startHost()
    const service = startService()
    await service.attach(host.http)
    const [echo, ours] = [
      await openSocket({ url: `${host.origin}/echo` }),
      await openSocket({ url: `${host.origin}/bayeux` })
    ]
    echo.sendText("{\"a\":1}")
    ours.send(handshakeMessage)
    await until("both", () => echo.messages.length > 0 && ours.messages.length > 0)
    assert.deepStrictEqual(echo.frames, ["[{\"a\":1}]"])
    assert.strictEqual((await service.sessions()).length, 1)
  })

  it.each([["websocket"], ["h2c"]])(
    "answers requests that have the headers of an upgrade to %s, as nginx may put them on everything",
    async (protocol) => {
      const host = await startHost()
      const detach = await startService().attach(host.http)
      const headers = { "Connection": "upgrade", "Upgrade": protocol }
      for (const { url } of [await serve(), { url: `${host.origin}/bayeux` }]) {
        const { clientId = "" } = (await post({ url }, [handshakeMessage], { headers })).messages[0] ?? {}
        const form = { ...headers, "Content-Type": "application/x-www-form-urlencoded" }
        const body = `message=${encodeURIComponent(JSON.stringify([subscribeMessage(clientId, "/a")]))}`
        const subscribed = await request(url, { method: "POST", headers: form, body })
        assert.isTrue(subscribed.messages[0]?.successful)
        assert.strictEqual((await request(`${url}/health`, { headers })).status, 200)
        const script = await request(`${url}?jsonp=f&message=${encodeURIComponent("[]")}`, { headers })
        assert.strictEqual(script.text, "/**/f([]);")
        const stream = await openEvents({ url }, clientId, headers)
        assert.strictEqual(stream.response.headers["content-type"], "text/event-stream; charset=utf-8")
        stream.destroy()
        await openSocket({ url })
      }
      const elsewhere = () => request(`${host.origin}/x`, { method: "POST", headers })
      assert.strictEqual((await elsewhere()).status, 404, "the host has its upgrades as before")
      await detach()
      assert.strictEqual((await elsewhere()).status, 404)
    }
  )

  it("answers an upgrade outside its mount that the server does not know, either", async () => {
    const http = createServer((_, response) => response.end("host"))
    atEnd(() => http.closeAllConnections())
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
    atEnd(() => http.close())
    const { port } = http.address() as AddressInfo
    const raw = () => connectRaw({ port })
    const bytes = "GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert.strictEqual((await (await raw()).send(bytes).answer()).text, "host", "so Node does")
    await startService().attach(http)
    const answer = await (await raw()).send(bytes).answer(3_000)
    assert.include([200, 400, 404, 426], answer.status, "it is not left without an answer")
  })

  it("gives the listeners back when its scope ends", async () => {
    const host = await startHost()
    const listeners = () => [...host.http.listeners("request"), ...host.http.listeners("upgrade")]
    const before = listeners()
    const detach = await startService().attach(host.http)
    assert.notDeepEqual(listeners(), before)
    assert.notInclude((await request(`${host.origin}/bayeux`)).text, "host")
    await detach()
    assert.deepStrictEqual(listeners(), before)
    assert.strictEqual((await request(`${host.origin}/bayeux`)).text, "host GET /bayeux")
    const echo = await openSocket({ url: `${host.origin}/echo` })
    echo.sendText("1")
    await until("an echo", () => echo.frames.length > 0)
  })

  it("can be there several times, at several mounts", async () => {
    const host = await startHost()
    const [one, two] = [startService(), startService()]
    const detachOne = await one.attach(host.http, { mount: "/one" })
    const detachTwo = await two.attach(host.http, { mount: "/two" })
    await post({ url: `${host.origin}/one` }, [handshakeMessage])
    await post({ url: `${host.origin}/two` }, [handshakeMessage])
    await openSocket({ url: `${host.origin}/one` })
    const socket = await openSocket({ url: `${host.origin}/two` })
    assert.deepStrictEqual([(await one.sessions()).length, (await two.sessions()).length], [1, 1])
    await detachTwo()
    assert.strictEqual(await socket.closed(), 1001)
    assert.strictEqual((await request(`${host.origin}/two`)).text, "host GET /two")
    assert.strictEqual((await post({ url: `${host.origin}/one` }, [])).text, "[]")
    await detachOne()
    assert.strictEqual((await request(`${host.origin}/one`)).text, "host GET /one")
  })

  it("can be taken off in the order in which it was attached, and nothing of it stays", async () => {
    const host = await startHost()
    const [one, two] = [startService(), startService()]
    const detachOne = await one.attach(host.http, { mount: "/one" })
    const detachTwo = await two.attach(host.http, { mount: "/two" })
    await detachOne()
    assert.strictEqual((await post({ url: `${host.origin}/two` }, [])).text, "[]")
    assert.strictEqual((await request(`${host.origin}/one`)).text, "host GET /one")
    await detachTwo()
    assert.strictEqual((await request(`${host.origin}/one`)).text, "host GET /one")
    assert.strictEqual((await request(`${host.origin}/two`)).text, "host GET /two")
  })

  it("does not keep the server from answering listeners that come later", async () => {
    const host = await startHost()
    const detach = await startService().attach(host.http)
    let seen = 0
    host.http.on("request", () => seen++)
    await request(`${host.origin}/x`)
    assert.strictEqual(seen, 1)
    await detach()
    await request(`${host.origin}/x`)
    assert.strictEqual(seen, 2)
  })

  it("ends its own connections with its scope, and none of the server's", async () => {
    const host = await startHost()
    const service = startService()
    const detach = await service.attach(host.http)
    const url = `${host.origin}/bayeux`
    const clientId = await begin({ url }, "/a")
    const held = post({ url }, [connectMessage(clientId)])
    await until("the connect to be held", async () => (await service.sessions())[0]?.link === "Polling")
    const stream = await openEvents({ url }, await begin({ url }, "/a"))
    const [echo, ours] = [await openSocket({ url: `${host.origin}/echo` }), await openSocket({ url })]
    await detach()
    const [reply] = (await held).messages
    assert.deepStrictEqual([reply?.successful, reply?.advice?.reconnect], [true, "retry"])
    await until("the stream to end", () => stream.isEnded)
    assert.strictEqual(await ours.closed(), 1001)
    echo.sendText("1")
    await until("an echo", () => echo.frames.length > 0)
    assert.strictEqual((await service.sessions()).length, 2, "sessions are the service's, not the server's")
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// the end

describe("a server that stops", () => {
  it("answers held connects with advice, ends streams and closes sockets with 1001", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const held = await holdConnect(server, clientId)
    const stream = await openEvents(server, await begin(server, "/a"))
    const { socket } = await beginSocket(server, "/a")
    const idle = await openSocket(server)
    const message = encodeURIComponent(JSON.stringify(connectMessage(await begin(server), "callback-polling")))
    const script = request(`${server.url}?jsonp=f&message=${message}`)
    await until(
      "it to be held",
      async () => (await server.sessions()).filter(({ link }) => link === "Polling").length === 2
    )
    await server.stop()
    const [reply] = (await held.answered).messages
    assert.deepStrictEqual([reply?.channel, reply?.successful, reply?.advice?.reconnect], [
      "/meta/connect",
      true,
      "retry"
    ])
    assert.match((await script).text, /^\/\*\*\/f\(\[.*"reconnect":"retry".*\]\);$/)
    await until("the stream to end", () => stream.isEnded)
    assert.deepStrictEqual([await socket.closed(), await idle.closed()], [1001, 1001])
    const error = await request(server.url).then(() => undefined, (error: NodeJS.ErrnoException) => error.code)
    assert.strictEqual(error, "ECONNREFUSED")
  })

  it("delivers what was published before it stopped", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const held = await holdConnect(server, clientId)
    const { socket } = await beginSocket(server, "/a")
    await server.publish("/a", 1)
    await server.stop()
    assert.deepStrictEqual((await held.answered).messages.map(({ data }) => data), [undefined, 1])
    assert.deepStrictEqual(socket.data, [1])
  })

  it("is soon gone when everybody lets go, whatever the grace period", async () => {
    const server = await serve({ node: { gracePeriod: "30 seconds" } })
    await beginSocket(server, "/a")
    const held = await holdConnect(server, await begin(server))
    const agentless = await connectRaw(server)
    agentless.send(postBytes("[]"))
    await agentless.answer()
    const start = performance.now()
    await server.stop()
    assert.isBelow(performance.now() - start, 3_000)
    await held.answered
  })

  it.each([["over TCP", false], ["over TLS", true]])(
    "does not wait for connections %s on which nothing has come",
    async (_, isTls) => {
      const { cert, key } = isTls ? selfSigned() : { cert: undefined, key: undefined }
      const createServer = () => createHttpsServer({ cert, key })
      const server = await serve({ node: { gracePeriod: "30 seconds", ...(isTls ? { createServer } : undefined) } })
      const silent = await connectRaw(server)
      const shaken = cert === undefined ? await connectRaw(server) : await connectTls(server, cert)
      await until(
        "both to be accepted",
        () => new Promise<boolean>((resolve) => server.http.getConnections((_, count) => resolve(count === 2)))
      )
      const since = performance.now()
      await server.stop()
      assert.isBelow(performance.now() - since, 3_000)
      await Promise.all([silent.closed(), shaken.closed()])
    }
  )

  it("is gone after the grace period although peers do not let go", async () => {
    const server = await serve({ node: { gracePeriod: 400 } })
    const deaf = await connectRawWebSocket(server)
    const unfinished = await connectRaw(server)
    unfinished.send(postBytes("[]").subarray(0, -1))
    const headless = await connectRaw(server)
    headless.send("POST /bayeux HTTP/1.1\r\nHost: x\r\n")
    const refused = await connectRaw(server, { allowHalfOpen: true })
    refused.send("GET /bayeux HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: nonsense\r\n\r\n")
    await refused.answer()
    const clientId = await begin(server, "/a")
    const stuck = await connectRaw(server, { allowHalfOpen: true })
    stuck.socket.pause()
    stuck.send(`GET /bayeux/${clientId} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`)
    await until("the stream to begin", async () => (await server.session(clientId))?.link === "Attached")
    for (let i = 0; i < 50; i++) await server.publish("/a", "x".repeat(200_000))
    const start = performance.now()
    await server.stop()
    const took = performance.now() - start
    // The grace period once, with something to spare for a machine that is busy.
    assert.isBelow(took, 400 + 350)
    assert.strictEqual(await until("a close code", () => closeCodeIn(deaf.received)), 1001)
    for (const raw of [deaf, unfinished, headless]) await raw.closed()
  })

  it("refuses what comes on connections that are still open, with 503 and when to come again", async () => {
    const server = await serve({ node: { gracePeriod: "5 seconds" } })
    const late = await connectRaw(server)
    const bytes = postBytes(JSON.stringify([handshakeMessage]))
    late.send(bytes.subarray(0, 20))
    // A socket that does not answer the close keeps the server in its grace period.
    const deaf = await connectRawWebSocket(server)
    const stopping = server.stop()
    await until("the server to stop", () => closeCodeIn(deaf.received) === 1001)
    late.send(bytes.subarray(20))
    const answer = await late.answer()
    assert.strictEqual(answer.status, 503)
    assert.strictEqual(answer.headers["retry-after"], "1")
    assert.strictEqual(answer.headers.connection, "close")
    deaf.send(clientFrame(Uint8Array.of(3, 0xe9), { opcode: 8 }))
    deaf.socket.end()
    await stopping
  })

  it("can be started again on its port at once, and clients go on by a handshake", async () => {
    const first = await serve()
    const clientId = await begin(first, "/a")
    const held = await holdConnect(first, clientId)
    await first.stop()
    await held.answered
    const second = await serve({ node: { port: first.port } })
    const [reply] = (await post(second, [connectMessage(clientId)])).messages
    assert.deepStrictEqual([reply?.error?.slice(0, 4), reply?.advice], ["401:", {
      reconnect: "handshake",
      interval: 1_000
    }])
    assert.deepStrictEqual(await poll(second, await begin(second, "/a")), [])
  })

  it("leaves other servers of the same service alone", async () => {
    const host = await startHost()
    const [one, two] = [await startHost(), host]
    const service = startService()
    const detach = await service.attach(one.http)
    await service.attach(two.http)
    const socket = await openSocket({ url: `${two.origin}/bayeux` })
    await detach()
    socket.sendText("[]")
    await until("an answer", () => socket.frames.length > 0)
    const status = await new Promise((resolve) => {
      httpRequest(`${two.origin}/bayeux`, { agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      }).end()
    })
    assert.strictEqual(status, 400)
  })
})
