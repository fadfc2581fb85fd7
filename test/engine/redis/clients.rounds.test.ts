/** Clients that go from process to process, or are at two at once, in rounds. */
import { assert, describe, inject, it } from "@effect/vitest"
import type { Transport } from "../../support/roaming.ts"
import { limit, seeds } from "../../support/seeds.ts"
import { assertKept, type Kind, runRounds } from "./rounds.ts"
import { assertNoSessions, share } from "./setting.ts"

const pairs: ReadonlyArray<readonly [Transport, Transport]> = [
  ["long-polling", "long-polling"],
  ["long-polling", "websocket"],
  ["websocket", "websocket"]
]

describe.skipIf(inject("redis") === "")("RedisEngine, when a client", () => {
  const shared = share()

  it("polls at another process each time, loses and doubles nothing", { timeout: limit(180_000) }, async () => {
    const setting = shared()
    const figures = await runRounds({
      name: "another process for each poll",
      setting,
      seeds: seeds(4),
      atOnce: 4,
      fault: ({ published }) => published(30),
      subscribers: ({ restless }) =>
        [false, false, true, true].map((ack): Kind => ({ ack, ways: [["long-polling", restless()]] }))
    })
    assertKept(figures, { mayDouble: false })
    await assertNoSessions(setting)
  })

  it("connects at two processes at once, loses and doubles nothing", { timeout: limit(180_000) }, async () => {
    const setting = shared()
    const figures = await runRounds({
      name: "at two processes at once",
      setting,
      seeds: seeds(4),
      fault: ({ published }) => published(30),
      subscribers: ({ at }) =>
        [false, true].flatMap((ack) =>
          pairs.map(([one, other]): Kind => ({ ack, ways: [[one, at(0)], [other, at(1)]] }))
        )
    })
    assertKept(figures, { mayDouble: false })
    assert.isAbove(figures.overtaken, 0)
    await assertNoSessions(setting)
  })
})
