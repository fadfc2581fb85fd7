/**
 * CometD's client with its acknowledgement extension, over connections that are cut when the server has written an answer
 * and the client has not got it. The proxy has taken all bytes and closes in good order, so nothing tells the server.
 * The client gives up the connect that was cut off and connects again with the same number: at the same process, or at
 * another one.
 */
import { AckExtension, CometD } from "cometd"
import { adapt } from "cometd-nodejs-client"
import { afterEach, assert, describe, inject, it } from "vitest"
import { openCometd } from "../support/clients.ts"
import { Proxy } from "../support/proxy.ts"
import { atEnd, releaseAll } from "../transport/support.ts"
import { one, several } from "./processes.ts"

adapt()
afterEach(releaseAll)

const end = "/the/end"

const open = async (port: number, transport: string, ...extensions: ReadonlyArray<AckExtension>) => {
  const client = await openCometd(
    CometD,
    { url: `http://127.0.0.1:${port}/bayeux`, transport, retry: 5 },
    ...extensions
  )
  atEnd(() => client.close())
  return client
}

/** Cuts in the head of an answer, in it and behind it. */
const cutOften = async (proxy: Proxy) => {
  for (let i = 0; i < 50; i++) await proxy.cutAfter(1 + i * 61 % 700, "down")
}

/** What a client hears of all that is published until its connections have been cut 50 times. */
const hear = async (servers: typeof one, transport: string, ...extensions: ReadonlyArray<AckExtension>) => {
  const ports = await servers()
  const proxy = await Proxy.start(...ports)
  const publisher = await open(ports[0] ?? 0, transport)
  const subscriber = await open(proxy.port, transport, ...extensions)
  for (const channel of ["/numbers", end]) assert.strictEqual(await subscriber.subscribe(channel), "accepted")
  const clientId = await subscriber.clientId()

  const whenever = async (isOver: Promise<unknown>, publish: () => Promise<string>) => {
    let goesOn = true
    void isOver.finally(() => goesOn = false)
    while (goesOn) assert.strictEqual(await publish(), "accepted")
  }
  let published = 0
  await whenever(cutOften(proxy), () => publisher.publish("/numbers", published++))
  // The end may be lost, too, by a client that does not acknowledge.
  const hearing = subscriber.transcript({ heard: end })
  await whenever(hearing, () => publisher.publish(end, null))

  assert.strictEqual(await subscriber.clientId(), clientId, "it is the same session still")
  const { delivered } = await hearing
  return { published, heard: delivered.flatMap(({ channel, data }) => channel === "/numbers" ? [data] : []) }
}

describe.each(["websocket", "long-polling"])("CometD's client over %s, cut off 50 times", (transport) => {
  it("hears every message once and in order if it acknowledges", async () => {
    const { heard, published } = await hear(one, transport, new AckExtension())
    assert.deepEqual(heard, Array.from({ length: published }, (_, index) => index))
  })

  it.skipIf(inject("redis") === "")(
    "does so, too, when it comes to another process each time",
    async () => {
      const { heard, published } = await hear(several, transport, new AckExtension())
      assert.deepEqual(heard, Array.from({ length: published }, (_, index) => index))
    }
  )

  it("misses messages if it does not", async () => {
    const { heard, published } = await hear(one, transport)
    assert.isBelow(new Set(heard).size, published)
  })
})
