/** Messages that are longer than accepted, by each way; those beside them are carried out. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Client as Faye } from "faye"
import { openFaye } from "../support/clients.ts"
import {
  begin,
  beginSocket,
  connectMessage,
  openSocket,
  poll,
  post,
  releaseAll,
  request,
  serve,
  until
} from "./support.ts"

const json = JSON.stringify
const long = { channel: "/a", data: "x".repeat(1_572_864), id: "1" }
const error = `413:${json(long).length}:Message is longer than 1048576 bytes`

afterEach(releaseAll)

describe("a message that is too long", () => {
  it("is refused by its id over a WebSocket, which stays open", async () => {
    const server = await serve()
    const { clientId, socket } = await beginSocket(server, "/a")
    socket.send({ ...long, clientId }, { channel: "/a", data: 2, id: "2" })
    const refused = await socket.message("a refusal", ({ id }) => id === "1")
    assert.deepStrictEqual([refused.channel, refused.successful, refused.error?.slice(0, 4)], ["/a", false, "413:"])
    await socket.message("the other message", ({ data }) => data === 2)
    assert.isUndefined(socket.closing)
  })

  it.each(["application/json", "application/x-www-form-urlencoded", "text/plain"])(
    "is refused by its id in a body of the type %s",
    async (type) => {
      const server = await serve()
      const clientId = await begin(server, "/a")
      const text = json([long, { channel: "/a", data: 2, id: "2" }])
      const body = type.includes("form") ? `message=${encodeURIComponent(text)}` : text
      const { messages, status } = await request(server.url, {
        method: "POST",
        body,
        headers: { "Content-Type": type }
      })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(messages, [
        { channel: "/a", successful: false, id: "1", error },
        { channel: "/a", successful: true, id: "2" }
      ])
      assert.deepStrictEqual(await poll(server, clientId), [2])
    }
  )

  it("is no reason to refuse a batch that is as long without it", async () => {
    const server = await serve()
    const clientId = await begin(server, "/a")
    const batch = Array.from({ length: 30 }, (_, id) => ({ channel: "/a", data: "x".repeat(100_000), id }))
    assert.isTrue((await post(server, batch)).messages.every(({ successful }) => successful))
    await until("all of them", async () => (await poll(server, clientId)).length > 0)
  })

  it("sends its client back later when it is a connect", async () => {
    const server = await serve()
    const socket = await openSocket(server)
    socket.send({ ...connectMessage("x", "websocket"), ext: "x".repeat(1_572_864), id: "c" })
    const refused = await socket.message("a refusal", ({ id }) => id === "c")
    assert.deepStrictEqual(refused.advice, { reconnect: "handshake", interval: 1_000 })
  })
})

describe("a publish of Faye's client that is too long", () => {
  it.each(["websocket", "long-polling"])("ends over %s, and the next one is delivered", async (transport) => {
    const server = await serve()
    const client = await openFaye(Faye, { url: server.url, transport, retry: 5_000 })
    try {
      assert.strictEqual(await client.subscribe("/a"), "accepted")
      assert.match(await client.publish("/a", long.data), /Message is longer than 1048576 bytes/)
      assert.strictEqual(await client.publish("/a", 1), "accepted")
      assert.deepStrictEqual((await client.transcript({ heard: "/a" })).delivered.map(({ data }) => data), [1])
    } finally {
      await client.close()
    }
  })
})
