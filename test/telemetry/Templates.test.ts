import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { other, Template, Templates } from "../../src/telemetry/Templates.ts"

describe("a template", () => {
  const isTemplate = Schema.is(Template)

  it.each(["/a", "/rooms/{room}", "/{a}/b/{c_1}", "/service/x"])("may be %s", (text) => {
    assert.isTrue(isTemplate(text))
  })

  it.each(["", "a", "/", "/a/", "/a/*", "/rooms/**", "/{}", "/{1}", "/a{b}", "/{a}b", "/{a", "/a b"])(
    "cannot be %j",
    (text) => assert.isFalse(isTemplate(text))
  )
})

describe("templates", () => {
  const templates = new Templates(["/rooms/lobby", "/rooms/{room}", "/{any}/x/{thing}", "/rooms/lobby"])

  it.each([
    ["/rooms/lobby", "/rooms/lobby"],
    ["/rooms/7", "/rooms/{room}"],
    ["/a/x/b", "/{any}/x/{thing}"],
    ["/a/y/b", undefined],
    ["/rooms", undefined],
    ["/rooms/7/x", undefined],
    ["rooms", undefined]
  ])("tell of %s that it is one of %s", (channel, template) => {
    for (let time = 0; time < 2; time++) {
      assert.strictEqual(templates.of(channel), template)
      assert.strictEqual(templates.names[templates.indexOf(channel)], template ?? other)
    }
  })

  it("are each there once", () => {
    assert.deepStrictEqual(templates.names, ["/rooms/lobby", "/rooms/{room}", "/{any}/x/{thing}", other])
  })

  it("remember no more channels than they can forget", () => {
    for (let n = 0; n < 25_000; n++) assert.strictEqual(templates.of(`/rooms/${n}`), "/rooms/{room}")
    assert.strictEqual(templates.of("/rooms/0"), "/rooms/{room}")
  })
})
