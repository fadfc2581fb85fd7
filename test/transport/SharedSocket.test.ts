/** Several sessions over one WebSocket. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Bayeux, LongPollingTransport, WebSocketTransport } from "../../src/index.ts"
import { Proxy } from "../support/proxy.ts"
import {
  begin,
  bindSocket,
  connectMessage,
  openSocket,
  pollAll,
  releaseAll,
  serve,
  type Server,
  type Socket,
  until
} from "./support.ts"

afterEach(releaseAll)

const link = async (server: Server, clientId: string) => (await server.session(clientId))?.link

/** A socket on which sessions are held, each with a channel of its own. */
const share = async (server: Server, ...channels: ReadonlyArray<string>) => {
  const socket = await openSocket(server)
  const clientIds: Array<string> = []
  for (const channel of channels) {
    const clientId = await begin(server, [channel, "/all"])
    clientIds.push(clientId)
    await bindSocket(server, socket, clientId)
  }
  return { socket, clientIds }
}

const connects = (socket: Socket) => socket.messages.filter(({ channel }) => channel === "/meta/connect")

describe("two sessions on one WebSocket", () => {
  it("both get their messages at once, while the connects of both are held", async () => {
    const server = await serve()
    const { socket } = await share(server, "/a", "/b")
    for (const channel of ["/a", "/b", "/b", "/a", "/all"]) await server.publish(channel, channel)
    const got = (await socket.delivered(6)).map(String).sort()
    assert.deepStrictEqual(got, ["/a", "/a", "/all", "/all", "/b", "/b"], "what is for both comes for each of them")
    assert.deepStrictEqual(connects(socket), [])
  })

  it("have their own messages given back when they have not read them, each to itself", async () => {
    const server = await serve()
    const { clientIds: [a = "", b = ""], socket } = await share(server, "/a", "/b")
    socket.ws.pause()
    const text = ` ${"x".repeat(300_000)}`
    const count = 60
    for (let i = 0; i < count; i++) await server.publish(i % 2 === 0 ? "/a" : "/b", `${i}${text}`)
    const read = () => socket.data.map((data) => Number.parseInt(String(data)))
    socket.ws.terminate()
    await until(
      "both to be detached",
      async () => await link(server, a) === "Detached" && await link(server, b) === "Detached"
    )
    const waiting = async (clientId: string) =>
      (await pollAll(server, clientId)).map((data) => Number.parseInt(String(data)))
    const [ofA, ofB] = [await waiting(a), await waiting(b)]
    assert.isAbove(ofA.length, 0)
    assert.isAbove(ofB.length, 0)
    assert.isTrue(ofA.every((i) => i % 2 === 0) && ofB.every((i) => i % 2 === 1))
    assert.deepStrictEqual(ofA, Array.from({ length: ofA.length }, (_, i) => count - 2 * (ofA.length - i)))
    assert.deepStrictEqual(ofB, Array.from({ length: ofB.length }, (_, i) => count + 1 - 2 * (ofB.length - i)))
    assert.deepStrictEqual(read(), [])
  })

  it("end one by one: the socket stays for the last one, and is closed with it", async () => {
    for (const first of [0, 1]) {
      const server = await serve()
      const { clientIds, socket } = await share(server, "/a", "/b")
      const last = 1 - first
      socket.send({ channel: "/meta/disconnect", clientId: clientIds[first] })
      await socket.message("the end of its connect", ({ advice }) => advice?.reconnect === "none")
      await server.publish(["/a", "/b"][last] ?? "", "still")
      assert.deepStrictEqual(await socket.delivered(1), ["still"])
      socket.send({ channel: "/meta/disconnect", clientId: clientIds[last] })
      assert.strictEqual(await socket.closed(), 1000)
    }
  })

  it("leave it one by one, for another socket or a poll", async () => {
    const server = await serve()
    const { clientIds: [a = "", b = ""], socket } = await share(server, "/a", "/b")
    const other = await openSocket(server)
    other.send(connectMessage(b, "websocket"))
    await until("the superseded connect", () => connects(socket).length === 1)
    await server.publish("/b", 1)
    assert.deepStrictEqual(await other.delivered(1), [1])
    await server.publish("/a", 2)
    assert.deepStrictEqual(await socket.delivered(1), [2])
    await bindSocket(server, socket, b)
    socket.send(connectMessage(b, "websocket"))
    await until("its former connect here or there", () => connects(other).length + connects(socket).length >= 2)
    await server.publish("/b", 3)
    assert.deepStrictEqual(await socket.delivered(2), [2, 3])
    assert.deepStrictEqual(await pollAll(server, a), [], "it was read over the socket")
  })

  it("get again what they have not confirmed when their line falls silent, each its own", async () => {
    const transports = Layer.mergeAll(
      WebSocketTransport.layer({ ping: 400, confirm: 50 }),
      LongPollingTransport.layer()
    )
    const server = await serve({ transports })
    const proxy = await Proxy.start(server.port)
    const behind = { ...server, url: server.url.replace(`:${server.port}`, `:${proxy.port}`) }
    const { clientIds: [a = "", b = ""], socket } = await share(behind, "/a", "/b")
    const { pings } = socket
    await until("pongs", () => socket.pings >= pings + 2)
    proxy.blackHole()
    for (const channel of ["/a", "/b", "/a"]) await server.publish(channel, channel)
    const next = await openSocket(server)
    await bindSocket(server, next, b)
    next.send(connectMessage(b, "websocket"))
    assert.deepStrictEqual(
      await next.delivered(1),
      ["/b"],
      "when the silence is noticed, wherever its session is by then"
    )
    await until("the other to be detached", async () => await link(server, a) === "Detached")
    assert.deepStrictEqual(await pollAll(server, a), ["/a", "/a"])
  })

  it("are answered when the server stops", async () => {
    const server = await serve()
    const { socket } = await share(server, "/a", "/b")
    await server.stop()
    assert.strictEqual(await socket.closed(), 1001)
    assert.strictEqual(connects(socket).length, 2)
  })

  it("are distinguished by extensions", async () => {
    const server = await serve()
    const seen: Array<string> = []
    const { clientIds: [a = "", b = ""], socket } = await share(server, "/a", "/b")
    await server.run(Bayeux.Bayeux.use((bayeux) =>
      bayeux.addExtension({
        name: "names",
        incoming: (message, { clientId }) => Effect.as(Effect.sync(() => seen.push(`in ${clientId}`)), message),
        outgoing: (message, { clientId }) =>
          Effect.sync(() => {
            if ("data" in message) seen.push(`out ${clientId}`)
            return message
          })
      })
    ))
    socket.send({ channel: "/b", data: 1, clientId: b })
    await socket.delivered(1)
    socket.send({ channel: "/a", data: 1, clientId: a })
    await socket.delivered(2)
    assert.deepStrictEqual(seen, [`in ${b}`, `out ${b}`, `in ${a}`, `out ${a}`])
  })
})

describe("a WebSocket with a session", () => {
  it("answers connects of unknown sessions, and keeps nothing of them", async () => {
    const server = await serve()
    const { socket } = await share(server, "/a")
    for (let i = 0; i < 300; i++) socket.send(connectMessage(`nobody${i}`, "websocket"))
    await until("all answers", () => connects(socket).length === 300)
    assert.isTrue(connects(socket).every(({ error }) => error?.startsWith("401:") === true))
    await server.publish("/a", 1)
    assert.deepStrictEqual(await socket.delivered(1), [1])
  })

  it("has room for a hundred more; with the next one they take turns, and no client spins", async () => {
    const server = await serve()
    const channels = Array.from({ length: 102 }, (_, i) => `/c/${i}`)
    const { clientIds, socket } = await share(server, ...channels)
    await until("the superseded connect", () => connects(socket).length > 0)
    assert.deepStrictEqual(connects(socket).map(({ advice }) => advice?.interval), [1_000])
    assert.strictEqual(await link(server, clientIds[0] ?? ""), "Detached")
    for (const channel of channels) await server.publish(channel, channel)
    assert.deepStrictEqual(await socket.delivered(101), channels.slice(1))
    socket.send({ channel: "/meta/disconnect", clientId: clientIds[5] })
    await until("the end of its connect", () => connects(socket).length === 2)
    socket.send(connectMessage(clientIds[0] ?? "", "websocket"))
    assert.strictEqual((await socket.delivered(102)).at(-1), "/c/0")
  })
})
