import { afterEach, assert, describe, it } from "@effect/vitest"
import { Layer } from "effect"
import type { Socket as TcpSocket } from "node:net"
import { Bayeux, LongPollingTransport, WebSocketTransport } from "../../src/index.ts"
import * as Frame from "../../src/service/Frame.ts"
import * as WebSocketFrame from "../../src/transport/WebSocketFrame.ts"
import {
  begin,
  beginSocket,
  bindSocket,
  clientFrame,
  closeCodeIn,
  connectMessage,
  connectRawWebSocket,
  dataOf,
  flawIn,
  handshakeMessage,
  messagesInFrames,
  nextTurn,
  numbersIn,
  openSocket,
  poll,
  pollAll,
  type RawSocket,
  readALittle,
  releaseAll,
  request,
  serve,
  type Server,
  serverFrames,
  socketsOf,
  subscribeMessage,
  until
} from "./support.ts"

afterEach(releaseAll)

const json = JSON.stringify

const withOptions = (options: WebSocketTransport.WebSocketOptions) => ({
  transports: Layer.mergeAll(WebSocketTransport.layer(options), LongPollingTransport.layer())
})

const link = async (server: Server, clientId: string) => (await server.session(clientId))?.link

/** Binds a raw socket to a session that exists. */
const bindRaw = async (server: Server, raw: RawSocket, clientId: string): Promise<void> => {
  raw.send(clientFrame(json([connectMessage(clientId, "websocket")])))
  await until("the session to be attached", async () => await link(server, clientId) === "Attached")
}

describe("a WebSocket", () => {
  it("carries batches of messages both ways, each a text message with an array", async () => {
    const server = await serve()
    const { clientId, socket } = await beginSocket(server, "/a")
    socket.send({ channel: "/a", data: "€", id: 1, clientId })
    await socket.delivered(1)
    assert.strictEqual(
      socket.frames.at(-1),
      json([
        { channel: "/a", successful: true, id: 1, clientId },
        { channel: "/a", data: "€", id: 1 }
      ])
    )
  })

  it("takes a single message that is no array", async () => {
    const server = await serve()
    const socket = await openSocket(server)
    socket.sendText(json(handshakeMessage))
    const reply = await socket.message("a reply", ({ channel }) => channel === "/meta/handshake")
    assert.isTrue(reply.successful)
  })

  it.each([["/bayeux"], ["/bayeux/"], ["/bayeux?a=b"], ["/bayeux/x"]])("is found at %s", async (path) => {
    const server = await serve()
    const raw = await connectRawWebSocket(server, path)
    raw.send(clientFrame(json([handshakeMessage])))
    await until("a reply", () => messagesInFrames(raw.received).length > 0)
  })

  it("is not there without its transport", async () => {
    const server = await serve({ transports: LongPollingTransport.layer() })
    const error = await openSocket(server).then(() => undefined, String)
    assert.include(error, "404")
    const [reply] = (await request(server.url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: json([handshakeMessage])
    })).messages
    assert.notInclude(reply?.supportedConnectionTypes ?? ["websocket"], "websocket")
  })

  it("answers an empty batch with an empty batch: CometD's and Faye's clients ask so whether it is alive", async () => {
    const server = await serve()
    const socket = await openSocket(server)
    for (const frames of [["[]"], ["[]", "[]"]]) {
      socket.sendText("[]")
      await until("an answer", () => socket.frames.length >= frames.length)
      assert.deepStrictEqual(socket.frames, frames)
    }
  })

  it("takes an empty text for a sign of life, as Faye's server does: it stays open, and nothing comes back", async () => {
    const server = await serve()
    const socket = await openSocket(server)
    socket.sendText("").send(handshakeMessage)
    await socket.message("a handshake", ({ successful }) => successful === true)
    assert.strictEqual(socket.frames.length, 1)
  })

  it("skips a byte order mark", async () => {
    const server = await serve()
    const socket = await openSocket(server)
    socket.sendText(`\ufeff${json([handshakeMessage])}`)
    await socket.message("a handshake", ({ successful }) => successful === true)
  })

  it("sends the messages of one turn in one frame", async () => {
    const server = await serve()
    const { socket } = await beginSocket(server, "/a")
    const before = socket.frames.length
    socket.send(...[1, 2, 3].map((data) => ({ channel: "/a", data })))
    await socket.delivered(3)
    assert.strictEqual(socket.frames.length, before + 1)
    const { frames } = socket
    await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.publish("/a", 4)))
    await socket.delivered(4)
    assert.strictEqual(frames.length, before + 2)
  })

  it("holds a connect without holding up anything else", async () => {
    const server = await serve({ bayeux: { timeout: 300 } })
    const { clientId, socket } = await beginSocket(server, "/a")
    const connects = () => socket.messages.filter(({ channel }) => channel === "/meta/connect").length
    socket.send({ channel: "/a", data: 1, clientId })
    await socket.delivered(1)
    assert.strictEqual(connects(), 0, "the connect is still held")
    await until("its answer", () => connects() === 1)
    await server.publish("/a", 2)
    assert.deepStrictEqual(await socket.delivered(2), [1, 2], "messages come although no connect is held")
  })

  it.each([[1], [2], [60], [65_000], [70_000], [600_000]])(
    "delivers messages of about %d bytes as they are, whatever their length on the wire",
    async (about) => {
      const server = await serve()
      const { socket } = await beginSocket(server, "/a")
      const sent: Array<string> = []
      for (let length = about; length < about + 70; length++) {
        sent.push("x".repeat(length - 1) + "€")
        await server.publish("/a", sent.at(-1))
        if (about > 100_000) break
      }
      assert.deepStrictEqual(await socket.delivered(sent.length), sent)
    }
  )

  it("takes a message in fragments, with a character split between two of them and a ping between others", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const raw = await connectRawWebSocket(server)
    const bytes = Buffer.from(json([{ channel: "/a", data: "€𝄞" }]))
    bytes.forEach((byte, at) => {
      raw.send(clientFrame(Uint8Array.of(byte), { opcode: at === 0 ? 1 : 0, isFinal: at === bytes.length - 1 }))
      if (at % 7 === 0) raw.send(clientFrame("ping", { opcode: 9 }))
    })
    await until("a reply", () => messagesInFrames(raw.received).length > 0)
    assert.deepStrictEqual(await poll(server, clientId), ["€𝄞"])
    const pongs = serverFrames(raw.received).filter(({ opcode }) => opcode === 10)
    assert.isAbove(pongs.length, 0)
  })

  it("is not touched by the end of the socket before it", async () => {
    const server = await serve()
    const { clientId, socket } = await beginSocket(server, "/a")
    const next = await openSocket(server)
    next.send(connectMessage(clientId, "websocket"))
    await socket.message("the former connect's answer", ({ channel }) => channel === "/meta/connect")
    socket.ws.terminate()
    for (let n = 0; n < 5; n++) {
      await request(server.url)
      await server.publish("/a", n)
    }
    assert.deepStrictEqual(await next.delivered(5), [0, 1, 2, 3, 4])
    assert.strictEqual(await link(server, clientId), "Attached")
  })
})

describe("one message for many sockets", () => {
  it("is the same bytes for each of them, the shortest frame there is", async () => {
    const server = await serve()
    const clientId = await begin(server, "/x")
    const raws: Array<RawSocket> = []
    const ping = Buffer.of(0x89, 1, 1)
    for (let i = 0; i < 20; i++) {
      const own = await begin(server, ["/a", "/*", "/**"].slice(i % 3))
      const raw = await connectRawWebSocket(server)
      await bindRaw(server, raw, own)
      raws.push(raw)
      assert.strictEqual(
        raw.received.length,
        0,
        "nothing is sent, not even a ping, before there is something to deliver"
      )
    }
    await Promise.all([server.publish("/a", "€".repeat(50)), server.publish("/a", 2), server.publish("/a", 3)])
    const text = json([
      { channel: "/a", data: "€".repeat(50) },
      { channel: "/a", data: 2 },
      { channel: "/a", data: 3 }
    ])
    const expected = Buffer.concat([ping, Buffer.from([0x81, 126, 0, Buffer.byteLength(text)]), Buffer.from(text)])
    for (const raw of raws) {
      await until("the messages", () => raw.received.length >= expected.length)
      assert.deepStrictEqual(raw.received, expected)
    }
    assert.deepStrictEqual(await poll(server, clientId), [])
  })

  it("is put into JSON and into bytes once", () => {
    const message = { channel: "/a", data: 1 } as never
    const other = { channel: "/a", data: 2 } as never
    const [first, second] = [Frame.empty.append(message), Frame.empty.append(message)]
    assert.strictEqual(first.encode(WebSocketFrame.encode), second.encode(WebSocketFrame.encode))
    const [longer, also] = [first.append(other), second.append(other)]
    assert.strictEqual(longer.encode(WebSocketFrame.encode), also.encode(WebSocketFrame.encode))
    assert.strictEqual(longer.text, "[{\"channel\":\"/a\",\"data\":1},{\"channel\":\"/a\",\"data\":2}]")
    Frame.empty.forget()
    assert.notStrictEqual(Frame.empty.append(message), first, "it is forgotten after the turn")
  })
})

describe("compression", () => {
  const offer = { perMessageDeflate: { threshold: 0 } }
  const text = "all the same ".repeat(10_000)

  it("is not agreed to unless it is wished for", async () => {
    const server = await serve()
    const { socket } = await beginSocket(server, "/a", offer)
    assert.strictEqual(socket.ws.extensions, "")
    await server.publish("/a", text)
    assert.deepStrictEqual(await socket.delivered(1), [text])
  })

  it("makes messages smaller for those who offer it, and leaves those alone who do not", async () => {
    const server = await serve(withOptions({ perMessageDeflate: true }))
    const sockets = socketsOf(server)
    const { socket } = await beginSocket(server, "/a", offer)
    const { socket: plain } = await beginSocket(server, "/a")
    assert.include(socket.ws.extensions, "permessage-deflate")
    assert.strictEqual(plain.ws.extensions, "")
    const written = () => sockets.filter(({ destroyed }) => !destroyed).map(({ bytesWritten }) => bytesWritten)
    const before = written()
    await server.publish("/a", text)
    assert.deepStrictEqual(await socket.delivered(1), [text])
    assert.deepStrictEqual(await plain.delivered(1), [text])
    const [compressed = 0, whole = 0] = written().map((bytes, at) => bytes - (before[at] ?? 0)).sort((a, b) => a - b)
    assert.isBelow(compressed, text.length / 10)
    assert.isAbove(whole, text.length)
  })

  it("keeps the order of messages and of what the socket is closed with", async () => {
    const server = await serve(withOptions({ perMessageDeflate: true }))
    const { clientId, socket } = await beginSocket(server, "/a", offer)
    for (let n = 1; n <= 200; n++) await server.publish("/a", { n, text: text.slice(0, 20_000 * (n % 3)) })
    socket.send({ channel: "/meta/disconnect", clientId })
    assert.strictEqual(await socket.closed(), 1000)
    assert.isUndefined(flawIn(numbersIn(socket.data), 200))
    assert.isTrue(
      socket.messages.some(({ channel, successful }) => channel === "/meta/disconnect" && successful === true)
    )
  })
})

describe("pings", () => {
  it("ask a socket again and again whether it is there; one that answers stays open", async () => {
    const server = await serve(withOptions({ ping: 50 }))
    const { socket } = await beginSocket(server, "/a")
    await until("ten pings", () => socket.pings >= 10)
    await server.publish("/a", 1)
    assert.deepStrictEqual(await socket.delivered(1), [1])
  })

  it("cut off a peer that does not answer; its session is kept", async () => {
    const server = await serve(withOptions({ ping: 100 }))
    const clientId = await begin(server, "/a")
    const raw = await connectRawWebSocket(server)
    await bindRaw(server, raw, clientId)
    await raw.closed()
    assert.isAtLeast(serverFrames(raw.received).filter(({ opcode }) => opcode === 9).length, 1)
    assert.isUndefined(closeCodeIn(raw.received), "there is nobody to say goodbye to")
    await until("the session to be detached", async () => await link(server, clientId) === "Detached")
    await server.publish("/a", 1)
    assert.deepStrictEqual(await poll(server, clientId), [1])
  })

  it("keep the session of a peer that answers them, and end that of one that does not, without a connect", async () => {
    const server = await serve({ ...withOptions({ ping: 100 }), bayeux: { timeout: 300 } })
    const { clientId, socket } = await beginSocket(server, "/a")
    const silent = await begin(server, "/a")
    const raw = await connectRawWebSocket(server)
    await bindRaw(server, raw, silent)
    const before = socket.pings
    await until("fifteen pings", () => socket.pings >= before + 15)
    assert.strictEqual(await link(server, clientId), "Attached")
    assert.isUndefined(await server.session(silent))
    socket.ws.terminate()
    await until("the session to end", async () => await server.session(clientId) === undefined)
  })

  it("do not cut off a peer that sends messages and no pongs", async () => {
    const server = await serve(withOptions({ ping: 150 }))
    const raw = await connectRawWebSocket(server)
    const pings = () => serverFrames(raw.received).filter(({ opcode }) => opcode === 9).length
    await until("six pings", () => {
      assert.isFalse(raw.isClosed)
      raw.send(clientFrame("[]"))
      return pings() >= 6
    })
  })
})

describe("a peer that does not read", () => {
  const padding = "x".repeat(200_000)

  const beginDeaf = async (server: Server): Promise<{
    readonly raw: RawSocket
    readonly clientId: string
    readonly atServer: TcpSocket | undefined
  }> => {
    const sockets = socketsOf(server)
    const clientId = await begin(server, "/a")
    const raw = await connectRawWebSocket(server)
    await bindRaw(server, raw, clientId)
    raw.socket.pause()
    return { raw, clientId, atServer: sockets.find(({ remotePort }) => remotePort === raw.socket.localPort) }
  }

  it("is cut off at the limit; its session continues, and unread messages come by its next socket", async () => {
    const server = await serve(withOptions({ maxBuffered: 1_000_000 }))
    const { clientId, raw } = await beginDeaf(server)
    const { socket: neighbour } = await beginSocket(server, "/a")
    let n = 0
    while (await link(server, clientId) === "Attached") {
      assert.isBelow(n, 500, "it was not cut off")
      await server.publish("/a", { n: ++n, padding })
      await nextTurn()
    }
    for (let more = 0; more < 3; more++) await server.publish("/a", { n: ++n })
    raw.socket.resume()
    await raw.closed()
    const next = await openSocket(server)
    await bindSocket(server, next, clientId)
    const read = dataOf(messagesInFrames(raw.received))
    await next.delivered(n - read.length)
    assert.isUndefined(flawIn(numbersIn([...read, ...next.data]), n))
    await neighbour.delivered(n)
    assert.isUndefined(flawIn(numbersIn(neighbour.data), n), "a neighbour notices nothing")
  })

  it("is not cut off below the limit", async () => {
    const server = await serve(withOptions({ maxBuffered: 20_000_000 }))
    const { atServer, clientId, raw } = await beginDeaf(server)
    let n = 0
    for (let waiting = 0; waiting < 5_000_000;) {
      await server.publish("/a", { n: ++n, padding })
      await nextTurn()
      if ((atServer?.writableLength ?? 0) > 0) waiting += padding.length
    }
    raw.socket.resume()
    await until("everything to be read", () => dataOf(messagesInFrames(raw.received)).length >= n)
    assert.isUndefined(flawIn(numbersIn(dataOf(messagesInFrames(raw.received))), n))
    assert.strictEqual(await link(server, clientId), "Attached")
  })

  it("gets each message once although it has read a part of what waited before", async () => {
    const server = await serve(withOptions({ maxBuffered: 16_000_000 }))
    const { atServer, clientId, raw } = await beginDeaf(server)
    let n = 0
    const publish = async () => {
      assert.isBelow(n, 5_000, "it was not cut off")
      await server.publish("/a", { n: ++n, padding: padding.slice(0, 20_000) })
      await nextTurn()
    }
    await readALittle(raw, atServer, publish)
    while (await link(server, clientId) === "Attached") await publish()
    raw.socket.resume()
    await raw.closed()
    const read = dataOf(messagesInFrames(raw.received))
    const rest = await pollAll(server, clientId)
    assert.isUndefined(flawIn(numbersIn([...read, ...rest]), n))
  })

  it("is cut off with compression as well, and nothing is lost", async () => {
    const server = await serve(withOptions({ perMessageDeflate: true, maxBuffered: 1_000_000 }))
    const { clientId, socket } = await beginSocket(server, "/a", { perMessageDeflate: true })
    socket.ws.pause()
    // Noise does not get smaller.
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("base64")
    let n = 0
    while (await link(server, clientId) === "Attached") {
      assert.isBelow(n, 2_000, "it was not cut off")
      await server.publish("/a", { n: ++n, noise: noise.slice(n) })
      await nextTurn()
    }
    socket.ws.resume()
    await socket.closed()
    const rest = await pollAll(server, clientId)
    assert.isUndefined(flawIn(numbersIn([...socket.data, ...rest]), n))
  })
})

describe("a socket is closed with", () => {
  it("1000 when its session has ended, after the answer", async () => {
    const server = await serve()
    const { clientId, socket } = await beginSocket(server, "/a")
    socket.send({ channel: "/a", data: 1, clientId }, { channel: "/meta/disconnect", clientId })
    assert.strictEqual(await socket.closed(), 1000)
    assert.deepStrictEqual(socket.data, [1])
    const disconnect = socket.messages.find(({ channel }) => channel === "/meta/disconnect")
    assert.isTrue(disconnect?.successful)
    const connect = socket.messages.find(({ channel }) => channel === "/meta/connect")
    assert.deepStrictEqual(connect?.advice, { reconnect: "none" })
  })

  it("1000 when the application ends its session: the client gets the advice not to reconnect", async () => {
    const server = await serve()
    const { clientId, socket } = await beginSocket(server, "/a")
    await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(clientId, "enough")))
    assert.strictEqual(await socket.closed(), 1000)
    const connect = socket.messages.find(({ channel }) => channel === "/meta/connect")
    assert.deepStrictEqual([connect?.successful, connect?.advice], [false, { reconnect: "none" }])
  })

  it("1000, and until its peer has answered that it takes no other session", async () => {
    const server = await serve()
    const [first, second] = [await begin(server, "/a"), await begin(server, "/a")]
    const raw = await connectRawWebSocket(server)
    await bindRaw(server, raw, first)
    await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(first, "enough")))
    await until("a close code", () => closeCodeIn(raw.received) === 1000)
    raw.send(clientFrame(json([connectMessage(second, "websocket")])))
    raw.send(clientFrame(json([{ channel: "/a", data: 1 }])))
    await until("the publish", async () => (await server.session(second))?.queueLength === 1)
    assert.strictEqual(await link(server, second), "Detached")
    assert.deepStrictEqual(await poll(server, second), [1])
  })

  it("1001 when the server stops, after the answer to the connect that was held", async () => {
    const server = await serve()
    const { clientId, socket } = await beginSocket(server, "/a")
    const idle = await openSocket(server)
    await server.publish("/a", 1)
    await server.stop()
    assert.deepStrictEqual([await socket.closed(), await idle.closed()], [1001, 1001])
    assert.deepStrictEqual(socket.data, [1])
    const connect = socket.messages.find(({ channel }) => channel === "/meta/connect")
    assert.deepStrictEqual([connect?.clientId, connect?.advice?.reconnect], [clientId, "retry"])
  })

  it.each([
    ["1003 after a binary message", clientFrame("[]", { opcode: 2 }), 1003],
    ["1007 after what is not JSON", clientFrame("{"), 1007],
    ["1007 after a number", clientFrame("1"), 1007],
    ["1007 after invalid UTF-8", clientFrame(Uint8Array.of(0x5b, 0xc3, 0x28, 0x5d)), 1007],
    ["1007 after nesting that is too deep", clientFrame("[".repeat(101) + "]".repeat(101)), 1007],
    ["1009 after a message that is too long", clientFrame(json(["x".repeat(1000)])), 1009],
    [
      "1009 after fragments that are too long together",
      Buffer.concat([
        clientFrame("x".repeat(600), { isFinal: false }),
        clientFrame("x".repeat(600), { opcode: 0 })
      ]),
      1009
    ],
    ["1002 after a frame without a mask", clientFrame("[]", { isMasked: false }), 1002],
    ["1002 after an opcode that does not exist", clientFrame("[]", { opcode: 3 }), 1002],
    ["1002 after a reserved bit", clientFrame("[]", { reserved: 4 }), 1002],
    ["1002 after a continuation of nothing", clientFrame("[]", { opcode: 0 }), 1002],
    ["1002 after a fragmented ping", clientFrame("", { opcode: 9, isFinal: false }), 1002]
  ])("%s", async (_, bytes, code) => {
    const server = await serve(withOptions({ maxPayload: 1_000 }))
    const clientId = await begin(server, "/a")
    const raw = await connectRawWebSocket(server)
    await bindRaw(server, raw, clientId)
    raw.send(bytes)
    assert.strictEqual(await until("a close code", () => closeCodeIn(raw.received)), code)
    raw.send(clientFrame(Uint8Array.of(code >> 8, code & 0xff), { opcode: 8 }))
    await raw.closed()
    await until("the session to be detached", async () => await link(server, clientId) === "Detached")
    await server.publish("/a", 1)
    assert.deepStrictEqual(await poll(server, clientId), [1], "the session is kept")
  })

  it("nothing after a message of exactly the longest length", async () => {
    const server = await serve(withOptions({ maxPayload: 1_000 }))
    const socket = await openSocket(server)
    const short = json([{ channel: "/a", data: "" }])
    socket.send({ channel: "/a", data: "x".repeat(1_000 - short.length) })
    await socket.message("a reply", ({ successful }) => successful === true)
  })

  it("the reason in words", async () => {
    const server = await serve()
    const socket = await openSocket(server)
    socket.sendText("no")
    await socket.closed()
    assert.strictEqual(socket.closing?.reason, "The messages are not JSON: send an array of Bayeux messages")
  })
})

describe("an upgrade", () => {
  it.each([
    ["another protocol", { "Upgrade": "chat" }, 400],
    ["no key", { "Sec-WebSocket-Key": undefined }, 400],
    ["an invalid key", { "Sec-WebSocket-Key": "x" }, 400],
    ["an old version", { "Sec-WebSocket-Version": "7" }, 400]
  ])("to %s is refused with a status", async (_, change, status) => {
    const server = await serve()
    const headers = Object.fromEntries(
      Object.entries({
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ...change
      }).filter(([, value]) => value !== undefined)
    )
    assert.strictEqual((await request(server.url, { headers })).status, status)
  })

  it("may come together with the first message", async () => {
    const server = await serve()
    const raw = await connectRawWebSocket(server)
    const other = await connectRawWebSocket(server)
    for (const socket of [raw, other]) {
      socket.send(Buffer.concat([
        clientFrame(json([handshakeMessage])),
        clientFrame(json([subscribeMessage("x", "/a")]))
      ]))
      await until("two replies", () => messagesInFrames(socket.received).length >= 2)
    }
  })
})
