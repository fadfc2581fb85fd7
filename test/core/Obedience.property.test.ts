/**
 * Clients that follow the advice to the letter never come back faster than a few times a second, whatever becomes of
 * their requests. They are as quick as can be: each reads its answers at once and acts on them the moment it may.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { runs } from "../support/seeds.ts"
import { type Conduct, type Fault, Obedient, World } from "./obedience.ts"

/** Handshake and connect, each once or twice: when a client begins, and when its session has been taken from it. */
const mostPerSecond = 5

const client = fc.record<Conduct>({
  kind: fc.constantFrom("exchange", "socket", "stream"),
  merges: fc.boolean(),
  insists: fc.boolean(),
  acknowledges: fc.boolean(),
  forgets: fc.boolean(),
  /** Whose session it uses, if that is not its own. */
  guestOf: fc.option(fc.nat(3), { nil: undefined }),
  /** Over whose socket it connects, if that is not its own. */
  socketOf: fc.option(fc.nat(3), { nil: undefined }),
  begins: fc.nat(700)
})

const fault = fc.constantFrom<Fault>("none", "away", "no stream", "no handshake", "no connect", "failing", "forgetful")

describe("obedient clients", () => {
  it("do not spin, whoever shares sessions and sockets with whom", () => {
    fc.assert(
      fc.property(fc.array(client, { minLength: 1, maxLength: 5 }), fc.nat(2), (conducts, publishes) => {
        const world = new World()
        const clients = conducts.map((conduct) => new Obedient(world, conduct))
        world.publishes(publishes)
        world.run(20_000)
        for (const { busiest } of clients) assert.isAtMost(busiest, mostPerSecond + publishes)
      }),
      runs(150)
    )
  })

  it("with streams that a proxy has refused are not left deaf", () => {
    const conduct = { kind: "stream", guestOf: undefined, socketOf: undefined, acknowledges: false } as const
    fc.assert(
      fc.property(fc.array(fc.tuple(client, fault), { minLength: 1, maxLength: 4 }), (conducts) => {
        const world = new World()
        const clients = conducts.map(([other]) => new Obedient(world, { ...other, ...conduct }))
        for (const [, fault] of conducts) {
          for (const each of ["no stream", fault] as const) {
            world.fault = each
            world.breakStreams()
            world.run(1_300)
          }
        }
        world.fault = "none"
        world.run(10_000)
        world.tell(world.trial.publish("/a", "last"))
        world.run(10)
        for (const { heard } of clients) assert.deepStrictEqual(heard, ["last"], "by its stream, at once")
      }),
      runs(150)
    )
  })

  it("do not spin, whatever is refused, forgotten or away, and come back when nothing is", () => {
    fc.assert(
      fc.property(
        fc.array(client, { minLength: 1, maxLength: 3 }),
        fc.array(fault, { maxLength: 4 }),
        (conducts, faults) => {
          const world = new World()
          const clients = conducts.map((conduct) => new Obedient(world, conduct))
          for (const fault of faults) {
            world.fault = fault
            world.breakStreams()
            world.run(10_000)
          }
          world.fault = "none"
          world.run(10_000)
          for (const { busiest, isConnected } of clients) {
            assert.isAtMost(busiest, mostPerSecond)
            assert.isTrue(isConnected)
          }
        }
      ),
      runs(150)
    )
  })
})
