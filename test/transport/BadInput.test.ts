/**
 * Whatever arrives over the network. Beside each of it two good clients, one on a WebSocket and one by long-polling,
 * get numbered messages all the time: at the end of each test they have all of them, in order, once.
 */
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Agent, createServer } from "node:http"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { limit, seeds } from "../support/seeds.ts"
import {
  type Answer,
  atEnd,
  begin,
  beginSocket,
  clientFrame,
  closeCodeIn,
  connectMessage,
  connectRaw,
  connectRawWebSocket,
  dataOf,
  flawIn,
  handshakeMessage,
  messagesInFrames,
  nextTurn,
  numbersIn,
  openSocket,
  poll,
  post,
  postBytes,
  releaseAll,
  releaseLater,
  request,
  serve,
  type Server,
  type Socket,
  subscribeMessage,
  until
} from "./support.ts"

const json = JSON.stringify
const formType = "application/x-www-form-urlencoded"
const oneMebibyte = 1 << 20

// ---------------------------------------------------------------------------------------------------------------------
// good clients

/** Two sessions that behave, and whoever sends them numbers. */
class Neighbours {
  readonly #server: Server
  readonly #socket: Socket
  readonly clientIds: ReadonlyArray<string>
  readonly #polled: Array<number> = []
  readonly #agent = new Agent({ keepAlive: true })
  readonly #timer: NodeJS.Timeout
  #published = 0
  readonly #polling: Promise<void>
  #isOver = false

  constructor(server: Server, socket: Socket, clientIds: readonly [socket: string, poller: string]) {
    this.#server = server
    this.#socket = socket
    this.clientIds = clientIds
    const [socketId, pollerId] = clientIds
    // The server ends a session that does not connect; a client connects again whenever its connect was answered.
    socket.ws.on("message", (data: Buffer) => {
      if (data.includes("/meta/connect")) socket.send(connectMessage(socketId, "websocket"))
    })
    this.#polling = this.#poll(pollerId)
    this.#polling.catch(() => undefined)
    this.#timer = setInterval(() => void this.#publish(), 5)
    atEnd(() => this.stop())
  }

  static async begin(server: Server): Promise<Neighbours> {
    const { clientId, socket } = await beginSocket(server, "/numbers")
    return new Neighbours(server, socket, [clientId, await begin(server, "/numbers")])
  }

  async #poll(clientId: string): Promise<void> {
    while (!this.#isOver) {
      const { messages } = await post(this.#server, [connectMessage(clientId)], { agent: this.#agent, isOwn: true })
      if (messages[0]?.successful !== true) throw new Error(`A good client was refused: ${messages[0]?.error}`)
      this.#polled.push(...numbersIn(dataOf(messages)))
    }
  }

  #publish(): Promise<void> {
    return this.#server.publish("/numbers", { n: ++this.#published })
  }

  /** Everything that was published has arrived, as it should. */
  async check(): Promise<void> {
    await this.#publish()
    const count = this.#published
    const got = () => numbersIn(this.#socket.data)
    const all = until(
      "the good clients to have everything",
      () => got().length >= count && this.#polled.length >= count
    )
    await Promise.race([all, this.#polling.then(() => all)])
    assert.isUndefined(flawIn(got().slice(0, count), count))
    assert.isUndefined(flawIn(this.#polled.slice(0, count), count))
    assert.isUndefined(this.#socket.closing)
  }

  async stop(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#timer)
    for (const clientId of this.clientIds) await post(this.#server, [{ channel: "/meta/disconnect", clientId }])
    await this.#polling
    this.#agent.destroy()
  }
}

let server: Server
let neighbours: Neighbours
let releaseOthers: () => Promise<void>

beforeAll(async () => {
  server = await serve({ bayeux: { timeout: 1_000, sessionTimeout: 6_000 } })
  neighbours = await Neighbours.begin(server)
  releaseOthers = releaseLater()
})
afterEach(async () => {
  await releaseOthers()
  await neighbours.check()
})
afterAll(releaseAll)

// ---------------------------------------------------------------------------------------------------------------------
// HTTP

const ask = async (bytes: string | Buffer): Promise<Answer> => (await connectRaw(server)).send(bytes).answer()

const postOf = (body: string | Buffer, type = "application/json"): Buffer =>
  Buffer.concat([
    Buffer.from(
      `POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
    ),
    Buffer.from(body)
  ])

const isSentence = ({ headers, text }: Answer): void => {
  assert.match(String(headers["content-type"]), /^text\/plain/)
  assert.match(text, /^[A-Z].*\n$/)
}

describe("a body", () => {
  it.each([
    ["is empty", ""],
    ["is no JSON", "nope"],
    ["is cut off", "[{\"channel\":\"/meta/handsh"],
    ["has a comma too many", "[1,]"],
    ["is a number", "1"],
    ["is null", "null"],
    ["is a string", "\"/meta/handshake\""],
    ["is true", "true"],
    ["has two byte order marks", "\ufeff\ufeff[]"],
    ["is two arrays", "[][]"],
    ["is nested too deeply", "[".repeat(101) + "]".repeat(101)],
    ["is nested too deeply with objects", "{\"a\":".repeat(200) + "1" + "}".repeat(200)],
    ["opens and never closes", "[".repeat(100_000)]
  ])("that %s gets 400 and a sentence", async (_, body) => {
    const answer = await ask(postOf(body))
    assert.strictEqual(answer.status, 400)
    isSentence(answer)
  })

  it.each([
    ["in the middle", [0x5b, 0x22, 0xc3, 0x28, 0x22, 0x5d]],
    ["at the end", [0x5b, 0x5d, 0xe2, 0x82]],
    ["that is a surrogate", [0x5b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x5d]],
    ["that is longer than need be", [0x5b, 0x22, 0xc0, 0xaf, 0x22, 0x5d]]
  ])("with invalid UTF-8 %s gets 400 and a sentence", async (_, bytes) => {
    const answer = await ask(postOf(Buffer.from(bytes)))
    assert.strictEqual(answer.status, 400)
    isSentence(answer)
  })

  it.each([["nothing"], ["a=b"], ["message"], ["message=%"], ["message=%E0%A4%A"], ["message=1"], [
    "message=[]&message=["
  ]])(
    "of a form with %s gets 400 and a sentence",
    async (body) => {
      const answer = await ask(postOf(body, formType))
      assert.strictEqual(answer.status, 400)
      isSentence(answer)
    }
  )

  it.each([["text/html"], ["application/octet-stream"], ["\u00e9"], ["a".repeat(5_000)], ["application/json/x"]])(
    "of the type %s gets 415 and a sentence",
    async (type) => {
      const answer = await ask(postOf("[]", type))
      assert.strictEqual(answer.status, 415)
      isSentence(answer)
    }
  )

  it("may be nested 100 levels deep, and have any number of brackets in its strings", async () => {
    const clientId = await begin(server, "/deep")
    const data = "[".repeat(98) + json(`"[{\\`.repeat(5_000)) + "]".repeat(98)
    await ask(postOf(`[{"channel":"/deep","data":${data}}]`))
    assert.strictEqual(json(await poll(server, clientId)), `[${data}]`)
  })

  const long = json([{ channel: "/a", data: "x".repeat(17 * oneMebibyte) }])
  it.each([
    ["announced", postOf(long)],
    [
      "in chunks",
      Buffer.from(
        "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
          (long.match(/[^]{1,50000}/g) ?? []).map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("") +
          "0\r\n\r\n"
      )
    ]
  ])("over the limit, %s, gets 413, which also a client sees that sends everything first", async (_, bytes) => {
    for (let i = 0; i < 3; i++) {
      const raw = await connectRaw(server)
      raw.socket.pause()
      const sent = new Promise<unknown>((resolve) => raw.socket.write(bytes, resolve))
      await sent
      raw.socket.resume()
      const answer = await raw.answer()
      assert.strictEqual(answer.status, 413)
      isSentence(answer)
      raw.socket.destroy()
    }
  })

  it("over the limit does not spoil the connection for what comes after it", async () => {
    const raw = await connectRaw(server)
    raw.send(postOf(long)).send(postOf("[]"))
    assert.strictEqual((await raw.answer()).status, 413)
    assert.strictEqual((await raw.answer()).text, "[]")
  })
})

describe("a body that never ends", () => {
  const endless = [
    ["in chunks", "POST", "/bayeux", "Transfer-Encoding: chunked", 413],
    ["as long as announced", "POST", "/bayeux", "Content-Length: 999999999999", 413],
    ["of a method that is not known", "PUT", "/bayeux", "Transfer-Encoding: chunked", 405],
    ["at a path where nothing is", "POST", "/nowhere", "Transfer-Encoding: chunked", 404],
    ["of a type that is not known", "POST", "/bayeux", "Content-Type: x/y\r\nTransfer-Encoding: chunked", 413]
  ] as const

  it("is answered, and its connection closed before long", async () => {
    const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`
    await Promise.all(endless.map(async ([name, method, path, headers, status]) => {
      const raw = await connectRaw(server)
      raw.send(`${method} ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`)
      const timer = setInterval(() => raw.socket.writableLength < oneMebibyte && raw.send(chunk), 2)
      try {
        const answer = await raw.answer()
        assert.strictEqual(answer.status, status, name)
        isSentence(answer)
        await raw.closed(20_000)
      } finally {
        clearInterval(timer)
      }
    }))
  })

  it("and does not even come is given up by Node, with 408", async () => {
    const impatient = await serve({
      node: {
        createServer: () => createServer({ requestTimeout: 300, headersTimeout: 200, connectionsCheckingInterval: 50 })
      }
    })
    for (const bytes of [postOf("[]").subarray(0, -1), Buffer.from("POST /bayeux HTTP/1.1\r\nHost:")]) {
      const raw = (await connectRaw(impatient)).send(bytes)
      assert.strictEqual((await raw.answer()).status, 408)
      await raw.closed()
    }
    await impatient.stop()
  })
})

describe("a request", () => {
  it.each([
    ["/bayeux?"],
    ["/bayeux?%"],
    ["/bayeux?message=%E0%A4%A&jsonp=f"],
    ["/bayeux?message=%FF&jsonp=f"],
    ["/bayeux?message&jsonp"],
    ["/bayeux?__proto__[x]=1&message=1"],
    ["/bayeux%"],
    ["/bayeux%2f"],
    ["/bayeux/%00"],
    ["/bayeux/%"],
    ["/bayeux/../bayeux"],
    ["/bayeux/__proto__"],
    ["/bayeux;a=b"],
    ["/bayeux#x"],
    ["//"],
    ["//bayeux"],
    ["///"],
    ["/\\"],
    ["?"],
    ["*"],
    ["http://"],
    ["http://["],
    ["http://[::1/bayeux"],
    ["http://x:99999/bayeux"],
    ["http:/bayeux"],
    ["bayeux"],
    ["javascript:alert(1)"],
    [`/${"a".repeat(10_000)}`],
    [`/bayeux/${"a/".repeat(5_000)}`],
    [`/bayeux?${"message=[]&".repeat(1_000)}`]
  ])("for the target %s gets a status and a sentence", async (target) => {
    for (const method of ["GET", "POST", "OPTIONS", "PUT"]) {
      const answer = await ask(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      assert.include([200, 400, 404, 405], answer.status, method)
      if (answer.status !== 200 && answer.text !== "") isSentence(answer)
    }
  })

  it("for an absolute URL is understood", async () => {
    const url = new URL(server.url)
    const body = json([handshakeMessage])
    const answer = await ask(
      `POST http://${url.host}/bayeux HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`
    )
    assert.isTrue(answer.messages[0]?.successful)
  })

  it.each([["PUT"], ["DELETE"], ["PATCH"], ["TRACE"], ["PROPFIND"], ["QUERY"], ["M-SEARCH"]])(
    "by the method %s gets 405 and is told what is allowed",
    async (method) => {
      const answer = await request(server.url, { method })
      assert.strictEqual(answer.status, 405)
      assert.strictEqual(answer.headers.allow, "GET, HEAD, POST, OPTIONS")
      isSentence(answer)
    }
  )

  it.each([
    ["an unknown method", "FOO /bayeux HTTP/1.1\r\nHost: x\r\n\r\n", [400]],
    ["no host", "GET /bayeux HTTP/1.1\r\n\r\n", [400]],
    ["an unknown version", "GET /bayeux HTTP/9.9\r\nHost: x\r\n\r\n", [400, 505]],
    ["no version", "GET /bayeux\r\n\r\n", [400]],
    ["a header without a colon", "GET /bayeux HTTP/1.1\r\nHost: x\r\nfoo\r\n\r\n", [400]],
    ["a control character", "GET /bayeux HTTP/1.1\r\nHost: x\r\na: \x00\r\n\r\n", [400]],
    ["headers that are too long", `GET /bayeux HTTP/1.1\r\nHost: x\r\na: ${"x".repeat(100_000)}\r\n\r\n`, [431]],
    ["a length that is none", "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", [400]],
    ["a negative length", "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", [400]],
    ["two lengths", "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", [400]],
    [
      "a length and chunks",
      "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      [400]
    ],
    ["a chunk that is none", "POST /bayeux HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", [400]],
    ["TLS", Buffer.from("16030100c8010000c40303", "hex"), [400]]
  ])("with %s gets a status", async (_, bytes, statuses) => {
    const raw = (await connectRaw(server)).send(bytes)
    assert.include(statuses, (await raw.answer()).status)
  })

  it.each([
    ["HTTP/2 at the mount, as curl and Java ask", "/bayeux", "h2c"],
    ["HTTP/2 elsewhere", "/elsewhere", "h2c"],
    ["a WebSocket where there is none", "/elsewhere", "websocket"],
    ["nonsense", "/", "nonsense"]
  ])("to change to %s is not left without an answer", async (_, path, protocol) => {
    const raw = await connectRaw(server)
    raw.send(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`)
    assert.include([400, 404, 426], (await raw.answer(3_000)).status)
  })

  it("with messages that offers an upgrade as well is served without it", async () => {
    const raw = await connectRaw(server)
    raw.send(postBytes(json([handshakeMessage]), { "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c" }))
    const answer = await raw.answer()
    assert.strictEqual(answer.status, 200)
    assert.isTrue(answer.messages[0]?.successful)
  })

  it("whose sender vanishes at any byte of it leaves nothing behind", async () => {
    const clientId = await begin(server, "/a")
    const bytes = [
      postBytes(json([connectMessage(clientId)])),
      Buffer.from(`GET /bayeux/${clientId} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`),
      Buffer.from(
        "GET /bayeux HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
      )
    ]
    const ways = ["destroy", "resetAndDestroy", "end"] as const
    let cuts = 0
    for (const whole of bytes) {
      for (let length = 1; length <= whole.length; length += 7) {
        const raw = (await connectRaw(server)).send(whole.subarray(0, length))
        await nextTurn()
        raw.socket[ways[cuts++ % ways.length] ?? "end"]()
      }
    }
    await until("the session to be alone", async () => (await server.session(clientId))?.link === "Detached")
    await server.publish("/a", 1)
    const polled = async () => (await poll(server, clientId)).length > 0
    await until("its message", polled)
  })

  it("that is not to be answered for a long time does not hold up others on other connections", async () => {
    const clientIds = await Promise.all(Array.from({ length: 50 }, () => begin(server)))
    const held = clientIds.map((clientId) => post(server, [connectMessage(clientId)]))
    const start = performance.now()
    await post(server, [handshakeMessage])
    assert.isBelow(performance.now() - start, 900)
    for (const { messages } of await Promise.all(held)) assert.isTrue(messages[0]?.successful)
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// messages

describe("messages", () => {
  const bad = "400::Bad request"

  it("that are numbers, nulls, strings and arrays get an answer each", async () => {
    const { messages, status } = await post(server, [1, null, "x", true, [], [{}], {}, {
      channel: "/a",
      data: 1,
      id: "i"
    }])
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(messages, [
      ...Array.from({ length: 6 }, () => ({ successful: false, error: bad })),
      { successful: false, error: "402:channel:Missing required parameter" },
      { channel: "/a", successful: true, id: "i" }
    ])
  })

  it.each([
    [{}, "402:channel:Missing required parameter"],
    [{ channel: 1 }, "400:channel:Bad request"],
    [{ channel: ["/a"] }, "400:channel:Bad request"],
    [{ channel: "a", data: 1 }, "405:a:Invalid channel"],
    [{ channel: "/", data: 1 }, "405:/:Invalid channel"],
    [{ channel: "/a//b", data: 1 }, "405:/a//b:Invalid channel"],
    [{ channel: "/a b", data: 1 }, "405:/a b:Invalid channel"],
    [{ channel: "/ä", data: 1 }, "405:/_:Invalid channel"],
    [{ channel: "/a/*", data: 1 }, "405:/a/*:Invalid channel"],
    [{ channel: "/a/**", data: 1 }, "405:/a/**:Invalid channel"],
    [{ channel: "/a" }, "402:data:Missing required parameter"],
    [{ channel: "/a", data: 1, clientId: 1 }, "400:clientId:Bad request"],
    [{ channel: "/a", data: 1, clientId: "x" }, "401:x:Unknown client"],
    [{ channel: "/a", data: 1, clientId: "__proto__" }, "401:__proto__:Unknown client"],
    [{ channel: "/meta", data: 1 }, "403:/meta:Forbidden channel"],
    [{ channel: "/meta/x", data: 1 }, "403:/meta/x:Forbidden channel"],
    [{ channel: "/meta/handshake" }, "402:version:Missing required parameter"],
    [{ channel: "/meta/handshake", version: {} }, "400:version:Bad request"],
    [{ channel: "/meta/handshake", version: "x" }, "300:x:Version mismatch"],
    [{ ...handshakeMessage, minimumVersion: "2" }, "300:2:Version mismatch"],
    [{ ...handshakeMessage, minimumVersion: [] }, "400:minimumVersion:Bad request"],
    [
      { ...handshakeMessage, supportedConnectionTypes: null },
      "402:supportedConnectionTypes:Missing required parameter"
    ],
    [{ ...handshakeMessage, supportedConnectionTypes: "websocket" }, "400:supportedConnectionTypes:Bad request"],
    [{ ...handshakeMessage, supportedConnectionTypes: [1] }, "400:supportedConnectionTypes:Bad request"],
    [{ ...handshakeMessage, supportedConnectionTypes: ["a", "b"] }, "301:a,b:Connection types not supported"],
    [{ channel: "/meta/connect" }, "402:clientId:Missing required parameter"],
    [{ channel: "/meta/connect", clientId: [] }, "400:clientId:Bad request"],
    [{ channel: "/meta/connect", clientId: "x" }, "402:connectionType:Missing required parameter"],
    [{ channel: "/meta/connect", clientId: "x", connectionType: 1 }, "400:connectionType:Bad request"],
    [connectMessage("constructor"), "401:constructor:Unknown client"],
    [subscribeMessage("x", undefined), "402:subscription:Missing required parameter"],
    [subscribeMessage("x", 1), "400:subscription:Bad request"],
    [subscribeMessage("x", ["/a", 1]), "400:subscription:Bad request"],
    [subscribeMessage("x", { 0: "/a" }), "400:subscription:Bad request"],
    [subscribeMessage("x", "a"), "405:a:Invalid channel"],
    [subscribeMessage("x", ["/a", "/*/b"]), "405:/*/b:Invalid channel"],
    [subscribeMessage("x", "/a"), "401:x:Unknown client"],
    [{ channel: "/meta/disconnect", clientId: 0 }, "400:clientId:Bad request"],
    [{ channel: "/meta/disconnect", clientId: "x" }, "401:x:Unknown client"]
  ])("such as %j are refused: %s", async (message, error) => {
    const [reply] = (await post(server, [{ ...message, id: "i" }])).messages
    assert.deepStrictEqual([reply?.successful, reply?.error, reply?.id], [false, error, "i"])
    const again = /^(?:401)/.test(error) || /^\/meta\/(?:handshake|connect)$/.test(String(reply?.channel))
    const isFayes = String(Object(message).supportedConnectionTypes).includes("eventsource")
    const advice = { reconnect: isFayes ? "retry" : "handshake", interval: 1_000 }
    assert.deepStrictEqual(reply?.advice, again ? advice : undefined)
  })

  const values: ReadonlyArray<unknown> = [
    null,
    0,
    -1,
    1e308,
    true,
    "",
    " ",
    "\u0000",
    "\ud800",
    "x",
    "/",
    "/a",
    "/meta/**",
    [],
    [[]],
    [1],
    [null],
    ["/a", ["/b"]],
    {},
    { a: 1 },
    { length: 3 },
    { toString: 1, valueOf: 1, toJSON: 1 },
    "x".repeat(20_000)
  ]

  it("with any value in any field get an answer of three digits, or are carried out", async () => {
    const clientId = await begin(server, "/a")
    const wholes = [
      handshakeMessage,
      connectMessage(clientId, "long-polling", { advice: { timeout: 0 } }),
      subscribeMessage(clientId, "/a"),
      { ...subscribeMessage(clientId, "/b"), channel: "/meta/unsubscribe" },
      { channel: "/a", data: 1, clientId }
    ]
    const fields = [
      "channel",
      "id",
      "clientId",
      "version",
      "minimumVersion",
      "supportedConnectionTypes",
      "connectionType",
      "advice",
      "subscription",
      "data",
      "ext",
      "successful",
      "error",
      "__proto__",
      "constructor"
    ]
    const send = async (batch: ReadonlyArray<unknown>) => {
      const { messages, status } = await post(server, batch)
      assert.strictEqual(status, 200)
      const replies = messages.filter(({ successful }) => successful !== undefined)
      assert.strictEqual(replies.length, batch.length, json(batch).slice(0, 1_000))
      for (const { error, successful } of replies) {
        if (successful === true) continue
        assert.match(String(error), /^[34]\d\d:[A-Za-z0-9\-_!~()$@ /*.,]*:[A-Z][a-z A-Z]+$/)
        assert.isBelow(String(error).length, 1_200)
      }
    }
    for (const [whole, field] of wholes.flatMap((whole) => fields.map((field) => [whole, field] as const))) {
      const batch = values.map((value) => ({ ...whole, [field]: value }))
      // A handshake is processed alone.
      const batches = whole === handshakeMessage ? batch.map((message) => [message]) : [batch]
      for (const one of batches) await send(one)
    }
    assert.isDefined(await server.session(clientId))
  })

  it("with thousands of channel segments are refused, in a word", async () => {
    const clientId = await begin(server)
    const deep = "/a".repeat(100_000)
    for (
      const message of [
        { channel: deep, data: 1 },
        subscribeMessage(clientId, deep),
        subscribeMessage(clientId, ["/a", `${deep}/**`])
      ]
    ) {
      const [reply] = (await post(server, [message])).messages
      assert.match(String(reply?.error), /^405:\/a\/a.{96}\.\.\.:Too many channel segments$/)
    }
    assert.deepStrictEqual((await server.session(clientId))?.subscriptions, [])
  })

  it("with more subscriptions than a session may have are refused, all of them", async () => {
    const clientId = await begin(server)
    const patterns = Array.from({ length: 10_001 }, (_, n) => `/a${n}`)
    const [reply] = (await post(server, [subscribeMessage(clientId, patterns)])).messages
    assert.strictEqual(reply?.error, "403:10000:Too many subscriptions")
    assert.deepStrictEqual((await server.session(clientId))?.subscriptions, [])
  })

  it("with keys such as __proto__ are data like any other and change nothing", async () => {
    const clientId = await begin(server, ["/a", "/__proto__", "/constructor"])
    const data = "{\"__proto__\":{\"polluted\":1},\"constructor\":{\"prototype\":{\"polluted\":1}},\"toString\":null}"
    const bodies = [
      `[{"channel":"/a","data":${data}}]`,
      `[{"channel":"/__proto__","data":1},{"channel":"/constructor","data":2}]`,
      `[{"channel":"/a","data":3,"__proto__":{"clientId":"x","advice":{},"ext":1},"ext":${data}}]`
    ]
    for (const body of bodies) await ask(postOf(body))
    const { messages } = await post(server, [connectMessage(clientId, "long-polling", { advice: { timeout: 0 } })])
    assert.deepStrictEqual(messages.slice(1).map((message) => json(message)), [
      `{"channel":"/a","data":${data}}`,
      "{\"channel\":\"/__proto__\",\"data\":1}",
      "{\"channel\":\"/constructor\",\"data\":2}",
      "{\"channel\":\"/a\",\"data\":3}"
    ])
    assert.isFalse("polluted" in {})
  })

  it("do not get their fields from a __proto__ of theirs", async () => {
    const clientId = await begin(server)
    const answers = await Promise.all([
      `[{"__proto__":${json(handshakeMessage)}}]`,
      `[{"channel":"/meta/disconnect","__proto__":{"clientId":"${clientId}"}}]`
    ].map((body) => ask(postOf(body))))
    assert.deepStrictEqual(answers.map(({ messages }) => messages[0]?.error), [
      "402:channel:Missing required parameter",
      "402:clientId:Missing required parameter"
    ])
    assert.isDefined(await server.session(clientId))
  })

  it("of an empty batch are answered with none, by each way in", async () => {
    assert.strictEqual((await ask(postOf("[]"))).text, "[]")
    assert.strictEqual((await ask(postOf("message=[]", formType))).text, "[]")
    assert.strictEqual((await request(`${server.url}?message=[]&jsonp=f`)).text, "/**/f([]);")
    const socket = await openSocket(server)
    socket.sendText("[]")
    await until("an answer", () => socket.frames.includes("[]"))
  })

  it("that name another session's clientId badly do not touch it", async () => {
    const clientId = await begin(server, "/a")
    for (const wrong of [`${clientId}x`, clientId.slice(1), clientId.toUpperCase() + " ", ` ${clientId}`]) {
      const batch = [{ channel: "/meta/disconnect", clientId: wrong }, subscribeMessage(wrong, "/b")]
      const { messages } = await post(server, batch)
      assert.isTrue(messages.every(({ error }) => error?.startsWith("401:")))
    }
    const session = await server.session(clientId)
    assert.deepStrictEqual(session?.subscriptions, ["/a"])
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// cost

describe("a body of a mebibyte", () => {
  /** As many of something as there is room for. */
  const filled = (one: string, head = "[", tail = "]", separator = ",") => {
    const count = Math.floor((oneMebibyte - head.length - tail.length - one.length) / (one.length + separator.length))
    return head + Array.from({ length: count }, () => one).join(separator) + tail
  }
  const subscribing = `[{"channel":"/meta/subscribe","clientId":"CLIENT","subscription":[`
  const ordinary = filled(json({ channel: "/a", data: "x".repeat(100) }))

  const cost = async (body: string, type: string) => {
    const before = process.cpuUsage()
    const answer = await request(server.url, { method: "POST", headers: { "Content-Type": type }, body })
    const { system, user } = process.cpuUsage(before)
    return { answer, milliseconds: (system + user) / 1_000 }
  }

  it.each<[string, string, string?]>([
    ["numbers", filled("1")],
    ["nulls", filled("null")],
    ["empty objects", filled("{}")],
    ["empty arrays", filled("[]")],
    ["digits", `[${"9".repeat(oneMebibyte - 2)}]`],
    ["opening brackets", "[".repeat(oneMebibyte)],
    ["quotes", "\"".repeat(oneMebibyte)],
    ["backslashes", `"${"\\".repeat(oneMebibyte - 1)}`],
    ["escaped quotes", `["${"\\\"".repeat(oneMebibyte / 2 - 2)}"]`],
    ["connects", filled(json(connectMessage("CLIENT")))],
    ["subscriptions to the same", filled("\"/a\"", subscribing, "]}]")],
    ["handshakes", filled(json(handshakeMessage))],
    ["slashes for a channel", json([{ channel: "/".repeat(oneMebibyte - 40), data: 1 }])],
    ["segments of a channel", json([{ channel: "/a".repeat(oneMebibyte / 2 - 20), data: 1 }])],
    ["letters of a channel that ends badly", json([{ channel: `/${"a".repeat(oneMebibyte - 50)}%`, data: 1 }])],
    ["a version number", json([{ ...handshakeMessage, version: "1.".repeat(oneMebibyte / 2 - 100) }])],
    ["empty form fields", filled("message", "", "", "&"), formType],
    ["bad form fields", filled("message={", "", "", "&"), formType],
    ["ampersands", "&".repeat(oneMebibyte), formType],
    ["percent signs", "%".repeat(oneMebibyte), formType]
  ])(
    "of %s costs little more than one of ordinary messages, and its answer is not much longer",
    async (_, body, type) => {
      const clientId = await begin(server)
      const usual = await cost(ordinary, "application/json")
      const { answer, milliseconds } = await cost(body.replaceAll("CLIENT", clientId), type ?? "application/json")
      assert.include([200, 400, 413], answer.status)
      assert.isBelow(answer.text.length, 10 * oneMebibyte)
      assert.isBelow(milliseconds, 4 * usual.milliseconds + 400)
    }
  )
})

it("a session does not end because the server was busy when its connect came", async () => {
  const busy = await serve({ bayeux: { timeout: 200, sessionTimeout: 400 } })
  const clientId = await begin(busy)
  const raw = await connectRaw(busy)
  const connect = postBytes(json([connectMessage(clientId)]))
  for (let i = 0; i < 3; i++) {
    raw.send(connect)
    assert.isTrue((await raw.answer()).messages[0]?.successful)
  }
  raw.send(connect)
  const end = performance.now() + 600
  while (performance.now() < end);
  assert.isTrue((await raw.answer()).messages[0]?.successful)
  await busy.stop()
})

// ---------------------------------------------------------------------------------------------------------------------
// WebSocket

describe("a socket that speaks nonsense", () => {
  it.each<[string, Buffer, ReadonlyArray<number>]>([
    ["is no WebSocket frame", Buffer.from("GET / HTTP/1.1\r\n\r\n"), [1002]],
    ["is not masked", clientFrame("[]", { isMasked: false }), [1002]],
    ["is binary", clientFrame("[]", { opcode: 2 }), [1003]],
    [
      "is binary in fragments",
      Buffer.concat([
        clientFrame("[", { opcode: 2, isFinal: false }),
        clientFrame("]", { opcode: 0 })
      ]),
      [1003]
    ],
    ["is no JSON", clientFrame("nope"), [1007]],
    ["is null", clientFrame("null"), [1007]],
    ["is invalid UTF-8", clientFrame(Uint8Array.of(0xff)), [1007]],
    ["is nested too deeply", clientFrame("[".repeat(50_000)), [1007]],
    ["is longer than 16 mebibytes", clientFrame("x".repeat(16 * oneMebibyte + 1)), [1009]],
    ["is longer than a mebibyte and no JSON", clientFrame("x".repeat(oneMebibyte + 1)), [1007]],
    ["announces what nobody can hold", Buffer.from([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255]), [
      1009,
      1002
    ]],
    ["has a reserved bit", clientFrame("[]", { reserved: 1 }), [1002]],
    ["is a close with a code that does not exist", clientFrame(Uint8Array.of(0, 1), { opcode: 8 }), [1002]],
    ["is a ping that is too long", clientFrame("x".repeat(126), { opcode: 9 }), [1002]]
  ])("is closed with a code that says what was wrong: its message %s", async (_, bytes, codes) => {
    const raw = await connectRawWebSocket(server)
    raw.send(bytes)
    assert.include(codes, await until("a close code", () => closeCodeIn(raw.received)))
  })

  it("gets the error replies of bad messages, and stays open", async () => {
    const socket = await openSocket(server)
    socket.send(1, null, {}, { channel: "/meta/x" }, connectMessage("x"), subscribeMessage("x", "/a"))
    await until("six replies", () => socket.messages.length === 6)
    assert.deepStrictEqual(socket.messages.map(({ error }) => error?.slice(0, 3)), [
      "400",
      "400",
      "402",
      "403",
      "401",
      "401"
    ])
    assert.isUndefined(socket.closing)
  })

  it("in thousands of tiny fragments is understood", async () => {
    const raw = await connectRawWebSocket(server)
    const text = json([{ channel: "/a", data: "x".repeat(5_000) }])
    raw.send(
      Buffer.concat(
        Array.from(text, (char, at) => clientFrame(char, { opcode: at === 0 ? 1 : 0, isFinal: at === text.length - 1 }))
      )
    )
    await until("a reply", () => messagesInFrames(raw.received).some(({ successful }) => successful === true))
  })

  it("and does not answer the close does not keep the messages of its session to itself", async () => {
    const clientId = await begin(server, "/a")
    const raw = await connectRawWebSocket(server)
    raw.send(clientFrame(json([connectMessage(clientId, "websocket")])))
    await until("the session to be attached", async () => (await server.session(clientId))?.link === "Attached")
    raw.send(clientFrame("nope"))
    await until("a close code", () => closeCodeIn(raw.received))
    await server.publish("/a", 1)
    const polled = async () => {
      const data = await poll(server, clientId)
      return data.length > 0 && data
    }
    assert.deepStrictEqual(await until("the message", polled), [1])
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// fuzz

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const heap = async (): Promise<number> => {
  for (let i = 0; i < 5; i++) {
    await nextTurn()
    collectGarbage()
  }
  return process.memoryUsage().heapUsed
}

describe("random input", () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const clientIds: Array<string> = []
  afterAll(() => agent.destroy())

  const channel = fc.oneof(
    fc.constantFrom(
      "/meta/handshake",
      "/meta/connect",
      "/meta/subscribe",
      "/meta/unsubscribe",
      "/meta/disconnect",
      "/meta/x",
      "/service/x",
      "/a",
      "/a/*",
      "/**"
    ),
    fc.string({ unit: "binary" }),
    fc.array(fc.string({ maxLength: 3 }), { maxLength: 100 }).map((segments) => `/${segments.join("/")}`)
  )
  const json5 = fc.jsonValue({ maxDepth: 4 })
  const field = <A>(likely: fc.Arbitrary<A>) =>
    fc.oneof({ weight: 3, arbitrary: likely }, { weight: 1, arbitrary: json5 })
  const known = fc.nat(20).map((at) => clientIds[at] ?? "unknown")
  const message = fc.oneof(
    json5,
    fc.record({
      channel: field(channel),
      clientId: field(known),
      id: json5,
      version: field(fc.constantFrom("1.0", "0.1", "1.x")),
      supportedConnectionTypes: field(fc.constant(["long-polling", "websocket"])),
      connectionType: field(fc.constantFrom("long-polling", "websocket", "eventsource", "callback-polling")),
      subscription: field(fc.oneof(channel, fc.array(channel))),
      advice: field(fc.record({ timeout: fc.oneof(fc.constant(0), json5) })),
      data: json5,
      ext: json5
    }, { requiredKeys: [] })
  )
  const messages = fc.array(message, { maxLength: 30 })
  const type = fc.constantFrom("application/json", formType, "text/plain", "text/html", "")
  const bytes = fc.uint8Array({ maxLength: 300 })
  const target = fc.oneof(
    fc.webPath(),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.string({ unit: "binary-ascii" }),
    fc.string({ unit: "binary-ascii" }).map((tail) => `/bayeux${tail}`),
    fc.string({ unit: "binary" }).map((query) =>
      `/bayeux?message=${encodeURIComponent(Buffer.from(query).toString())}&jsonp=f`
    )
  )

  const [firstSeed = 1, ...others] = seeds(3)
  const statuses = [200, 400, 404, 405, 408, 413, 415, 417, 426, 431, 501, 505]
  let checks = 0
  /** Each send goes on its own; several are on their way at once. */
  const check = <A>(arbitrary: fc.Arbitrary<A>, attempt: (value: A) => Promise<void>) =>
    Promise.all(Array.from({ length: 4 }, () => {
      const seed = firstSeed + checks++
      return fc.assert(fc.asyncProperty(arbitrary, attempt), { seed, numRuns: 40 })
    }))

  const postMessages = () =>
    check(messages, async (batch) => {
      const { messages, status } = await post(server, batch, { agent })
      assert.strictEqual(status, 200)
      for (const { channel, clientId, successful } of messages) {
        if (channel === "/meta/handshake" && successful === true && clientId !== undefined) {
          clientIds[clientIds.length % 20] = clientId
        }
      }
    })

  const postBodies = () =>
    check(fc.tuple(bytes, type), async ([body, contentType]) => {
      const headers = contentType === "" ? {} : { "Content-Type": contentType }
      const { status } = await request(server.url, { method: "POST", headers, body: Buffer.from(body), agent })
      assert.include(statuses, status)
    })

  const askTargets = () =>
    check(fc.tuple(fc.constantFrom("GET", "POST", "OPTIONS"), target), async ([method, target]) => {
      const raw = await connectRaw(server)
      raw.send(Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, "latin1"))
      assert.include(statuses, (await raw.answer()).status)
      raw.socket.destroy()
    })

  const sendRaw = () =>
    check(fc.tuple(bytes, fc.boolean()), async ([bytes, isFrame]) => {
      const raw = await connectRawWebSocket(server)
      raw.send(isFrame ? clientFrame(bytes) : bytes)
      raw.send(clientFrame("[]"))
      raw.socket.end()
      await raw.closed()
      raw.socket.destroy()
    })

  const sendMessages = () =>
    check(messages, async (batch) => {
      const raw = await connectRawWebSocket(server)
      raw.send(clientFrame(json(batch)))
      raw.send(clientFrame(json([{ channel: "/meta/x", id: "last" }])))
      await until(
        "the last reply",
        () => raw.isClosed || messagesInFrames(raw.received).some(({ id }) => id === "last")
      )
      raw.socket.destroy()
    })

  const round = async () => {
    await postMessages()
    await postBodies()
    await askTargets()
    await sendRaw()
    await sendMessages()
  }

  it(
    "gets a status or a close, thousands of times, and leaves nothing behind",
    { timeout: limit(180_000) },
    async () => {
      const settled = async () => {
        await until("the sessions to end", async () => (await server.sessions()).length === 2, 30_000)
        return heap()
      }
      await round()
      const before = await settled()
      for (const _ of others) await round()
      const after = await settled()
      assert.isBelow(after - before, 8_000_000, "the heap has grown")
    }
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// afterwards

describe("after all of that", () => {
  it(
    "there are no sessions but those of the good clients, and no connections but theirs",
    async () => {
      await until("the other sessions to end", async () => (await server.sessions()).length === 2, 30_000)
      assert.sameMembers((await server.sessions()).map(({ clientId }) => clientId), [...neighbours.clientIds])
      const connections = () =>
        new Promise<number>((resolve) => server.http.getConnections((_, count) => resolve(count)))
      await until("the other connections to be closed", async () => await connections() === 2)
      await neighbours.check()
    }
  )
})
