/**
 * Faye's client over connections that are cut when the server has written an answer and the client has not got it. The
 * proxy has taken all bytes and closes in good order, so nothing tells the server but the client itself: it sends its
 * connect and its publish again, with their ids, at the same process or at another one.
 */
import { Client } from "faye"
import { afterEach, assert, describe, inject, it } from "vitest"
import { openFaye } from "../support/clients.ts"
import { Proxy } from "../support/proxy.ts"
import { atEnd, releaseAll } from "../transport/support.ts"
import { one, several } from "./processes.ts"

afterEach(releaseAll)

const end = "/the/end"
const cuts = 30

const open = async (port: number, transport: string) => {
  const client = await openFaye(Client, { url: `http://127.0.0.1:${port}/bayeux`, transport, retry: 50 })
  atEnd(() => client.close())
  return client
}

/** Cuts in the head of an answer: within its body Faye's client for Node does not notice, but waits for its time-out. */
const cutOften = async (proxy: Proxy) => {
  for (let i = 0; i < cuts; i++) await proxy.cutAfter(1 + i * 61 % 200, "down")
}

/** Publishes numbers for as long as something goes on, each when the one before was accepted; gives their count. */
const publishDuring = async (publisher: Awaited<ReturnType<typeof open>>, isOver: Promise<unknown>) => {
  let goesOn = true
  void isOver.finally(() => goesOn = false)
  let published = 0
  while (goesOn) assert.strictEqual(await publisher.publish("/numbers", published++), "accepted")
  assert.strictEqual(await publisher.publish(end, null), "accepted")
  return published
}

const numbersHeardBy = async (subscriber: Awaited<ReturnType<typeof open>>) => {
  const { delivered } = await subscriber.transcript({ heard: end })
  return delivered.flatMap(({ channel, data }) => channel === "/numbers" ? [data] : [])
}

const places = [
  ["at one process", one, false],
  ["at another process each time", several, true]
] as const

describe.each(places)("Faye's client, cut off again and again, %s", (_, servers, needsRedis) => {
  const isSkipped = needsRedis && inject("redis") === ""

  it.skipIf(isSkipped)("hears by long-polling every message once and in order", async () => {
    const ports = await servers()
    const proxy = await Proxy.start(...ports)
    const publisher = await open(ports[0] ?? 0, "long-polling")
    const subscriber = await open(proxy.port, "long-polling")
    for (const channel of ["/numbers", end]) assert.strictEqual(await subscriber.subscribe(channel), "accepted")
    const clientId = await subscriber.clientId()
    const published = await publishDuring(publisher, cutOften(proxy))
    assert.deepEqual(await numbersHeardBy(subscriber), Array.from({ length: published }, (_, index) => index))
    assert.strictEqual(await subscriber.clientId(), clientId, "it is the same session still")
  })

  it.skipIf(isSkipped).each(["websocket", "long-polling"])(
    "publishes by %s every message once and in order",
    async (transport) => {
      const ports = await servers()
      const proxy = await Proxy.start(...ports)
      const publisher = await open(proxy.port, transport)
      const subscriber = await open(ports[0] ?? 0, "websocket")
      for (const channel of ["/numbers", end]) assert.strictEqual(await subscriber.subscribe(channel), "accepted")
      const published = await publishDuring(publisher, cutOften(proxy))
      assert.deepEqual(await numbersHeardBy(subscriber), Array.from({ length: published }, (_, index) => index))
    }
  )
})
