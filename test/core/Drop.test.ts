/** Messages that somebody was to get and will not: the machine says of each why, once. */
import { assert, describe, it } from "@effect/vitest"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import * as Message from "../../src/core/Message.ts"
import type { Cause } from "../../src/core/MonitorEvent.ts"
import type { Output } from "../../src/core/Output.ts"
import { Trial } from "./trial.ts"

const drops = (outputs: ReadonlyArray<Output>) =>
  outputs.flatMap((output) => output._tag === "Drop" ? [[output.reason, output.messages]] : [])

/** A session that is away, with so many messages. */
const away = (trial: Trial, messages: number) => {
  const clientId = trial.handshake()
  trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: "/a" })
  for (let n = 0; n < messages; n++) trial.publish("/a", n)
  return clientId
}

describe("messages are lost", () => {
  const causes: ReadonlyArray<Cause> = [{ _tag: "ClientRequest" }, { _tag: "Kicked", reason: "" }, { _tag: "Shutdown" }]

  it.each(causes)("with the session for which they wait, by its $_tag", (cause) => {
    const trial = new Trial()
    const clientId = away(trial, 3)
    assert.deepStrictEqual(drops(trial.step({ _tag: "EndRequested", clientId, cause })), [[cause._tag, 3]])
  })

  it("with a session that outgrows its queue, and so is the one that was too much", () => {
    const trial = new Trial({ maxQueueLength: 2 })
    away(trial, 3)
    assert.deepStrictEqual(drops(trial.outputs), [["QueueOverflow", 1], ["QueueOverflow", 2]])
  })

  it("when a session with nothing left ends: none", () => {
    const trial = new Trial()
    const clientId = away(trial, 0)
    assert.deepStrictEqual(drops(trial.step({ _tag: "EndRequested", clientId, cause: { _tag: "Shutdown" } })), [])
  })

  it("when they come back to a session that has ended", () => {
    const trial = new Trial()
    const clientId = away(trial, 0)
    trial.step({ _tag: "EndRequested", clientId, cause: { _tag: "Shutdown" } })
    const messages = [1, 2].map((n) => new Message.Delivery("/a" as never, n, undefined, n))
    assert.deepStrictEqual(drops(trial.step({ _tag: "Returned", clientId, messages })), [["Unwritten", 2]])
  })

  it("when a publish is refused, by its form, its publisher or the engine", () => {
    const trial = new Trial()
    const exchange = trial.open("exchange")
    const refused = [{ channel: "/a/*", data: 1 }, { channel: "/a", data: 1, clientId: "nobody" }, { channel: "/a" }]
    for (const message of refused) {
      assert.deepStrictEqual(drops(trial.receive(exchange, message)), [["Refused", 1]])
    }
    trial.receive(exchange, { channel: "/a", data: 1 })
    const outcome = trial.steps.at(-1)?.input
    assert(outcome?._tag === "Happened" && outcome.outcome._tag === "Published")
    const { change } = outcome.outcome
    const refusal = { _tag: "Refused", change, error: BayeuxError.unavailable("/a") } as const
    assert.deepStrictEqual(drops(trial.step({ _tag: "Happened", outcome: refusal })), [["Refused", 1]])
  })

  it("by no other refusal", () => {
    const trial = new Trial()
    trial.receive(trial.open("exchange"), { channel: "/meta/connect", clientId: "nobody", connectionType: "x" })
    trial.receive(trial.open("exchange"), { channel: "/meta/what" })
    trial.receive(trial.open("exchange"), "what")
    assert.deepStrictEqual(drops(trial.outputs), [])
  })
})
