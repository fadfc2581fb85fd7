/** What can happen to the machine: arbitrary actions of its clients, its connections and the clock. */
import * as fc from "fast-check"
import type { Kind } from "../../../src/core/Connection.ts"

export const channels = ["/a", "/b", "/a/b", "/a/b/c", "/service/x", "/meta/x", "/a/*", "bad"]
export const patterns = ["/a", "/b", "/a/b", "/*", "/a/*", "/**", "/a/**", "/a/b/*", "/meta/*", "/service/x", "/x y"]

export const isSubscribable = (pattern: string) => !/^\/(?:meta|service)\//.test(pattern) && !pattern.includes(" ")
export const isPublishable = (channel: string) => /^(?:\/[a-z]+)+$/.test(channel) && !channel.startsWith("/meta/")

/** Deliberately unlike `Channel.expand`. */
export const isMatch = (pattern: string, channel: string): boolean =>
  !channel.startsWith("/service/") &&
  new RegExp(`^${pattern.replace(/\*\*$/, ".+").replace(/\*$/, "[^/]+")}$`).test(channel)

export const session = fc.nat(5)
export const route = fc.record({ kind: fc.constantFrom<Kind>("exchange", "socket"), reuse: fc.option(fc.nat(7)) })

export const action = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("handshake" as const),
      route,
      local: fc.boolean(),
      acknowledges: fc.boolean(),
      isFaye: fc.boolean(),
      identity: fc.constantFrom(undefined, "alice", "bob")
    })
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("connect" as const),
      session,
      route,
      timeout: fc.constantFrom(undefined, 0, 300, 9_999),
      type: fc.constantFrom("websocket", "long-polling", "long-polling", "eventsource", "iframe"),
      withPublish: fc.boolean(),
      nonsense: fc.option(fc.constantFrom(undefined, -1, 0.5, 1e300, "1"), { freq: 5 }),
      isLost: fc.boolean(),
      isReset: fc.boolean()
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("subscribe" as const, "unsubscribe" as const),
      session,
      route,
      patterns: fc.array(fc.constantFrom(...patterns), { maxLength: 3 })
    })
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      session: fc.option(session),
      route,
      channel: fc.constantFrom(...channels)
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("disconnect" as const), session, route }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kick" as const), session }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("stream" as const), session }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("late" as const), session, behind: fc.nat(3) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("close" as const), connection: fc.nat(7), unwritten: fc.nat(2) })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const), connection: fc.nat(7), goesOn: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("endTurn" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("hear" as const), connection: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("halt" as const), millis: fc.constantFrom(1, 999, 10_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("advance" as const), millis: fc.constantFrom(1, 299, 700, 1_000, 1_999) })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("garbage" as const), route, message: fc.jsonValue() }) }
)
export type Action = typeof action extends fc.Arbitrary<infer A> ? A : never
export type Of<Do extends Action["do"]> = Extract<Action, { readonly do: Do }>
