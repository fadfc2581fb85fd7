/** A service that is attached to a server that exists. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { createServer } from "node:http"
import { type AddressInfo } from "node:net"
import { startHost, startService } from "./host.ts"
import {
  atEnd,
  begin,
  connectMessage,
  connectRaw,
  handshakeMessage,
  openEvents,
  openSocket,
  post,
  releaseAll,
  request,
  serve,
  subscribeMessage,
  until
} from "./support.ts"

afterEach(releaseAll)

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
