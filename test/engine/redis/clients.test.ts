/** Clients that go from process to process, or are at two at once. */
import { afterEach, describe, inject, it } from "@effect/vitest"
import type { Transport } from "../../support/roaming.ts"
import { releaseAll } from "../../transport/support.ts"
import { assertKept, type Kind, runRounds, seeds } from "./rounds.ts"
import { assertNoSessions, begin } from "./setting.ts"

afterEach(releaseAll)

const pairs: ReadonlyArray<readonly [Transport, Transport]> = [
  ["long-polling", "long-polling"],
  ["long-polling", "websocket"],
  ["websocket", "websocket"]
]

describe.skipIf(inject("redis") === "")("RedisEngine, when a client", () => {
  it("polls at another process each time, loses and doubles nothing", { timeout: 180_000 }, async () => {
    const setting = await begin()
    const figures = await runRounds({
      name: "another process for each poll",
      setting,
      seeds: seeds(20),
      atOnce: 4,
      fault: ({ published }) => published(30),
      subscribers: ({ restless }) =>
        [false, false, true, true].map((ack): Kind => ({ ack, ways: [["long-polling", restless()]] }))
    })
    assertKept(figures, { mayDouble: false })
    await assertNoSessions(setting)
  })

  it("connects at two processes at once, loses and doubles nothing", { timeout: 180_000 }, async () => {
    const setting = await begin()
    const figures = await runRounds({
      name: "at two processes at once",
      setting,
      seeds: seeds(20),
      fault: ({ published }) => published(30),
      subscribers: ({ at }) => pairs.map(([one, other]): Kind => ({ ack: false, ways: [[one, at(0)], [other, at(1)]] }))
    })
    assertKept(figures, { mayDouble: false })
    await assertNoSessions(setting)
  })
})
