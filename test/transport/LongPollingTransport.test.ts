import { afterEach, assert, describe, it } from "@effect/vitest"
import { Agent } from "node:http"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { LongPollingTransport } from "../../src/index.ts"
import {
  begin,
  connectMessage,
  connectRaw,
  dataOf,
  flawIn,
  handshakeMessage,
  holdConnect,
  nextTurn,
  numbersIn,
  poll,
  post,
  postBytes,
  releaseAll,
  request,
  serve,
  socketsOf,
  subscribeMessage,
  until
} from "./support.ts"

afterEach(releaseAll)

const json = JSON.stringify
const form = (...fields: ReadonlyArray<unknown>): string =>
  fields.map((field) => `message=${encodeURIComponent(json(field))}`).join("&")
const formType = "application/x-www-form-urlencoded"
const publish = (n: number) => ({ channel: "/a", id: `${n}`, data: n })

describe("long-polling, the way in", () => {
  it.each([
    ["application/json"],
    ["application/json; charset=utf-8"],
    ["Application/JSON;charset=UTF-8"],
    // What browsers send when a page sets no type.
    ["text/plain;charset=UTF-8"],
    [undefined]
  ])("takes an array or a single message as JSON with the type %s", async (type) => {
    const server = await serve()
    const headers = type === undefined ? {} : { "Content-Type": type }
    for (const body of [json([handshakeMessage]), json(handshakeMessage), ` \r\n${json([handshakeMessage])}`]) {
      const answer = await request(server.url, { method: "POST", headers, body })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.messages.length, 1)
      assert.isTrue(answer.messages[0]?.successful)
    }
  })

  it.each([[formType], [`${formType}; charset=UTF-8`], ["text/plain"], [undefined]])(
    "takes the form field \"message\", single and several, with the type %s",
    async (type) => {
      const server = await serve()
      const send = (body: string) =>
        request(server.url, { method: "POST", body, headers: type === undefined ? {} : { "Content-Type": type } })
      const ids = async (body: string) => (await send(body)).messages.map(({ id }) => id)
      assert.deepStrictEqual(await ids(form(publish(1))), ["1"])
      assert.deepStrictEqual(await ids(form([publish(1), publish(2)])), ["1", "2"])
      assert.deepStrictEqual(
        await ids(`other=x&${form(publish(1), [publish(2), publish(3)], publish(4))}`),
        ["1", "2", "3", "4"]
      )
    }
  )

  it("decodes a form as forms are encoded: a plus is a space", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const body = "message=%7B%22channel%22%3A+%22/a%22,%22data%22:%22%C3%BC+%2B%26%22%7D"
    await request(server.url, { method: "POST", headers: { "Content-Type": formType }, body })
    assert.deepStrictEqual(await poll(server, clientId), ["ü +&"])
  })

  it.each([["text/html"], ["application/xml"], ["multipart/form-data; boundary=x"], ["application/jsonp"], ["json"]])(
    "does not take the type %s",
    async (type) => {
      const server = await serve()
      const answer = await post(server, [handshakeMessage], { headers: { "Content-Type": type } })
      assert.strictEqual(answer.status, 415)
      assert.include(answer.text, type)
      assert.match(String(answer.headers["content-type"]), /^text\/plain/)
      assert.deepStrictEqual(await server.sessions(), [])
    }
  )

  it("takes a body in pieces, with a character split between two of them", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const raw = await connectRaw(server)
    const bytes = postBytes(json([{ channel: "/a", data: "€𝄞" }]))
    for (const byte of bytes) {
      raw.send(Uint8Array.of(byte))
      await nextTurn()
    }
    assert.isTrue((await raw.answer()).messages[0]?.successful)
    assert.deepStrictEqual(await poll(server, clientId), ["€𝄞"])
  })

  it("takes a body of the longest length and none that is a byte longer", async () => {
    const maxBodyLength = 200
    const server = await serve({ transports: LongPollingTransport.layer({ maxBodyLength }) })
    const send = (length: number, headers: object) => {
      const short = json([{ channel: "/a", data: "" }])
      const body = json([{ channel: "/a", data: "x".repeat(length - short.length) }])
      return request(server.url, { method: "POST", body, headers: { "Content-Type": "application/json", ...headers } })
    }
    for (const headers of [{}, { "Transfer-Encoding": "chunked" }]) {
      assert.strictEqual((await send(maxBodyLength, headers)).status, 200)
      const refused = await send(maxBodyLength + 1, headers)
      assert.strictEqual(refused.status, 413)
      assert.include(refused.text, "200 bytes")
    }
  })

  it.each([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["GZIP", gzipSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
    ["br", brotliCompressSync],
    ["identity", (body: Buffer) => body]
  ])("takes a body in the encoding %s, as JSON and as a form", async (encoding, compress) => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const send = (body: string, type: string) => {
      const headers = { "Content-Type": type, "Content-Encoding": encoding }
      return request(server.url, { method: "POST", body: compress(Buffer.from(body)), headers })
    }
    assert.isTrue((await send(json(publish(1)), "application/json")).messages[0]?.successful)
    assert.isTrue((await send(form(publish(2)), formType)).messages[0]?.successful)
    assert.deepStrictEqual(await poll(server, clientId), [1, 2])
  })

  it("takes no body that is longer than it may be when it is read, however short it was made", async () => {
    const maxBodyLength = 2_000
    const server = await serve({ transports: LongPollingTransport.layer({ maxBodyLength }) })
    const short = json([{ channel: "/a", data: "" }])
    const send = (length: number, headers: object) => {
      const body = gzipSync(json([{ channel: "/a", data: "x".repeat(length - short.length) }]))
      return post(server, [], { body, headers: { "Content-Encoding": "gzip", ...headers } })
    }
    for (const headers of [{}, { "Transfer-Encoding": "chunked" }]) {
      assert.strictEqual((await send(maxBodyLength, headers)).status, 200)
      const refused = await send(maxBodyLength + 1, headers)
      assert.deepStrictEqual([refused.status, refused.text.includes("2000 bytes")], [413, true])
      assert.strictEqual((await send(100_000_000, headers)).status, 413)
    }
  })

  it.each([["compress"], ["zstd"], ["gzip, gzip"], ["nonsense"], ["constructor"]])(
    "does not take the encoding %s, and says which ones it takes",
    async (encoding) => {
      const server = await serve()
      const answer = await post(server, [handshakeMessage], { headers: { "Content-Encoding": encoding } })
      assert.strictEqual(answer.status, 415)
      assert.include(answer.text, encoding)
      assert.strictEqual(answer.headers["accept-encoding"], "gzip, deflate, br")
    }
  )

  it.each([
    ["is something else", Buffer.from("[]")],
    ["ends too early", gzipSync("[]").subarray(0, 12)],
    ["is empty", Buffer.alloc(0)]
  ])("answers a body that %s than its encoding says with 400", async (_, body) => {
    const server = await serve()
    const answer = await post(server, [], { body, headers: { "Content-Encoding": "gzip" } })
    assert.strictEqual(answer.status, 400)
    assert.include(answer.text, "gzip")
  })

  it.each([
    ["JSON", "application/json", `\ufeff${json([publish(1)])}`],
    ["JSON without a type", "text/plain", `\ufeff${json([publish(1)])}`],
    ["a form", formType, `\ufeff${form(publish(1))}`],
    ["a form's field", formType, `message=${encodeURIComponent(`\ufeff${json([publish(1)])}`)}`]
  ])("skips a byte order mark before %s", async (_, type, body) => {
    const server = await serve()
    const answer = await request(server.url, { method: "POST", body, headers: { "Content-Type": type } })
    assert.deepStrictEqual([answer.status, answer.messages.map(({ successful }) => successful)], [200, [true]])
  })

  it("is found at the mount and below it, where CometD's client sends its messages, and nowhere else", async () => {
    const server = await serve()
    const status = async (path: string) =>
      (await post({ url: new URL(path, server.url).href }, [handshakeMessage])).status
    for (const path of ["/bayeux", "/bayeux/", "/bayeux?a=b", "/bayeux/handshake", "/bayeux/a/b"]) {
      assert.strictEqual(await status(path), 200, path)
    }
    for (const path of ["/bayeuxx", "/bayeu", "/", "/Bayeux", "/x/bayeux"]) {
      assert.strictEqual(await status(path), 404, path)
    }
  })

  it("offers itself in the handshake, also under Faye's name for other origins, and nothing that is not there", async () => {
    const server = await serve({ transports: LongPollingTransport.layer() })
    const [reply] = (await post(server, [handshakeMessage])).messages
    assert.deepStrictEqual(reply?.supportedConnectionTypes, ["long-polling", "cross-origin-long-polling"])
    const clientId = String(reply?.clientId)
    const connect = async (type: string) =>
      (await post(server, [connectMessage(clientId, type, { advice: { timeout: 0 } })])).messages[0]
    assert.isTrue((await connect("cross-origin-long-polling"))?.successful)
    assert.strictEqual((await connect("websocket"))?.error, "301:websocket:Connection types not supported")
    assert.strictEqual((await request(`${server.url}?message=[]&jsonp=f`)).status, 400)
  })
})

describe("long-polling, the way out", () => {
  it("answers in JSON that is not kept and not taken for anything else", async () => {
    const server = await serve()
    const { headers, text } = await post(server, [handshakeMessage])
    assert.strictEqual(headers["content-type"], "application/json; charset=utf-8")
    assert.strictEqual(headers["x-content-type-options"], "nosniff")
    assert.strictEqual(headers["cache-control"], "no-cache, no-store")
    assert.strictEqual(headers["content-length"], `${Buffer.byteLength(text)}`)
  })

  it("answers each message of a batch, in order", async () => {
    const server = await serve()
    const clientId = await begin(server)
    const { messages } = await post(server, [
      { channel: "/a", id: 1, data: 1, clientId },
      { channel: "/a", id: 2, data: 1, clientId: "x" },
      { ...subscribeMessage(clientId, "/a"), id: 3 },
      { ...connectMessage(clientId), id: 4 },
      { channel: "/b", id: 5, data: 1 }
    ])
    assert.deepStrictEqual(messages.map(({ id }) => id), [1, 2, 3, 4, 5])
    assert.deepStrictEqual(messages.map(({ successful }) => successful), [true, false, true, true, true])
  })

  it("answers an empty batch with an empty batch", async () => {
    const server = await serve()
    assert.strictEqual((await post(server, [])).text, "[]")
  })

  it("holds a connect until there is a message, and sends those of one turn together", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const held = await holdConnect(server, clientId)
    await post(server, [publish(1), publish(2), publish(3)])
    const { messages } = await held.answered
    assert.deepStrictEqual(messages, [
      {
        channel: "/meta/connect",
        successful: true,
        clientId,
        advice: { reconnect: "retry", interval: 0, timeout: 45_000 }
      },
      { channel: "/a", data: 1, id: "1" },
      { channel: "/a", data: 2, id: "2" },
      { channel: "/a", data: 3, id: "3" }
    ])
  })

  it("answers a held connect after the time-out, the server's or a shorter one of the client's", async () => {
    const server = await serve({ bayeux: { timeout: 300 } })
    const clientId = await begin(server)
    for (const [advice, shortest] of [[{}, 290], [{ timeout: 100 }, 90], [{ timeout: 60_000 }, 290]] as const) {
      const start = performance.now()
      const [reply] = (await post(server, [connectMessage(clientId, "long-polling", { advice })])).messages
      assert.isTrue(reply?.successful)
      assert.isAtLeast(performance.now() - start, shortest)
    }
  })

  it("answers a connect at once when another one of its session comes, and holds that", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const first = await holdConnect(server, clientId)
    const second = post(server, [connectMessage(clientId)])
    const { messages } = await first.answered
    assert.deepStrictEqual(messages.map(({ channel, successful }) => [channel, successful]), [["/meta/connect", true]])
    await server.publish("/a", 1)
    assert.deepStrictEqual(dataOf((await second).messages), [1])
  })

  it("keeps messages for a session that is not connected, until its next connect", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    for (const n of [1, 2, 3]) await server.publish("/a", n)
    assert.deepStrictEqual(await poll(server, clientId), [1, 2, 3])
    assert.deepStrictEqual(await poll(server, clientId), [])
  })

  it("serves any number of exchanges over one connection", async () => {
    const server = await serve()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const clientId = await begin(server, "/a")
    for (let n = 0; n < 20; n++) {
      const held = await holdConnect(server, clientId, { agent })
      await server.publish("/a", n)
      const answer = await held.answered
      assert.strictEqual(answer.headers.connection, "keep-alive")
      assert.deepStrictEqual(dataOf(answer.messages), [n])
    }
    const sockets = Object.values(agent.freeSockets).flat().length
    agent.destroy()
    assert.strictEqual(sockets, 1)
  })

  it("answers requests that were sent without waiting for the answers before, in their order and once each", async () => {
    const server = await serve()
    const [waiting, talking] = [await begin(server, "/a"), await begin(server, "/b")]
    await server.publish("/b", "once")
    const raw = await connectRaw(server)
    raw.send(Buffer.concat([
      postBytes(json([connectMessage(waiting)])),
      postBytes(json([connectMessage(talking)])),
      postBytes(json([{ channel: "/c", data: 1 }]))
    ]))
    await until("the connect to be held", async () => (await server.session(waiting))?.link === "Polling")
    await server.publish("/a", "first")
    assert.deepStrictEqual(dataOf((await raw.answer()).messages), ["first"])
    assert.deepStrictEqual(dataOf((await raw.answer()).messages), ["once"])
    assert.strictEqual((await raw.answer()).messages[0]?.channel, "/c")
    assert.deepStrictEqual(await poll(server, talking), [], "what was read does not come again")
  })

  it("does not take an answer for lost because the next request comes while it is still being written", async () => {
    const server = await serve({ bayeux: { maxAnswerBytes: 1 << 26, maxQueueBytes: 1 << 26 } })
    const clientId = await begin(server, "/a")
    const padding = "x".repeat(500_000)
    for (let n = 1; n <= 40; n++) await server.publish("/a", { n, padding })
    const sockets = socketsOf(server)
    const raw = await connectRaw(server)
    raw.socket.pause()
    raw.send(postBytes(json([connectMessage(clientId)])))
    await until("the answer to be on its way", () => sockets.some(({ writableLength }) => writableLength > 0))
    const witness = await begin(server, "/b")
    raw.send(postBytes(json([{ channel: "/b", data: 1 }])))
    await until("the next request to be served", async () => (await poll(server, witness)).length > 0)
    raw.socket.resume()
    const data = dataOf((await raw.answer()).messages)
    assert.strictEqual((await raw.answer()).messages[0]?.channel, "/b")
    assert.isUndefined(flawIn(numbersIn([...data, ...await poll(server, clientId)]), 40))
  })

  it.each([["breaks", "resetAndDestroy"], ["ends", "destroy"]] as const)(
    "keeps the answers that wait behind a held connect when their connection %s",
    async (_, destroy) => {
      const server = await serve()
      const [waiting, talking] = [await begin(server, "/a"), await begin(server, "/b")]
      await server.publish("/b", 1)
      const raw = await connectRaw(server)
      raw.send(Buffer.concat([
        postBytes(json([connectMessage(waiting)])),
        postBytes(json([connectMessage(talking)]))
      ]))
      await until(
        "both to be taken",
        async () =>
          (await server.session(waiting))?.link === "Polling" && (await server.session(talking))?.queueLength === 0
      )
      raw.socket[destroy]()
      await until("the cut to be noticed", async () => (await server.session(waiting))?.link === "Detached")
      await server.publish("/a", 2)
      assert.deepStrictEqual(await poll(server, waiting), [2])
      assert.deepStrictEqual(await poll(server, talking), [1])
    }
  )
})

describe("long-polling from another origin", () => {
  const origin = "https://page.example"

  it("lets a page read the answer, with its cookies", async () => {
    const server = await serve()
    const good = await post(server, [handshakeMessage], { headers: { Origin: origin } })
    const bad = await post(server, 1, { headers: { Origin: origin } })
    assert.deepStrictEqual([good.status, bad.status], [200, 400])
    for (const { headers } of [good, bad]) {
      assert.strictEqual(headers["access-control-allow-origin"], origin)
      assert.strictEqual(headers["access-control-allow-credentials"], "true")
      assert.strictEqual(headers.vary, "Origin")
    }
  })

  it("sends no headers of CORS without an origin", async () => {
    const server = await serve()
    const { headers } = await post(server, [handshakeMessage])
    assert.deepStrictEqual(Object.keys(headers).filter((name) => name.startsWith("access-control")), [])
  })

  it("answers the preflight, and begins no session by it", async () => {
    const server = await serve()
    const { headers, status, text } = await request(server.url, {
      method: "OPTIONS",
      headers: {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type"
      }
    })
    assert.deepStrictEqual([status, text], [200, ""])
    assert.strictEqual(headers["access-control-allow-origin"], origin)
    assert.strictEqual(headers["access-control-allow-credentials"], "true")
    assert.match(String(headers["access-control-allow-methods"]), /\bPOST\b/)
    assert.match(String(headers["access-control-allow-headers"]), /\bContent-Type\b/)
    assert.isAbove(Number(headers["access-control-max-age"]), 0)
    assert.deepStrictEqual(await server.sessions(), [])
  })

  const headersAllowed = async (asked: string | undefined, options?: LongPollingTransport.LongPollingOptions) => {
    const server = await serve({ transports: LongPollingTransport.layer(options) })
    const headers = { "Origin": origin, "Access-Control-Request-Method": "POST" }
    const { headers: { "access-control-allow-headers": allowed = "" } } = await request(server.url, {
      method: "OPTIONS",
      headers: asked === undefined ? headers : { ...headers, "Access-Control-Request-Headers": asked }
    })
    return allowed
  }
  const usual = "Accept, Authorization, Content-Type, Pragma, X-Requested-With"

  it("allows the headers that the page asks for, as each client can set its own", async () => {
    assert.strictEqual(await headersAllowed(undefined), usual)
    assert.strictEqual(await headersAllowed("content-type,x-auth-token, X-B"), `${usual}, x-auth-token, X-B`)
    assert.strictEqual(await headersAllowed(", ,"), usual)
  })

  it("allows only those that are named, if some are", async () => {
    const options = { allowedHeaders: ["X-Auth-Token", "accept"] }
    assert.strictEqual(await headersAllowed("x-other", options), `${usual}, X-Auth-Token`)
    assert.strictEqual(await headersAllowed("x-other", { allowedHeaders: [] }), usual)
  })

  it("does not start with a name that no header can have", async () => {
    const layer = LongPollingTransport.layer({ allowedHeaders: ["X-Auth-Token", "a b"] })
    const started = serve({ transports: layer })
    await started.then(() => assert.fail("it has started"), (error: Error) => assert.include(error.message, "a b"))
  })
})
