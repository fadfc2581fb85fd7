/** Processes that die without a word, or halt and come back when others have taken their sessions. */
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
import { assertKept, runRounds, seeds } from "./rounds.ts"
import { assertNoSessions, begin, lasting, lease } from "./setting.ts"

afterEach(releaseAll)

describe.skipIf(inject("redis") === "")("RedisEngine, when a process", () => {
  // Twenty starts of a process beside all that publishes: a busy machine needs 200 seconds. What comes to a stand is found
  // much earlier, as each wait of a round has a limit of its own.
  it("is killed, loses nothing", { timeout: 400_000 }, async () => {
    const setting = await begin()
    const { cluster } = setting
    const figures = await runRounds({
      name: "kill -9 of a process",
      setting,
      isDeadly: true,
      seeds: seeds(20),
      fault: async ({ published, random }) => {
        const place = random.below(3)
        await cluster.kill(place)
        await published(random.below(20))
        await cluster.start(place)
      }
    })
    assertKept(figures, { mayDouble: true })
    await assertNoSessions(setting)
  })

  it("is killed long after it has written what a slow client has not read yet, loses none of it", async () => {
    const { cluster } = await begin({ size: 2 })
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

  it("is halted for longer than its lease, loses nothing", { timeout: 180_000 }, async () => {
    const setting = await begin()
    const { cluster } = setting
    const figures = await runRounds({
      name: "SIGSTOP for longer than the lease",
      setting,
      seeds: seeds(20),
      patience: 1.5 * lease,
      fault: async ({ random }) => {
        const place = random.below(3)
        cluster.signal(place, "SIGSTOP")
        await lasting(2 * lease + random.below(lease))
        cluster.signal(place, "SIGCONT")
      }
    })
    assertKept(figures, { mayDouble: true })
    await assertNoSessions(setting)
  })
})
