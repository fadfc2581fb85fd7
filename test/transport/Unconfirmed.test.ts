import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Frame } from "../../src/service/Frame.ts"
import { Unconfirmed } from "../../src/transport/Unconfirmed.ts"
import { runs } from "../support/seeds.ts"

const frame = (size: number): Frame => Object.assign(new Frame(), { size })

describe("what is not confirmed", () => {
  it("is what was written behind the last mark that was confirmed", () => {
    const unconfirmed = new Unconfirmed(1_000)
    const frames = [1, 2, 3, 4].map(frame)
    for (const each of frames.slice(0, 2)) unconfirmed.add(each)
    unconfirmed.mark()
    for (const each of frames.slice(2)) unconfirmed.add(each)
    assert.deepStrictEqual(unconfirmed.frames, frames)
    unconfirmed.confirm()
    assert.deepStrictEqual(unconfirmed.frames, frames.slice(2))
    unconfirmed.mark()
    unconfirmed.confirm()
    assert.isTrue(unconfirmed.isEmpty)
    assert.strictEqual(unconfirmed.bytes, 0)
  })

  it("is bounded in bytes, and always the newest; a mark stays where it was", () => {
    const action = fc.oneof({ weight: 8, arbitrary: fc.nat(300) }, fc.constantFrom("mark" as const, "confirm" as const))
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const unconfirmed = new Unconfirmed(1_000)
        const written: Array<Frame> = []
        let marked = 0
        let confirmed = 0
        for (const action of actions) {
          if (action === "mark") {
            unconfirmed.mark()
            marked = written.length
          } else if (action === "confirm") {
            unconfirmed.confirm()
            confirmed = marked
          } else {
            written.push(frame(action))
            unconfirmed.add(written.at(-1) as Frame)
          }
          const { bytes, frames } = unconfirmed
          assert.isAtMost(bytes, 1_000)
          assert.strictEqual(bytes, frames.reduce((sum, { size }) => sum + size, 0))
          assert.isTrue(frames.length <= written.length - confirmed)
          assert.deepStrictEqual(frames, written.slice(written.length - frames.length))
        }
      }),
      runs()
    )
  })
})
