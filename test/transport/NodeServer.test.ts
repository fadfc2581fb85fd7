/** A server of its own: where it listens, what it answers, how it stops. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { createServer, request as httpRequest, type Server as HttpServer } from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { createRequire } from "node:module"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { NodeServer } from "../../src/index.ts"
import { selfSigned } from "../support/certificate.ts"
import { failure, serveTls, startHost, startService } from "./host.ts"
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
  nextTurn,
  openEvents,
  openSocket,
  poll,
  post,
  postBytes,
  releaseAll,
  request,
  serve,
  socketsOf,
  stopwatch,
  subscribeMessage,
  until
} from "./support.ts"

afterEach(releaseAll)

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

  it("answers its health to a GET and, without the body, to a HEAD", async () => {
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
    const server = await serve({ node: { createServer: () => outside, gracePeriod: "1 minute" } })
    const sockets = socketsOf(server)
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
    await until("the request to arrive", () => sockets[0]?.bytesRead === raw.socket.bytesWritten)
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
    const server = await serve({ node: { createServer: () => outside, gracePeriod: "1 minute" } })
    const sockets = socketsOf(server)
    const raw = (await connectRaw(server)).send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    const { clientId, socket } = await beginSocket(server, "/a")
    const stopped = server.stop()
    await socket.closed()
    raw.send(`GET /bayeux/${clientId} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`)
    await until("the request to arrive", () => sockets[0]?.bytesRead === raw.socket.bytesWritten)
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
    const elapsed = stopwatch()
    await server.stop()
    assert.isBelow(elapsed(), 3_000)
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
      const elapsed = stopwatch()
      await server.stop()
      assert.isBelow(elapsed(), 3_000)
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
    const elapsed = stopwatch()
    await server.stop()
    const took = elapsed()
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
