/** Messages that extensions refuse, and when their clients come back. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Advice } from "../../src/core/Advice.ts"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import * as Message from "../../src/core/Message.ts"
import type { Raw } from "../../src/core/Message.ts"
import { refuse } from "../../src/service/Extension.ts"
import { answer, ask, Client, failure, handshake, record, toldIn } from "../engine/laws.ts"
import { incoming, isOn, log, on, outgoing, pass, scenario, type Service } from "./extensions.ts"

describe("a refusal", () => {
  scenario("by a sentence is a 403 for this message and nothing for the others", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      yield* bayeux.addExtension(incoming(on("/secret", () => refuse("Not for you"))))
      const replies = yield* answer(
        bayeux,
        { channel: "/a", data: 1, id: "1" },
        { channel: "/secret", data: 2, id: "2" },
        { channel: "/a", data: 3, id: "3" }
      )
      assert.deepStrictEqual(replies, [
        { channel: "/a", successful: true, id: "1" },
        { channel: "/secret", successful: false, id: "2", error: "403::Not for you" },
        { channel: "/a", successful: true, id: "3" }
      ])
      assert.deepStrictEqual((yield* toldIn(bayeux, events)).map((event) => event["data"]), [1, 3])
      assert.deepStrictEqual(log, [], "it is meant, so it is not logged")
    }))

  scenario("may have a code, arguments and advice of its own", (bayeux) =>
    Effect.gen(function*() {
      const events = yield* record
      const error = BayeuxError.make(407, ["realm", "user"], "Log in first")
      yield* bayeux.addExtension(incoming(on("/meta/handshake", () => refuse(error, { reconnect: "none" }))))
      const reply = yield* ask(bayeux, { ...handshake, id: 9 })
      assert.deepStrictEqual(reply, {
        channel: "/meta/handshake",
        successful: false,
        id: 9,
        version: "1.0",
        supportedConnectionTypes: ["websocket", "long-polling", "eventsource"],
        error: "407:realm,user:Log in first",
        advice: { reconnect: "none" }
      })
      assert.deepStrictEqual(yield* toldIn(bayeux, events), [], "no session has begun")
    }))

  scenario("repeats the subscription that it refuses, and none of it is granted", (bayeux) =>
    Effect.gen(function*() {
      const client = yield* Client.make(bayeux)
      yield* bayeux.addExtension(incoming(on("/meta/subscribe", () => refuse("No"))))
      const { clientId } = client
      const reply = yield* ask(bayeux, { channel: "/meta/subscribe", clientId, subscription: ["/a", "/b"] })
      assert.deepStrictEqual(reply, {
        channel: "/meta/subscribe",
        successful: false,
        clientId,
        subscription: ["/a", "/b"],
        error: "403::No"
      })
      assert.deepStrictEqual(yield* bayeux.subscribers("/a"), [])
    }))

  scenario("of the application's own message fails what it asked for", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming((message) =>
        isOn(message, "/a") || message["subscription"] === "/a" ? refuse("Closed") : Effect.succeed(message)
      ))
      const publishing = yield* failure(bayeux.publish("/a", 1))
      assert.strictEqual(publishing.message, "Publishing to \"/a\" was refused: 403::Closed")
      const subscribing = yield* failure(Effect.scoped(bayeux.subscription("/a")))
      assert.strictEqual(subscribing.message, "Subscribing to \"/a\" was refused: 403::Closed")
      assert.deepStrictEqual(yield* bayeux.sessions, [])
    }))

  scenario("of an answer is what is answered instead", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(outgoing(on("/a", () => refuse("Not said", { reconnect: "none" }))))
      assert.deepStrictEqual(yield* answer(bayeux, { channel: "/a", data: 1, id: "1" }), [
        { channel: "/a", successful: false, id: "1", error: "403::Not said", advice: { reconnect: "none" } }
      ])
    }))
})

/** A client of CometD's; Faye's has types that only it has. */
const types = { plain: ["websocket", "long-polling"], insistent: ["in-process", "websocket", "long-polling"] }
const shakingHands = (supportedConnectionTypes: ReadonlyArray<string>) => ({ ...handshake, supportedConnectionTypes })

describe("a client that is refused", () => {
  const adviceOf = (bayeux: Service, message: object) => Effect.map(ask(bayeux, message), ({ advice }) => advice)
  const isBetween = (interval: number | undefined, least: number, most: number) => {
    assert.isAtLeast(interval ?? 0, least)
    assert.isAtMost(interval ?? 0, most)
  }

  for (const channel of ["/meta/handshake", "/meta/connect"]) {
    scenario(
      `on ${channel} comes back after a second or a bit more, and not all at once`,
      (bayeux) =>
        Effect.gen(function*() {
          yield* bayeux.addExtension(incoming(on(channel, () => refuse("No"))))
          const intervals: Array<number | undefined> = []
          for (let i = 0; i < 20; i++) {
            const advice = yield* adviceOf(bayeux, { ...shakingHands(types.plain), channel, clientId: "x" })
            assert.strictEqual(advice?.reconnect, "handshake")
            isBetween(advice?.interval, 1_000, 1_500)
            intervals.push(advice?.interval)
          }
          assert.isAbove(new Set(intervals).size, 10)
        })
    )

    scenario(
      `by an extension that fails, on ${channel}, stays away for five seconds`,
      (bayeux) =>
        Effect.gen(function*() {
          yield* bayeux.addExtension(incoming(on(channel, () => Effect.die(new Error("The database is away")))))
          const advice = yield* adviceOf(bayeux, { ...shakingHands(types.plain), channel, clientId: "x" })
          assert.strictEqual(
            advice?.reconnect,
            channel === "/meta/connect" ? "retry" : "handshake",
            "it keeps its session"
          )
          isBetween(advice?.interval, 5_000, 7_500)
        })
    )
  }

  scenario("is told what the extension says", (bayeux) =>
    Effect.gen(function*() {
      const said: Array<Advice> = [{ reconnect: "none" }, { reconnect: "retry", interval: 10 }, { interval: 60_000 }]
      const told: Array<unknown> = []
      for (const advice of said) {
        const saying = incoming(on("/meta/handshake", () => refuse("No", advice)))
        yield* bayeux.addExtension(saying)
        told.push(yield* adviceOf(bayeux, shakingHands(types.plain)))
        yield* bayeux.removeExtension(saying)
      }
      assert.deepStrictEqual(told, [...said.slice(0, 2), { reconnect: "handshake", interval: 60_000 }])
    }))

  scenario("with something that it does not repeat is not told to stay away", (bayeux) =>
    Effect.gen(function*() {
      yield* bayeux.addExtension(incoming(on("/a", () => refuse("No"))))
      yield* bayeux.addExtension(incoming(on("/b", () => Effect.die("broken"))))
      for (const channel of ["/a", "/b"]) assert.isUndefined(yield* adviceOf(bayeux, { channel, data: 1 }))
    }))

  for (const direction of ["incoming", "outgoing"] as const) {
    scenario(
      `and shakes hands again by itself is not told to do so as well, when the ${direction} message is refused`,
      (bayeux) =>
        Effect.gen(function*() {
          yield* bayeux.addExtension({ name: "test", [direction]: on("/meta/handshake", () => refuse("No")) })
          const reconnects: Array<unknown> = []
          for (const each of [types.plain, types.insistent]) {
            reconnects.push((yield* adviceOf(bayeux, shakingHands(each)))?.reconnect)
          }
          assert.deepStrictEqual(reconnects, ["handshake", "retry"])
        })
    )
  }

  scenario(
    "for a long time, by an extension that fails, is told of in the log once a minute",
    (bayeux) =>
      Effect.gen(function*() {
        yield* bayeux.addExtension({
          name: "auth",
          incoming: on("/meta/handshake", () => Effect.die(new Error("The database is away")))
        })
        for (let i = 0; i < 100; i++) yield* ask(bayeux, shakingHands(types.plain))
        assert.strictEqual(log.length, 1)
        yield* pass(60_000)
        assert.deepStrictEqual(log.slice(1), [
          "Extension \"auth\" failed with 99 more incoming messages within 1m, the last time with Error: The database is away"
        ])
      })
  )
})

describe("a message that is too long", () => {
  scenario("is seen by no extension, and told of in the log once a minute", (bayeux) =>
    Effect.gen(function*() {
      const seen: Array<Raw> = []
      yield* bayeux.addExtension(incoming((message) => Effect.as(Effect.sync(() => seen.push(message)), message)))
      const long = new Message.TooLong({ channel: "/a", id: "1" }, 200, 100)
      assert.deepStrictEqual<unknown>(yield* ask(bayeux, long), {
        channel: "/a",
        successful: false,
        id: "1",
        error: "413:200:Message is longer than 100 bytes"
      })
      for (let i = 0; i < 3; i++) yield* ask(bayeux, long)
      yield* pass(60_000)
      assert.deepStrictEqual(seen, [])
      assert.deepStrictEqual(log, [
        "A message of 200 bytes on \"/a\" was refused: the longest that is accepted has 100",
        "3 more messages were longer than 100 bytes within 1m"
      ])
    }))
})
