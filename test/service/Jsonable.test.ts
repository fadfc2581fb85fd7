import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Schema } from "effect"
import type { Jsonable } from "../../src/service/Jsonable.ts"

interface Chat {
  readonly text: string
  readonly reply?: { readonly to: number } | undefined
  readonly tags: ReadonlyArray<string>
}

class Point {
  readonly x = 1
  toJSON() {
    return { x: this.x }
  }
}

const Order = Schema.Struct({ id: Schema.Int, note: Schema.optionalKey(Schema.String) })

/** Whether a value may be published, as the compiler says. */
declare const publish: <A>(data: A & Jsonable<A>) => void

describe("Jsonable", () => {
  it("is what an interface, a schema or a class with toJSON describes", () => {
    expectTypeOf<Jsonable<Chat>>().toEqualTypeOf<Chat>()
    expectTypeOf<Chat>().toExtend<Jsonable<Chat>>()
    expectTypeOf<typeof Order.Type>().toExtend<Jsonable<typeof Order.Type>>()
    expectTypeOf<Date>().toExtend<Jsonable<Date>>()
    expectTypeOf<Point>().toExtend<Jsonable<Point>>()
    expectTypeOf<Schema.Json>().toExtend<Jsonable<Schema.Json>>()
  })

  it("is nothing that JSON loses", () => {
    expectTypeOf<Jsonable<undefined>>().toBeNever()
    expectTypeOf<Jsonable<bigint>>().toBeNever()
    expectTypeOf<Jsonable<() => void>>().toBeNever()
    expectTypeOf<Jsonable<unknown>>().toBeNever()
    const calls = (): ReadonlyArray<() => void> => [
      // @ts-expect-error a function
      () => publish({ act: () => 1 }),
      // @ts-expect-error a map, which is {} in JSON
      () => publish(new Map([["a", 1]])),
      // @ts-expect-error a bigint, at any depth
      () => publish({ list: [{ n: 1n }] })
    ]
    assert.lengthOf(calls(), 3)
  })
})
