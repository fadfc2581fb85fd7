/** Messages that are no good, or look like what they are not. */
import { assert, describe, it } from "@effect/vitest"
import { ask, besideNeighbours, formType, json, postOf, server } from "./neighbours.ts"
import {
  begin,
  connectMessage,
  connectRaw,
  handshakeMessage,
  openSocket,
  post,
  postBytes,
  request,
  serve,
  subscribeMessage,
  until
} from "./support.ts"

besideNeighbours("a server that is sent bad messages", () => {
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
          assert.match(String(error), /^[34]\d\d:[A-Za-z0-9\-_!~()$@ /*.,]*:[A-Z][a-z A-Z0-9]+$/)
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

    it.each([
      ["hundreds of channel segments", "/a".repeat(500), /^405:\/a\/a.{96}\.\.\.:Too many channel segments$/],
      ["channels of 200,000 characters", "/a".repeat(100_000), /^405:1024:Channel is longer than 1024 characters$/]
    ])("with %s are refused, in a word", async (_, deep, error) => {
      const clientId = await begin(server)
      for (
        const message of [
          { channel: deep, data: 1 },
          subscribeMessage(clientId, deep),
          subscribeMessage(clientId, ["/a", `${deep}/**`])
        ]
      ) {
        const [reply] = (await post(server, [message])).messages
        assert.match(String(reply?.error), error)
      }
      assert.deepStrictEqual((await server.session(clientId))?.subscriptions, [])
    })

    it("with more subscriptions than a session may have are refused, all of them", async () => {
      const clientId = await begin(server)
      const patterns = Array.from({ length: 1_001 }, (_, n) => `/a${n}`)
      const [reply] = (await post(server, [subscribeMessage(clientId, patterns)])).messages
      assert.strictEqual(reply?.error, "403:1000:Too many subscriptions")
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
})
