import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import { runs } from "../support/seeds.ts"

describe("BayeuxError", () => {
  it("prints Faye's errors as Faye does", () => {
    assert.strictEqual(BayeuxError.print(BayeuxError.clientUnknown("abc")), "401:abc:Unknown client")
    assert.strictEqual(BayeuxError.print(BayeuxError.parameterMissing("data")), "402:data:Missing required parameter")
    assert.strictEqual(BayeuxError.print(BayeuxError.channelForbidden("/meta/*")), "403:/meta/*:Forbidden channel")
    assert.strictEqual(BayeuxError.print(BayeuxError.channelInvalid("/a/**")), "405:/a/**:Invalid channel")
    assert.strictEqual(
      BayeuxError.print(BayeuxError.connectionTypesMismatch(["iframe", "flash"])),
      "301:iframe,flash:Connection types not supported"
    )
    assert.strictEqual(BayeuxError.print(BayeuxError.serverError), "500::Internal server error")
  })

  it("shortens and cleans what a peer has sent", () => {
    assert.strictEqual(BayeuxError.print(BayeuxError.clientUnknown("<b>:\n,")), "401:_b____:Unknown client")
    assert.strictEqual(BayeuxError.print(BayeuxError.clientUnknown("x".repeat(1e6))).length, 122)
    assert.isBelow(BayeuxError.print(BayeuxError.connectionTypesMismatch(Array(10_000).fill("x"))).length, 100)
  })

  const string = "[A-Za-z0-9\\-_!~()$@ /*.]*"
  const grammar = new RegExp(`^\\d{3}:(?:${string}(?:,${string})*)?:${string}$`)

  it("prints nothing but what the specification's grammar allows", () => {
    const code = fc.integer({ min: 0, max: 999 })
    fc.assert(
      fc.property(code, fc.array(fc.string({ unit: "binary" })), fc.string(), (code, args, text) => {
        assert.match(BayeuxError.print(BayeuxError.make(code, args, text)), grammar)
      }),
      runs()
    )
  })
})
