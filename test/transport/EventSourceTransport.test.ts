import { afterEach, assert, describe, it } from "@effect/vitest"
import { Layer } from "effect"
import { Bayeux, EventSourceTransport, LongPollingTransport } from "../../src/index.ts"
import {
  begin,
  beginSocket,
  connectMessage,
  connectRaw,
  dataOf,
  flawIn,
  handshakeMessage,
  type Message,
  nextTurn,
  numbersIn,
  openEvents,
  poll,
  pollAll,
  post,
  readALittle,
  releaseAll,
  request,
  serve,
  type Server,
  socketsOf,
  until
} from "./support.ts"

afterEach(releaseAll)

const link = async (server: Server, clientId: string) => (await server.session(clientId))?.link

const withOptions = (options: EventSourceTransport.EventSourceOptions) => ({
  transports: Layer.mergeAll(EventSourceTransport.layer(options), LongPollingTransport.layer())
})

describe("an event stream", () => {
  it("begins with the headers that keep it going and the time after which a browser tries again", async () => {
    const server = await serve()
    const stream = await openEvents(server, await begin(server), { Origin: "https://page.example" })
    const { headers, statusCode } = stream.response
    assert.strictEqual(statusCode, 200)
    assert.strictEqual(headers["content-type"], "text/event-stream; charset=utf-8")
    assert.strictEqual(headers["cache-control"], "no-cache, no-store")
    assert.strictEqual(headers["x-accel-buffering"], "no")
    assert.strictEqual(headers["access-control-allow-origin"], "https://page.example")
    assert.strictEqual(headers["access-control-allow-credentials"], "true")
    assert.isUndefined(headers["content-length"])
    await until("the beginning", () => stream.text !== "")
    assert.strictEqual(stream.text, "retry: 1000\r\n\r\n")
  })

  it("carries what waited, then each message at once", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    await server.publish("/a", 1)
    await server.publish("/a", "two\nlines")
    const stream = await openEvents(server, clientId)
    await stream.delivered(2)
    await server.publish("/a", "€")
    assert.deepStrictEqual(await stream.delivered(3), [1, "two\nlines", "€"])
    assert.strictEqual(
      stream.text,
      "retry: 1000\r\n\r\n" +
        "data: [{\"channel\":\"/a\",\"data\":1},{\"channel\":\"/a\",\"data\":\"two\\nlines\"}]\r\n\r\n" +
        "data: [{\"channel\":\"/a\",\"data\":\"€\"}]\r\n\r\n"
    )
  })

  it("carries the messages of one turn in one event", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const stream = await openEvents(server, clientId)
    await post(server, [1, 2, 3].map((data) => ({ channel: "/a", data })))
    assert.deepStrictEqual(await stream.delivered(3), [1, 2, 3])
    assert.strictEqual(stream.events.length, 1)
  })

  it("carries a comment now and then while there is nothing to say", async () => {
    const server = await serve(withOptions({ ping: 20 }))
    const stream = await openEvents(server, await begin(server))
    await until("three comments", () => stream.text.split(":\r\n\r\n").length > 3)
    assert.match(stream.text, /^retry: 1000\r\n\r\n(?::\r\n\r\n)+$/)
    assert.deepStrictEqual(stream.events, [])
  })

  it.each([["unknown"], ["0".repeat(40)], ["constructor"]])(
    "of the unknown clientId %s gets the advice to shake hands, ends, and is not reopened",
    async (clientId) => {
      const server = await serve()
      const ask = (headers: object) =>
        request(`${server.url}/${clientId}`, { headers: { Accept: "text/event-stream", ...headers } })
      const answer = await ask({})
      assert.strictEqual(answer.status, 200)
      assert.match(String(answer.headers["content-type"]), /^text\/event-stream/)
      const advice = {
        channel: "/meta/connect",
        successful: false,
        error: `401:${clientId}:Unknown client`,
        advice: { reconnect: "handshake", interval: 1_000 }
      }
      assert.strictEqual(
        answer.text,
        `retry: 1000\r\n\r\ndata: ${JSON.stringify([advice])}\r\n\r\nid: over\r\ndata: []\r\n\r\n`
      )
      const again = await ask({ "Last-Event-ID": "over" })
      assert.deepStrictEqual([again.status, again.text], [204, ""])
    }
  )

  it("is answered with 409 and a sentence for a session that acknowledges", async () => {
    const server = await serve()
    const [{ clientId } = {}] = (await post(server, [{ ...handshakeMessage, ext: { ack: true } }])).messages
    const answer = await request(`${server.url}/${clientId}`, { headers: { Accept: "text/event-stream" } })
    assert.strictEqual(answer.status, 409)
    assert.include(answer.text, "acknowledges")
    assert.strictEqual(await link(server, clientId ?? ""), "Detached")
  })

  it("is served only for GET with an Accept of events, at the path of a clientId", async () => {
    const server = await serve()
    const clientId = await begin(server)
    const status = async (path: string, accept: string, method = "GET") =>
      (await request(`${server.url}${path}`, { method, headers: { Accept: accept } })).status
    assert.strictEqual(await status(`/${clientId}`, "*/*"), 404)
    assert.strictEqual(await status(`/${clientId}/x`, "text/event-stream"), 404)
    assert.strictEqual(await status(`/${clientId}.`, "text/event-stream"), 404)
    assert.strictEqual(await status(`/${clientId}`, "text/event-stream", "PUT"), 404)
    assert.strictEqual(await link(server, clientId), "Detached")
  })

  it("lets its client connect by long-polling, answered at once: that once a time-out is enough", async () => {
    const server = await serve({ bayeux: { timeout: 20_000 } })
    const clientId = await begin(server, "/a")
    const stream = await openEvents(server, clientId)
    const { messages } = await post(server, [connectMessage(clientId, "eventsource")])
    assert.deepStrictEqual(messages, [{
      channel: "/meta/connect",
      successful: true,
      clientId,
      advice: { reconnect: "retry", interval: 20_000, timeout: 0 }
    }])
    assert.strictEqual(await link(server, clientId), "Attached")
    await server.publish("/a", 1)
    assert.deepStrictEqual(await stream.delivered(1), [1])
  })

  it("carries nothing while it is away: its client's connects do, and have it look for the stream", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const stream = await openEvents(server, clientId)
    stream.destroy()
    await until("the cut to be noticed", async () => await link(server, clientId) === "Detached")
    await server.publish("/a", 1)
    const { messages } = await post(server, [connectMessage(clientId, "eventsource")])
    assert.deepStrictEqual(messages, [
      {
        channel: "/meta/connect",
        successful: true,
        clientId,
        advice: { reconnect: "retry", interval: 1_500, timeout: 0 }
      },
      { channel: "/a", data: 1 }
    ])
    const next = await openEvents(server, clientId)
    await server.publish("/a", 2)
    assert.deepStrictEqual(await next.delivered(1), [2])
  })

  it("leaves messages to wait when it has broken; the next one carries them", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const received: Array<unknown> = []
    for (let n = 0; n < 20; n += 2) {
      const stream = await openEvents(server, clientId)
      await server.publish("/a", n)
      await stream.delivered(n === 0 ? 1 : 2)
      stream.destroy()
      await until("the cut to be noticed", async () => await link(server, clientId) === "Detached")
      await server.publish("/a", n + 1)
      received.push(...stream.data)
    }
    received.push(...await poll(server, clientId))
    assert.deepStrictEqual(received, Array.from({ length: 20 }, (_, n) => n))
  })

  it("is not touched by the end of the stream before it", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const [first, second] = [await openEvents(server, clientId), await openEvents(server, clientId)]
    first.destroy()
    for (let n = 0; n < 5; n++) {
      await request(`${server.url}/x`)
      await server.publish("/a", n)
    }
    assert.deepStrictEqual(await second.delivered(5), [0, 1, 2, 3, 4])
    assert.strictEqual(await link(server, clientId), "Attached")
  })

  it("ends with its session", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const stream = await openEvents(server, clientId)
    await post(server, [{ channel: "/a", data: 1 }, { channel: "/meta/disconnect", clientId }])
    await until("the end of the stream", () => stream.isEnded)
    assert.deepStrictEqual(stream.data, [1])
    assert.isTrue(stream.response.complete, "it ended gracefully")
    assert.match(stream.text, /id: over\r\ndata: \[\]\r\n\r\n$/, "and is not opened again")
  })

  it("gets advice when the server stops, and then ends, to be reopened", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const stream = await openEvents(server, clientId)
    await server.publish("/a", 1)
    await stream.delivered(1)
    await server.stop()
    await until("the end of the stream", () => stream.isEnded)
    assert.isTrue(stream.response.complete, "it ended gracefully")
    const advice = {
      channel: "/meta/connect",
      successful: true,
      clientId,
      advice: { reconnect: "handshake", interval: 1_000 }
    }
    assert.strictEqual(stream.text.split("\r\n\r\n").at(-2), `data: ${JSON.stringify([advice])}`)
  })

  it("notifies a client that was kicked, so that its browser does not reconnect", async () => {
    const server = await serve()
    const clientId = await begin(server)
    const stream = await openEvents(server, clientId)
    await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(clientId, "test")))
    await until("the end of the stream", () => stream.isEnded)
    const [, event, last] = stream.text.split("\r\n\r\n")
    assert.include(event, "\"advice\":{\"reconnect\":\"none\"}")
    assert.strictEqual(last, "id: over\r\ndata: []")
  })

  it("hands its session over to a socket, and the socket to it, without losing a message", async () => {
    const server = await serve()
    const { clientId, socket } = await beginSocket(server, "/a")
    await server.publish("/a", 1)
    await socket.delivered(1)
    const stream = await openEvents(server, clientId)
    await until("the stream to begin", () => stream.text !== "")
    await server.publish("/a", 2)
    await stream.delivered(1)
    socket.send(connectMessage(clientId, "websocket", { advice: { timeout: 0 } }))
    await until(
      "the socket's turn",
      () => socket.messages.filter(({ channel }) => channel === "/meta/connect").length > 1
    )
    await server.publish("/a", 3)
    assert.deepStrictEqual(await socket.delivered(2), [1, 3])
    assert.deepStrictEqual(stream.data, [2])
  })
})

/** The messages in the events that have come as a whole, whatever the chunks were. */
const messagesIn = (bytes: Buffer): ReadonlyArray<Message> => {
  let text = ""
  const start = bytes.indexOf("\r\n\r\n") + 4
  for (let at = start; at < bytes.length;) {
    const lineEnd = bytes.indexOf("\r\n", at)
    if (lineEnd < 0) break
    const length = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16)
    text += bytes.toString("utf8", lineEnd + 2, lineEnd + 2 + length)
    at = lineEnd + 2 + length + 2
  }
  return [...text.matchAll(/data: (.*)\r\n\r\n/g)]
    .flatMap(([, event = ""]) => JSON.parse(event) as ReadonlyArray<Message>)
}

const openRaw = async (server: Server, clientId: string) => {
  const raw = (await connectRaw(server)).send(
    `GET /bayeux/${clientId} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`
  )
  await until("the stream to begin", () => raw.received.includes("retry: 1000"))
  return raw
}

describe("an event stream that is not read", () => {
  const padding = "x".repeat(200_000)

  it("is cut off at the limit; its session continues, and unread messages come by the next one", async () => {
    const server = await serve(withOptions({ maxBuffered: 1_000_000 }))
    const clientId = await begin(server, "/a")
    const raw = await openRaw(server, clientId)
    raw.socket.pause()
    let n = 0
    while (await link(server, clientId) === "Attached") {
      assert.isBelow(n, 500, "it was not cut off")
      await server.publish("/a", { n: ++n, padding })
      await nextTurn()
    }
    raw.socket.resume()
    await raw.closed()
    const read = dataOf(messagesIn(raw.received))
    const rest = await pollAll(server, clientId)
    assert.isAbove(rest.length, 0)
    assert.isUndefined(flawIn(numbersIn([...read, ...rest]), n))
  })

  it("gets each message once although it has read a part of what waited before", async () => {
    const server = await serve(withOptions({ maxBuffered: 16_000_000 }))
    const sockets = socketsOf(server)
    const clientId = await begin(server, "/a")
    const raw = await openRaw(server, clientId)
    const socket = sockets.find(({ remotePort }) => remotePort === raw.socket.localPort)
    let n = 0
    const publish = async () => {
      assert.isBelow(n, 5_000, "it was not cut off")
      await server.publish("/a", { n: ++n, small: "x".repeat(20_000) })
      await nextTurn()
    }
    raw.socket.pause()
    await readALittle(raw, socket, publish)
    while (await link(server, clientId) === "Attached") await publish()
    raw.socket.resume()
    await raw.closed()
    const read = dataOf(messagesIn(raw.received))
    const rest = await pollAll(server, clientId)
    assert.isUndefined(flawIn(numbersIn([...read, ...rest]), n))
  })
})
