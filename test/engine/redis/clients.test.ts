/** Clients that go from process to process, or are at two at once. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import {
  begin as beginSession,
  connectMessage,
  handshakeMessage,
  openSocket,
  post,
  releaseAll,
  subscribeMessage,
  until
} from "../../transport/support.ts"
import { begin } from "./setting.ts"

afterEach(releaseAll)

describe.skipIf(inject("redis") === "")("RedisEngine, when a client", () => {
  it("tells two processes the same number, is given the same by both; what it acknowledges by neither", async () => {
    const { cluster: { urls: [one = "", other = ""] } } = await begin({ size: 2 })
    const ask = async (url: string, ...messages: ReadonlyArray<unknown>) => (await post({ url }, messages)).messages
    const [{ clientId = "" } = {}] = await ask(one, { ...handshakeMessage, ext: { ack: true } })
    await ask(one, subscribeMessage(clientId, ["/a"]))
    const connect = async (url: string, ack: number) => {
      const [reply, ...others] = await ask(
        url,
        connectMessage(clientId, "long-polling", { ext: { ack }, advice: { timeout: 0 } })
      )
      return { number: reply?.ext?.ack, data: others.map(({ data }) => data) }
    }
    await ask(other, { channel: "/a", data: 1 })
    await until("the message", async () => (await connect(one, -1)).data.length > 0)
    const first = await connect(one, -1)
    assert.deepStrictEqual(first.data, [1])
    assert.deepStrictEqual(await connect(other, -1), first)
    assert.deepStrictEqual(await connect(one, Number(first.number)), { number: undefined, data: [] })
    assert.deepStrictEqual(await connect(other, Number(first.number)), { number: undefined, data: [] })
  })

  it("polls at two processes at once, as it is advised, makes no haste and gets each message", async () => {
    const { cluster: { urls: [one = "", other = ""] } } = await begin({ size: 2 })
    const clientId = await beginSession({ url: one }, "/a")
    const heard: Array<unknown> = []
    const superseded: Array<number | undefined> = []
    const poll = async (url: string) => {
      while (!heard.includes("end")) {
        const { messages: [reply, ...others] } = await post({ url }, [connectMessage(clientId)])
        heard.push(...others.map(({ data }) => data))
        if (others.length === 0) superseded.push(reply?.advice?.interval)
        await new Promise((resolve) => setTimeout(resolve, reply?.advice?.interval ?? 0))
      }
    }
    const polling = Promise.all([poll(one), poll(other)])
    await post({ url: other }, [{ channel: "/a", data: 1 }])
    await until("them to have taken turns", () => superseded.length >= 4)
    await post({ url: one }, [{ channel: "/a", data: "end" }])
    await until("the last message", () => heard.includes("end"))
    await post({ url: one }, [{ channel: "/meta/disconnect", clientId }])
    await polling
    assert.deepStrictEqual(heard, [1, "end"])
    assert.isTrue(superseded.slice(0, 4).every((interval) => interval === 1_000), superseded.join())
  })

  it("shares a socket with another one, at a process where neither was before", async () => {
    const { cluster: { urls: [one = "", other = ""] } } = await begin({ size: 2 })
    const clientIds = [await beginSession({ url: one }, "/a"), await beginSession({ url: one }, "/b")]
    const socket = await openSocket({ url: other })
    for (const clientId of [...clientIds, "nobody"]) socket.send(connectMessage(clientId, "websocket"))
    await socket.message("an answer to the one that is unknown", ({ error }) => error?.startsWith("401:") === true)
    for (const data of [1, 2, 3]) {
      for (const channel of ["/a", "/b"]) await post({ url: one }, [{ channel, data }])
    }
    await until("all messages", () => socket.data.length >= 6)
    assert.deepStrictEqual(socket.data.map(String).sort(), ["1", "1", "2", "2", "3", "3"])
    for (const clientId of clientIds) await post({ url: one }, [{ channel: "/meta/disconnect", clientId }])
    assert.strictEqual(await socket.closed(), 1000)
  })
})
