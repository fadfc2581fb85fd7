import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import * as Channel from "../../src/core/Channel.ts"
import { runs } from "../support/seeds.ts"

const parse = (name: string) => Result.getOrThrow(Channel.parse(name, 64))
const errorOf = <A>(result: Result.Result<A, BayeuxError.BayeuxError>) =>
  Result.isFailure(result) ? BayeuxError.print(result.failure) : "no error"

describe("Channel", () => {
  it("expands a channel to all patterns that match it", () => {
    assert.sameMembers([...Channel.expand(parse("/a"))], ["/a", "/*", "/**"])
    assert.sameMembers([...Channel.expand(parse("/a/b"))], ["/a/b", "/a/*", "/a/**", "/**"])
    assert.sameMembers([...Channel.expand(parse("/a/b/c"))], ["/a/b/c", "/a/b/*", "/a/b/**", "/a/**", "/**"])
  })

  it("keeps service channels to patterns below /service", () => {
    assert.sameMembers([...Channel.expand(parse("/service/echo"))], ["/service/echo", "/service/*", "/service/**"])
  })

  it.each(["/foo", "/foo/bar", "/foo-bar/(foobar)", "/a_b!~/$@", "/0"])("takes %s for a channel", (name) => {
    assert.isTrue(Result.isSuccess(Channel.parse(name, 64)))
  })

  it.each(["", "/", "foo", "/foo/", "//foo", "/foo bar", "/föö", "/foo.bar", "/foo/*", "/**", "/foo\n", "/a/../b c"])(
    "does not take %j for a channel",
    (name) => assert.match(errorOf(Channel.parse(name, 64)), /^405:.*:Invalid channel$/)
  )

  it.each(["/foo", "/*", "/**", "/foo/*", "/foo/bar/**"])("takes %s for a pattern", (name) => {
    assert.isTrue(Result.isSuccess(Channel.parsePattern(name, 64)))
  })

  it.each(["/foo*", "/*/foo", "/**/foo", "/***", "*", "/foo/**/", "/foo/*/**"])(
    "does not take %j for a pattern",
    (name) => {
      assert.match(errorOf(Channel.parsePattern(name, 64)), /^405:.*:Invalid channel$/)
    }
  )

  it("bounds the number of segments", () => {
    const name = "/a".repeat(4)
    assert.isTrue(Result.isSuccess(Channel.parse(name, 4)))
    assert.strictEqual(errorOf(Channel.parse(name, 3)), "405:/a/a/a/a:Too many channel segments")
    assert.match(errorOf(Channel.parse("/a".repeat(50_000), 64)), /Too many channel segments$/)
  })

  it("knows meta and service channels by whole segments", () => {
    assert.isTrue(Channel.isMeta("/meta"))
    assert.isTrue(Channel.isMeta("/meta/connect"))
    assert.isFalse(Channel.isMeta("/metadata"))
    assert.isTrue(Channel.isService("/service/x"))
    assert.isFalse(Channel.isService("/services/x"))
    assert.isFalse(Channel.isSubscribable("/meta/**"))
    assert.isFalse(Channel.isSubscribable("/service/*"))
    assert.isTrue(Channel.isSubscribable("/**"))
  })

  /** The specification's rule, word for word: `*` is one segment, `**` is one or more. */
  const matches = (pattern: string, channel: string): boolean => {
    if (pattern === channel) return true
    const wanted = pattern.split("/"), given = channel.split("/")
    const wild = wanted.pop()
    const isPrefix = wanted.every((segment, i) => segment === given[i])
    if (wild === "*") return isPrefix && given.length === wanted.length + 1
    return wild === "**" && isPrefix && given.length > wanted.length
  }

  it("expands to exactly the patterns that match by the specification", () => {
    const segments = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 5 })
    const name = segments.map((parts) => `/${parts.join("/")}`)
    const pattern = fc.tuple(
      fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 4 }),
      fc.constantFrom("*", "**", "a")
    )
      .map(([parts, last]) => `/${[...parts, last].join("/")}`)
    fc.assert(
      fc.property(name, pattern, (name, pattern) => {
        assert.strictEqual(
          (Channel.expand(parse(name)) as ReadonlyArray<string>).includes(pattern),
          matches(pattern, name)
        )
      }),
      runs(2_000)
    )
  })

  it("parses whatever it is given", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        Channel.parse(name, 64)
        Channel.parsePattern(`/${name}`, 64)
      }),
      runs()
    )
  })
})
