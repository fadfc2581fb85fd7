import { assert, describe, it } from "@effect/vitest"
import type { Published, Received } from "../../support/roaming.ts"
import { audit, balance } from "./account.ts"

const message = (by: string, n: number, channel = "/a"): Received => ({ by, n, channel })
const published = (by: string, n: number, outcome: Published["outcome"] = "accepted"): Published => ({
  ...message(by, n),
  outcome,
  error: undefined
})
const [a0, a1, a2, b0] = [message("a", 0), message("a", 1), message("a", 2), message("b", 0)]
const all = [published("a", 0), published("a", 1), published("a", 2), published("b", 0)]

describe("an account", () => {
  it.each([
    ["everything in order", [b0, a0, a1, a2], {}],
    ["a message that is missing", [a0, a2, b0], { lost: 1 }],
    ["a message that came twice", [a0, a1, a0, a2, b0], { doubled: 1 }],
    ["a message that came late", [a0, a2, a1, b0], { reordered: 1 }],
    ["messages that came again in order", [a0, a1, b0, a0, a1, a2], { doubled: 2 }],
    ["a message that nobody has sent", [a0, a1, a2, b0, message("c", 0)], { unfounded: 1 }]
  ])("tells of %s", (_, received, expected) => {
    const flaws = { lost: 0, doubled: 0, reordered: 0, unfounded: 0 }
    assert.deepInclude(balance(all, [[received]]), { ...flaws, ...expected, received: received.length, accepted: 4 })
  })

  it("demands nothing of a message whose publisher had no answer, but that it comes once at the most", () => {
    const doubtful = [published("a", 0), published("a", 1, "unknown"), published("a", 2)]
    const account = balance(doubtful, [[[a0, a2]], [[a0, a2, a1]], [[a1, a0, a1, a2]]])
    assert.deepInclude(account, { accepted: 2, unknown: 1, lost: 0, doubled: 1, reordered: 0 })
  })

  it("demands of a refused message that it does not come", () => {
    const account = balance([published("a", 0, "refused")], [[[]], [[a0]]])
    assert.deepInclude(account, { refused: 1, lost: 0, unfounded: 1 })
  })

  it("knows channels apart", () => {
    const two = [published("a", 0), { ...published("a", 1), channel: "/b" }]
    const account = balance(two, [[[message("a", 1, "/b"), a0]]])
    assert.deepInclude(account, { lost: 0, reordered: 0 })
  })

  it("takes the ways of a subscriber together, but does not compare their order", () => {
    const account = balance(all, [[[a1, b0], [a0, a1, a2]]])
    assert.deepInclude(account, { received: 5, lost: 0, doubled: 1, reordered: 0 })
  })
})

describe("an audit", () => {
  const publish = (by: string, n: number) => ({ _tag: "Publish", clientId: null, channel: "/a", data: { by, n } })
  const session = (_tag: string, channel?: string) => ({ _tag, clientId: "s", channel })
  const events = [...all.map(({ by, n }) => publish(by, n)), session("Handshake"), session("Disconnect")]

  it.each([
    ["everything", events, {}],
    ["a publish that was not told", events.slice(1), { untold: 1 }],
    ["an end that was not told", events.slice(0, -1), { untold: 1 }],
    ["a publish that was told twice", [...events, publish("b", 0)], { toldAgain: 1 }],
    ["a subscription that ended twice", [...events, ...[1, 2].map(() => session("Unsubscribe", "/a"))], {
      toldAgain: 1
    }]
  ])("tells of %s", (_, events, expected) => {
    assert.deepStrictEqual(audit(all, ["s"], events), { untold: 0, toldAgain: 0, ...expected })
  })
})
