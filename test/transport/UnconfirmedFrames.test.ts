import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Frame } from "../../src/service/Frame.ts"
import { UnconfirmedFrames } from "../../src/transport/UnconfirmedFrames.ts"
import { runs } from "../support/seeds.ts"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const frame = (size: number): Frame => Object.assign(new Frame(), { size })

describe("what is not confirmed", () => {
  it("is what was written behind the last mark that was confirmed", () => {
    const unconfirmed = new UnconfirmedFrames(1_000)
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
        const unconfirmed = new UnconfirmedFrames(1_000)
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

  it("is each peer's own, whatever others got at the same time", () => {
    const indices = [0, 1, 2, 3]
    const turn = fc.record({
      to: fc.subarray(indices, { minLength: 1 }),
      sizes: fc.array(fc.nat(90), { maxLength: 3 }),
      confirms: fc.subarray(indices)
    })
    fc.assert(fc.property(fc.array(turn, { maxLength: 200 }), (turns) => {
      const peers = indices.map(() => ({ unconfirmed: new UnconfirmedFrames(1_000), written: [] as Array<Frame> }))
      for (const { confirms, sizes, to } of turns) {
        const frames = sizes.map(frame)
        for (const [index, { unconfirmed, written }] of peers.entries()) {
          if (to.includes(index)) {
            frames.forEach((each) => unconfirmed.add(each))
            written.push(...frames)
          }
          const kept = unconfirmed.frames
          const last = written.slice(written.length - kept.length)
          assert.isTrue(kept.every((each, at) => each === last[at]))
          assert.isTrue(kept.length > 0 || written.length === 0)
          if (confirms.includes(index)) {
            unconfirmed.mark()
            unconfirmed.confirm()
            written.length = 0
          }
        }
      }
    }))
  })

  it("of a peer that never confirms anything keeps hardly anything of what others get later", async () => {
    const [silent, other] = [new UnconfirmedFrames(1_000), new UnconfirmedFrames(1_000)]
    const first = frame(10)
    silent.add(first)
    other.add(first)
    const later = Array.from({ length: 500 }, () => {
      const next = frame(10)
      other.add(next)
      return new WeakRef(next)
    })
    other.mark()
    other.confirm()
    new UnconfirmedFrames(1_000).add(frame(1))
    await setImmediate()
    collectGarbage()
    assert.deepStrictEqual(silent.frames, [first])
    assert.isAtMost(later.filter((each) => each.deref() !== undefined).length, 63)
  })
})
