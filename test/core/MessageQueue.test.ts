import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Channel from "../../src/core/Channel.ts"
import * as Message from "../../src/core/Message.ts"
import * as MessageQueue from "../../src/core/MessageQueue.ts"

const channel = Result.getOrThrow(Channel.parse("/a", 64))
const message = (data: number) => new Message.Delivery(channel, data, undefined, data)
const contents = (queue: MessageQueue.MessageQueue) => MessageQueue.toArray(queue).map(({ data }) => data)

describe("MessageQueue", () => {
  it("gives messages in their order, what came back first", () => {
    const queue = MessageQueue.append(MessageQueue.append(MessageQueue.empty, message(3)), message(4))
    const returned = MessageQueue.prepend(queue, [message(1), message(2)])
    assert.deepStrictEqual(contents(MessageQueue.append(returned, message(5))), [1, 2, 3, 4, 5])
    assert.deepStrictEqual(contents(queue), [3, 4], "the old queue is as it was")
  })

  it("is a list to which both ends can be added", () => {
    const change = fc.record({ atFront: fc.boolean(), data: fc.array(fc.integer(), { maxLength: 3 }) })
    fc.assert(fc.property(fc.array(change), (changes) => {
      let queue = MessageQueue.empty
      let list: ReadonlyArray<number> = []
      for (const { atFront, data } of changes) {
        queue = atFront
          ? MessageQueue.prepend(queue, data.map(message))
          : data.reduce((queue, one) => MessageQueue.append(queue, message(one)), queue)
        list = atFront ? [...data, ...list] : [...list, ...data]
        assert.strictEqual(queue.length, list.length)
      }
      assert.deepStrictEqual(contents(queue), [...list])
    }))
  })

  it("holds 100,000 messages without a deep recursion", () => {
    let queue = MessageQueue.empty
    for (let i = 0; i < 100_000; i++) queue = MessageQueue.append(queue, message(i))
    assert.strictEqual(MessageQueue.toArray(queue).at(-1)?.data, 99_999)
  })
})
