import { assert, describe, it } from "@effect/vitest"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import type * as Message from "../../src/core/Message.ts"
import * as State from "../../src/core/State.ts"
import { deliveredTo, eventsIn, repliesIn, Trial } from "./trial.ts"

/** The only reply to a single request over a connection of its own. */
const ask = (trial: Trial, message: unknown): Message.Reply =>
  repliesIn(trial.receive(trial.open("exchange"), message))[0] ?? { successful: false, error: "no reply" }

const handshake = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["long-polling"] }

describe("/meta/handshake", () => {
  it("begins a session and says what is offered", () => {
    const trial = new Trial()
    const reply = ask(trial, { ...handshake, id: "1", minimumVersion: "1.0beta" })
    assert.deepStrictEqual(reply, {
      channel: "/meta/handshake",
      successful: true,
      id: "1",
      clientId: "client1",
      version: "1.0",
      supportedConnectionTypes: ["websocket", "long-polling", "eventsource"],
      advice: { reconnect: "retry", interval: 0, timeout: 1_000 }
    } as never)
    assert.deepStrictEqual(trial.events, [{ _tag: "Handshake", clientId: "client1" }] as never)
  })

  it("never takes a clientId from a request", () => {
    assert.strictEqual(ask(new Trial(), { ...handshake, clientId: "mine" }).clientId, "client1")
  })

  it("wants a connection type that is offered", () => {
    const reply = ask(new Trial(), { ...handshake, supportedConnectionTypes: ["iframe", "flash"] })
    assert.strictEqual(reply.error, "301:iframe,flash:Connection types not supported")
    assert.deepStrictEqual(reply.advice, { reconnect: "handshake", interval: 1_000 })
    assert.isUndefined(reply.clientId)
  })

  it.each([["in-process"], ["eventsource"]])(
    "tells a client that insists by itself, as Faye's with %s, no more than when",
    (type) => {
      const trial = new Trial()
      const supportedConnectionTypes = [type, "flash"]
      const reply = ask(trial, { ...handshake, version: "0.9", supportedConnectionTypes })
      assert.deepStrictEqual(reply.advice, { reconnect: "retry", interval: 1_000 })
      trial.fault = BayeuxError.unavailable("/meta/handshake")
      const away = ask(trial, { ...handshake, supportedConnectionTypes: [type, "long-polling"] })
      assert.deepStrictEqual(away.advice, { reconnect: "retry", interval: 1_000 })
    }
  )

  it.each([
    [{ version: undefined }, "402:version:Missing required parameter"],
    [{ version: [] }, "400:version:Bad request"],
    [{ version: "0.9" }, "300:0.9:Version mismatch"],
    [{ version: "x" }, "300:x:Version mismatch"],
    [{ minimumVersion: "2.0" }, "300:2.0:Version mismatch"],
    [{ minimumVersion: {} }, "400:minimumVersion:Bad request"],
    [{ supportedConnectionTypes: undefined }, "402:supportedConnectionTypes:Missing required parameter"],
    [{ supportedConnectionTypes: "websocket" }, "400:supportedConnectionTypes:Bad request"],
    [{ supportedConnectionTypes: [1] }, "400:supportedConnectionTypes:Bad request"],
    [{ supportedConnectionTypes: [] }, "301::Connection types not supported"]
  ])("refuses %j, and says what is offered", (change, error) => {
    const trial = new Trial()
    const reply = ask(trial, { ...handshake, ...change })
    assert.strictEqual(reply.error, error)
    assert.strictEqual(reply.version, "1.0")
    assert.deepStrictEqual(reply.supportedConnectionTypes, ["websocket", "long-polling", "eventsource"])
    assert.deepStrictEqual(trial.events, [])
  })

  it("is processed alone: other messages of its batch are ignored", () => {
    const trial = new Trial()
    const outputs = trial.receive(trial.open("exchange"), { channel: "/a", data: 1 }, handshake, handshake)
    assert.deepStrictEqual(repliesIn(outputs).map(({ channel }) => channel), ["/meta/handshake"])
    assert.deepStrictEqual(eventsIn(outputs).map(({ _tag }) => _tag), ["Handshake"])
  })

  it("offers in-process connections to the application only", () => {
    const types = { supportedConnectionTypes: ["in-process"] }
    assert.match(ask(new Trial(), { ...handshake, ...types }).error ?? "", /^301:/)
    const trial = new Trial()
    const local = repliesIn(trial.receive(trial.open("socket", true), { ...handshake, ...types }))
    assert.isTrue(local[0]?.successful)
  })
})

describe("/meta/subscribe", () => {
  it("subscribes to a channel, a pattern, or several of them", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const reply = ask(trial, { channel: "/meta/subscribe", clientId, subscription: ["/a", "/b/*"], id: 7 })
    assert.deepStrictEqual(reply, {
      channel: "/meta/subscribe",
      successful: true,
      id: 7,
      clientId,
      subscription: ["/a", "/b/*"]
    })
    assert.deepStrictEqual(trial.events.slice(1), [
      { _tag: "Subscribe", clientId, channel: "/a" },
      { _tag: "Subscribe", clientId, channel: "/b/*" }
    ] as never)
  })

  it("makes no event for a subscription that exists", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    ask(trial, { channel: "/meta/subscribe", clientId, subscription: "/a" })
    const reply = ask(trial, { channel: "/meta/subscribe", clientId, subscription: ["/a", "/b", "/b"] })
    assert.isTrue(reply.successful)
    assert.deepStrictEqual(
      trial.events.flatMap((event) => event._tag === "Subscribe" ? [event.channel as string] : []),
      ["/a", "/b"]
    )
  })

  it.each([
    [{ subscription: undefined }, "402:subscription:Missing required parameter"],
    [{ subscription: 5 }, "400:subscription:Bad request"],
    [{ subscription: ["/a", null] }, "400:subscription:Bad request"],
    [{ subscription: ["/a", "b"] }, "405:b:Invalid channel"],
    [{ subscription: ["/a", "/meta/connect"] }, "403:/meta/connect:Forbidden channel"],
    [{ subscription: ["/a", "/service/**"] }, "403:/service/**:Forbidden channel"],
    [{ subscription: ["/a", "/x".repeat(65)] }, `405:${"/x".repeat(50)}...:Too many channel segments`],
    [{ clientId: undefined }, "402:clientId:Missing required parameter"],
    [{ clientId: "" }, "402:clientId:Missing required parameter"],
    [{ clientId: 5 }, "400:clientId:Bad request"],
    [{ clientId: "__proto__" }, "401:__proto__:Unknown client"]
  ])("refuses %j as a whole", (change, error) => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const reply = ask(trial, { channel: "/meta/subscribe", clientId, subscription: ["/a"], ...change })
    assert.strictEqual(reply.error, error)
    assert.isFalse(reply.successful)
    assert.deepStrictEqual([...State.session(trial.state, clientId)?.subscriptions ?? ["no session"]], [])
    assert.deepStrictEqual(trial.events.map(({ _tag }) => _tag), ["Handshake"])
  })

  it("bounds the subscriptions of a session", () => {
    const trial = new Trial({ maxSubscriptions: 2 })
    const clientId = trial.handshake()
    const subscribe = (subscription: ReadonlyArray<string>) =>
      ask(trial, { channel: "/meta/subscribe", clientId, subscription })
    assert.isTrue(subscribe(["/a", "/b", "/b"]).successful)
    assert.strictEqual(subscribe(["/c"]).error, "403:2:Too many subscriptions")
    assert.isTrue(subscribe(["/a"]).successful, "one that exists needs no room")
  })

  it("lets the application subscribe to service channels, but not to meta channels", () => {
    const trial = new Trial()
    const clientId = trial.handshake("socket", true)
    const local = trial.open("socket", true)
    const subscribe = (subscription: string) =>
      repliesIn(trial.receive(local, { channel: "/meta/subscribe", clientId, subscription }))[0]
    assert.isTrue(subscribe("/service/**")?.successful)
    assert.strictEqual(subscribe("/meta/**")?.error, "403:/meta/**:Forbidden channel")
  })
})

describe("/meta/unsubscribe", () => {
  it("ends subscriptions, with an event for each that existed", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    ask(trial, { channel: "/meta/subscribe", clientId, subscription: ["/a", "/b"] })
    const reply = ask(trial, { channel: "/meta/unsubscribe", clientId, subscription: ["/b", "/c"] })
    assert.deepStrictEqual(reply, {
      channel: "/meta/unsubscribe",
      successful: true,
      clientId,
      subscription: ["/b", "/c"]
    })
    assert.deepStrictEqual(trial.events.at(-1), {
      _tag: "Unsubscribe",
      clientId,
      channel: "/b",
      cause: { _tag: "ClientRequest" },
      withSession: false
    } as never)
    assert.strictEqual(trial.events.length, 4)
  })

  it("refuses what cannot be subscribed to", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const unsubscribe = (subscription: string) =>
      ask(trial, { channel: "/meta/unsubscribe", clientId, subscription }).error
    assert.strictEqual(unsubscribe("/meta/*"), "403:/meta/*:Forbidden channel")
    assert.strictEqual(unsubscribe("x"), "405:x:Invalid channel")
  })
})

describe.each([["/meta/subscribe"], ["/meta/unsubscribe"]])("a refusal of %s", (channel) => {
  it.each<[string, object, Partial<Message.Reply>]>([
    ["a forbidden channel", { subscription: "/meta/x" }, { subscription: "/meta/x" }],
    ["several, one of them forbidden", { subscription: ["/a", "/meta/x"] }, { subscription: ["/a", "/meta/x"] }],
    ["a channel that is none", { subscription: "a" }, { subscription: "a" }],
    ["nothing", {}, { subscription: [] }],
    ["an empty string", { subscription: "" }, { subscription: [] }],
    ["what is no subscription", { subscription: 5 }, { subscription: [] }]
  ])("repeats who wanted what: %s", (_, change, expected) => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const { channel: answered, error, ...reply } = ask(trial, { channel, clientId, id: 1, ...change })
    assert.isDefined(error)
    assert.deepStrictEqual(reply, { successful: false, id: 1, clientId, ...expected })
    assert.strictEqual(answered, channel)
  })

  it("repeats a clientId that nobody has, and none that is no text", () => {
    const ask401 = ask(new Trial(), { channel, clientId: "x", subscription: "/a" })
    assert.deepStrictEqual([ask401.clientId, ask401.subscription], ["x", "/a"])
    for (const clientId of [undefined, null, "", 5, {}]) {
      const reply = ask(new Trial(), { channel, clientId, subscription: "/a" })
      assert.deepStrictEqual(["clientId" in reply, reply.subscription], [false, "/a"])
    }
  })
})

describe("publishing", () => {
  it("delivers to each subscriber once, however many of its patterns match", () => {
    const trial = new Trial()
    const { connection } = trial.socket("/a/b", "/a/*", "/a/**", "/**")
    trial.publish("/a/b", "hello")
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), ["hello"])
  })

  it("delivers a message that is built anew from what may be delivered", () => {
    const trial = new Trial()
    const publisher = trial.socket()
    trial.socket("/a")
    trial.receive(publisher.connection, {
      channel: "/a",
      data: { __proto__: 1, x: 1 },
      id: "9",
      clientId: publisher.clientId,
      ext: { password: "x" },
      advice: { reconnect: "none" },
      successful: true,
      constructor: 1
    })
    const delivered = trial.outputs.flatMap((output) => output._tag === "Deliver" ? [output.message] : [])
    assert.deepStrictEqual(delivered, [{ channel: "/a", data: { __proto__: 1, x: 1 }, id: "9" }] as never)
  })

  it("gives a publisher that subscribes its own message", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket("/a")
    trial.publish("/a", 1, clientId)
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), [1])
  })

  it("is open to those without a session, whose event says so", () => {
    const trial = new Trial()
    const reply = ask(trial, { channel: "/a", data: null, id: "x" })
    assert.deepStrictEqual(reply, { channel: "/a", successful: true, id: "x" })
    assert.deepStrictEqual(trial.events, [{ _tag: "Publish", clientId: null, channel: "/a", data: null }] as never)
  })

  it("is refused for a clientId that is not known, so that nobody can speak as somebody else", () => {
    const trial = new Trial()
    const reply = ask(trial, { channel: "/a", data: 1, clientId: "guess" })
    assert.strictEqual(reply.error, "401:guess:Unknown client")
    assert.deepStrictEqual(reply.advice, { reconnect: "handshake", interval: 1_000 })
    assert.deepStrictEqual(trial.events, [])
  })

  it.each([
    [{ channel: "/a/*" }, "405:/a/*:Invalid channel"],
    [{ channel: "a" }, "405:a:Invalid channel"],
    [{ channel: "/meta/other" }, "403:/meta/other:Forbidden channel"],
    [{ channel: "/meta" }, "403:/meta:Forbidden channel"],
    [{ channel: undefined }, "402:channel:Missing required parameter"],
    [{ channel: ["/a"] }, "400:channel:Bad request"],
    [{ data: undefined }, "402:data:Missing required parameter"],
    [{ clientId: 3 }, "400:clientId:Bad request"]
  ])("refuses %j", (change, error) => {
    const trial = new Trial()
    assert.strictEqual(ask(trial, { channel: "/a", data: 1, ...change }).error, error)
    assert.deepStrictEqual(trial.events, [])
  })

  it("keeps service messages to the application", () => {
    const trial = new Trial()
    const remote = trial.socket("/**", "/*")
    const clientId = trial.handshake("socket", true)
    const local = trial.open("socket", true)
    trial.receive(local, { channel: "/meta/subscribe", clientId, subscription: ["/service/*", "/**"] })
    trial.receive(local, { channel: "/meta/connect", clientId, connectionType: "in-process" })
    trial.publish("/service/echo", 1)
    assert.deepStrictEqual(deliveredTo(trial.outputs, remote.connection), [])
    assert.deepStrictEqual(deliveredTo(trial.outputs, local), [1])
    assert.strictEqual(trial.events.at(-1)?._tag, "Publish")
  })

  it("keeps the state as it is between connected sockets", () => {
    const trial = new Trial()
    const { clientId } = trial.socket("/a")
    trial.publish("/a", 1)
    const before = trial.state
    trial.publish("/a", 2, clientId)
    assert.strictEqual(trial.state, before)
  })
})

describe("/meta/disconnect", () => {
  it("ends the session with its subscriptions, and closes its socket", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket("/a", "/b")
    const before = trial.events.length
    const outputs = trial.receive(connection, { channel: "/meta/disconnect", clientId, id: "1" })
    const cause = { _tag: "ClientRequest" }
    const [disconnect, ...unsubscribes] = trial.events.slice(before).reverse()
    assert.deepStrictEqual(disconnect, { _tag: "Disconnect", clientId, cause } as never)
    assert.sameDeepMembers(unsubscribes, [
      { _tag: "Unsubscribe", clientId, channel: "/a", cause, withSession: true },
      { _tag: "Unsubscribe", clientId, channel: "/b", cause, withSession: true }
    ] as never)
    assert.deepStrictEqual(repliesIn(outputs)[0], { channel: "/meta/disconnect", successful: true, id: "1", clientId })
    assert.isTrue(outputs.some((output) => output._tag === "CloseConnection" && output.connection === connection.id))
  })

  it("answers the held connect, which may still carry messages", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.poll("/a")
    trial.publish("/a", "last")
    const replies = repliesIn(trial.receive(trial.open("exchange"), { channel: "/meta/disconnect", clientId }))
    const connect = replies.find(({ channel }) => channel === "/meta/connect")
    assert.deepStrictEqual(connect?.advice, { reconnect: "none" })
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), ["last"])
  })

  it("is refused for a session that does not exist", () => {
    assert.strictEqual(ask(new Trial(), { channel: "/meta/disconnect", clientId: "x" }).error, "401:x:Unknown client")
    assert.strictEqual(
      ask(new Trial(), { channel: "/meta/disconnect" }).error,
      "402:clientId:Missing required parameter"
    )
  })
})

describe("any message", () => {
  it.each([[null], [5], ["text"], [true], [[]], [[{ channel: "/a" }]]])("%j is no message", (message) => {
    assert.deepStrictEqual(ask(new Trial(), message), { successful: false, error: "400::Bad request" })
  })

  it("tells the form of the message first, then the client, then what it may do", () => {
    const trial = new Trial()
    const ask401 = ask(trial, { channel: "/meta/subscribe", clientId: "x", subscription: "/meta/x" })
    assert.strictEqual(ask401.error, "401:x:Unknown client")
    const ask405 = ask(trial, { channel: "/meta/subscribe", clientId: "x", subscription: "meta" })
    assert.strictEqual(ask405.error, "405:meta:Invalid channel")
  })

  it("is answered in the order of its batch", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const outputs = trial.receive(
      trial.open("exchange"),
      { channel: "/a", data: 1, id: 1 },
      { channel: "/meta/connect", clientId, connectionType: "long-polling", id: 2 },
      { channel: "bad", data: 1, id: 3 },
      { channel: "/meta/subscribe", clientId, subscription: "/a", id: 4 },
      null
    )
    assert.deepStrictEqual(repliesIn(outputs).map(({ id }) => id), [1, 2, 3, 4, undefined])
  })
})
