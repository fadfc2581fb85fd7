/** An open page that stops reading: the memory for it is bounded, and it is closed in the end. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Feed } from "../../src/page/Feed.ts"
import * as Filter from "../../src/page/Filter.ts"
import { atEnd, connectRaw, releaseAll, until } from "../transport/support.ts"

afterEach(releaseAll)

const show = { event: () => ({}) as never, channel: (channel: string) => channel, cause: <A>(cause: A) => cause }

/** A page that reads or not, and its feed. */
const openPaused = async () => {
  const responses: Array<ServerResponse> = []
  const server = createServer((_, response) => responses.push(response))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  atEnd(() => server.close())
  const raw = await connectRaw({ port: (server.address() as AddressInfo).port })
  raw.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
  raw.socket.pause()
  const response = await until("the request", () => responses[0])
  return { raw, response, feed: new Feed(response, Filter.parse(new URLSearchParams()), undefined, show) }
}

const update = "x".repeat(10_000)

/** Sends until it is not read any more. */
const fill = async (feed: Feed): Promise<void> => {
  await until("the page to be behind", () => {
    for (let n = 0; n < 100 && feed.isReading(0); n++) feed.send("now", update)
    return !feed.isReading(0)
  })
}

describe("a page that does not read", () => {
  it("has at most a buffer waiting, and gets updates when it reads again", async () => {
    const { feed, raw, response } = await openPaused()
    await fill(feed)
    assert.isBelow(response.writableLength, response.writableHighWaterMark + 2 * update.length)
    raw.socket.resume()
    await until("it to have read", () => feed.isReading(1_000))
    feed.send("now", "\"the latest\"")
    await until("the latest", () => raw.received.includes("the latest"))
  })

  it("is closed after half a minute", async () => {
    const { feed, raw, response } = await openPaused()
    await fill(feed)
    assert.isFalse(feed.isReading(29_000))
    assert.isFalse(response.destroyed)
    assert.isFalse(feed.isReading(31_000))
    assert.isTrue(response.destroyed)
    raw.socket.resume()
    await raw.closed()
  })
})
