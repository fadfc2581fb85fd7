/** A process that dies while a slow client reads what it has written. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import {
  begin as beginSession,
  clientFrame,
  connectMessage,
  connectRawWebSocket,
  dataOf,
  messagesInFrames,
  type Numbered,
  poll,
  post,
  releaseAll,
  until
} from "../../transport/support.ts"
import { begin, lasting, lease } from "./setting.ts"

afterEach(releaseAll)

describe.skipIf(inject("redis") === "")("RedisEngine, when a process", () => {
  it("is killed long after it has written what a slow client has not read yet, loses none of it", async () => {
    const { cluster } = await begin({ size: 2, lease })
    const [here = "", there = ""] = cluster.urls
    const clientId = await beginSession({ url: there }, "/a")
    const socket = await connectRawWebSocket({ port: Number(new URL(here).port) })
    socket.send(clientFrame(JSON.stringify([connectMessage(clientId, "websocket")])))
    await until("the session to arrive", () => cluster.members[0]?.command.stdout.includes(`"Arrive"`))
    socket.socket.pause()
    const padding = "x".repeat(200_000)
    const count = 60
    for (let n = 1; n <= count; n++) await post({ url: there }, [{ channel: "/a", data: { n, padding } }])
    await lasting(2 * lease)
    await cluster.kill(0)
    socket.socket.resume()
    await socket.closed()
    const read = dataOf(messagesInFrames(socket.received)) as ReadonlyArray<Numbered>
    assert.isBelow(read.length, count, "it was slow")
    const received = new Set(read.map(({ n }) => n))
    await until(() => `the rest of the messages behind ${received.size}`, async () => {
      for (const { n } of await poll({ url: there }, clientId) as ReadonlyArray<Numbered>) received.add(n)
      return received.size === count
    })
  })
})
