/** The monitor pages of two processes on one Redis, between which a session moves. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { Layer, Redacted } from "effect"
import * as RedisEngine from "../../src/engine/redis/RedisEngine.ts"
import { Bayeux, Monitor, NodeServer, Transports } from "../../src/index.ts"
import * as MonitorPage from "../../src/page/MonitorPage.ts"
import { askEnd, openFeed } from "../monitor/support.ts"
import { RedisServer } from "../support/redis.ts"
import { begin, poll, releaseAll, serveLayer } from "../transport/support.ts"

afterEach(releaseAll)

const start = async (url: string) => {
  const server = await serveLayer(
    MonitorPage.layer({ key: Redacted.make("the same") }).pipe(
      Layer.provideMerge(NodeServer.layer({ port: 0 })),
      Layer.provide(Transports.layer),
      Layer.provideMerge(Bayeux.layer()),
      Layer.provideMerge(Layer.mergeAll(RedisEngine.layer({ url }), Monitor.layer()))
    )
  )
  return { ...server, page: new URL("/monitor/", server.url).href }
}

describe.skipIf(inject("redis") === "")("the pages of several processes", () => {
  it("show each session where it is, under the same name, and what there is in all of them", async () => {
    const { url } = await RedisServer.start(inject("redis"))
    const [one, other] = await Promise.all([start(url), start(url)])
    const [here, there] = await Promise.all([openFeed(one.page), openFeed(other.page)])
    assert.isTrue(here.all("hello")[0]?.isShared)
    const clientId = await begin(one, "/a")
    const { sessions: [before] } = await here.expect("tables", ({ sessions }) => sessions.length === 1)
    await poll(other, clientId)
    await there.expect("now", ({ sessions, subscriptions }) => sessions === 1 && subscriptions === 1)
    const { sessions: [after] } = await there.expect("tables", ({ sessions }) => sessions.length === 1)
    assert.strictEqual(after?.name, before?.name)
    await here.expect("now", ({ at, sessions }) => at > (after?.createdAt ?? 0) + 1_000 && sessions === 0)
    await here.expect("tables", ({ cluster }) => cluster?.sessions === 1 && cluster.subscriptions === 1)
    assert.strictEqual((await askEnd(other.page, after?.name ?? "", "enough")).status, 200)
    await there.expect("now", ({ at, sessions }) => at > (after?.lastSeen ?? 0) && sessions === 0)
  })
})
