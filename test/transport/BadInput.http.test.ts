/** HTTP that is no good: bodies, requests, headers. */
import { assert, describe, it } from "@effect/vitest"
import { createServer } from "node:http"
import { ask, besideNeighbours, formType, isSentence, json, oneMebibyte, postOf, server } from "./neighbours.ts"
import {
  begin,
  connectMessage,
  connectRaw,
  handshakeMessage,
  nextTurn,
  poll,
  post,
  postBytes,
  request,
  serve,
  stopwatch,
  until
} from "./support.ts"

besideNeighbours("a server that is sent bad HTTP", () => {
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
          createServer: () =>
            createServer({ requestTimeout: 300, headersTimeout: 200, connectionsCheckingInterval: 50 })
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
      "by the method %s gets 405 with the allowed ones",
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
      ["an invalid length", "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", [400]],
      ["a negative length", "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", [400]],
      ["two lengths", "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", [400]],
      [
        "a length and chunks",
        "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        [400]
      ],
      ["an invalid chunk", "POST /bayeux HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", [400]],
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
      const elapsed = stopwatch()
      await post(server, [handshakeMessage])
      assert.isBelow(elapsed(), 900)
      for (const { messages } of await Promise.all(held)) assert.isTrue(messages[0]?.successful)
    })
  })
})
