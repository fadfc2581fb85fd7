import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Channel from "../../src/core/Channel.ts"
import * as Message from "../../src/core/Message.ts"
import * as MessageQueue from "../../src/core/MessageQueue.ts"
import { runs } from "../support/seeds.ts"

const channel = Result.getOrThrow(Channel.parse("/a", 64))
const message = (data: number) => new Message.Delivery(channel, data, undefined, data)
const contents = (queue: MessageQueue.MessageQueue) => MessageQueue.toArray(queue).map(({ data }) => data)

describe("MessageQueue", () => {
  it("gives messages in their order, those that came back in their places", () => {
    const queue = MessageQueue.append(MessageQueue.append(MessageQueue.empty, message(3)), message(5))
    const returned = MessageQueue.restore(queue, [message(1), message(4)])
    assert.deepStrictEqual(contents(MessageQueue.append(returned, message(6))), [1, 3, 4, 5, 6])
    assert.deepStrictEqual(contents(queue), [3, 5], "the old queue is as it was")
    assert.strictEqual(MessageQueue.restore(queue, [message(3)]).length, 2, "nothing is there twice")
  })

  it("gives as many of its first messages as fit, one at least", () => {
    const queue = [1, 2, 3].reduce((queue, data) => MessageQueue.append(queue, message(data)), MessageQueue.empty)
    const { bytes } = message(1)
    for (const [most, expected] of [[1, 1], [bytes, 1], [2 * bytes - 1, 1], [2 * bytes, 2], [3 * bytes, 3]] as const) {
      const [taken, rest] = MessageQueue.take(queue, most)
      assert.deepStrictEqual(taken.map(({ data }) => data), [1, 2, 3].slice(0, expected))
      assert.deepStrictEqual(contents(rest), [1, 2, 3].slice(expected))
      assert.strictEqual(rest.length, 3 - expected)
    }
    assert.deepStrictEqual(MessageQueue.take(MessageQueue.empty, 1), [[], MessageQueue.empty])
  })

  it("is an ordered list to which the end can be added, and anything else anywhere", () => {
    const change = fc.oneof(fc.constant("append" as const), fc.array(fc.nat(30), { maxLength: 3 }))
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        let queue = MessageQueue.empty
        const list = new Set<number>()
        let last = 30
        for (const change of changes) {
          if (change === "append") list.add(++last)
          else change.forEach((one) => list.add(one))
          queue = change === "append"
            ? MessageQueue.append(queue, message(last))
            : MessageQueue.restore(queue, change.map(message))
          assert.strictEqual(queue.length, list.size)
          assert.strictEqual(MessageQueue.first(queue), list.size === 0 ? undefined : Math.min(...list))
        }
        assert.deepStrictEqual(contents(queue), [...list].sort((a, b) => a - b))
      }),
      runs()
    )
  })

  it("holds 100,000 messages without a deep recursion", () => {
    let queue = MessageQueue.empty
    for (let i = 0; i < 100_000; i++) queue = MessageQueue.append(queue, message(i))
    assert.strictEqual(MessageQueue.toArray(queue).at(-1)?.data, 99_999)
  })
})
