/** Bounds of what peers can make grow: each is reached, told, and hurts nobody else. */
import { assert, describe, it } from "@effect/vitest"
import { HashMap } from "effect"
import * as ClientId from "../../src/core/ClientId.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as Message from "../../src/core/Message.ts"
import * as MessageQueue from "../../src/core/MessageQueue.ts"
import type { Output } from "../../src/core/Output.ts"
import * as State from "../../src/core/State.ts"
import * as Invariants from "./invariants.ts"
import { repliesIn, Trial } from "./trial.ts"

const errors = (outputs: ReadonlyArray<Output>) =>
  outputs.flatMap((output) =>
    output._tag === "Reply"
      ? output.messages.flatMap((message) => "error" in message && message.error !== undefined ? [message.error] : [])
      : []
  )

const ended = ({ outputs }: Trial) =>
  outputs.flatMap((output) =>
    output._tag === "Emit" && output.event._tag === "Disconnect" ? [output.event.clientId] : []
  )

const drops = ({ outputs }: Trial) =>
  outputs.reduce((sum, output) => output._tag === "Drop" ? sum + output.messages : sum, 0)

const subscribed = (trial: Trial, subscription: string | ReadonlyArray<string>) => {
  const clientId = trial.handshake()
  trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription })
  return clientId
}

const queue = (trial: Trial, clientId: string) => {
  const session = State.session(trial.state, clientId) ?? assert.fail("The session has ended")
  return MessageQueue.toArray(session.queue).map(({ data }) => data)
}

const handshake = {
  channel: "/meta/handshake",
  version: "1.0",
  supportedConnectionTypes: ["websocket", "long-polling"]
}

/** A message on `/a` has 26 bytes and those of its text. */
const text = (length: number) => "x".repeat(length - 26)

describe("what waits for a session", () => {
  it("is bounded in bytes: the session ends", () => {
    const trial = new Trial({ maxQueueBytes: 1_000 })
    const clientId = subscribed(trial, "/a")
    for (let n = 0; n < 10; n++) trial.publish("/a", text(100))
    assert.strictEqual(State.session(trial.state, clientId)?.queue.bytes, 1_000)
    assert.deepStrictEqual(ended(trial), [])
    trial.publish("/a", 1)
    assert.deepStrictEqual(ended(trial), [clientId])
    assert.strictEqual(drops(trial), 11)
    Invariants.check(trial.state)
  })

  it("may be one message that is longer", () => {
    const trial = new Trial({ maxQueueBytes: 1_000 })
    const clientId = subscribed(trial, "/a")
    trial.publish("/a", text(2_000))
    assert.strictEqual(queue(trial, clientId).length, 1)
  })

  it("loses the oldest, if that is wanted", () => {
    const trial = new Trial({ maxQueueLength: 3, overflow: "dropOldest" })
    const clientId = subscribed(trial, "/a")
    for (let n = 1; n <= 5; n++) trial.publish("/a", n)
    assert.deepStrictEqual(queue(trial, clientId), [3, 4, 5])
    assert.strictEqual(drops(trial), 2)
    assert.deepStrictEqual(ended(trial), [])
    Invariants.check(trial.state)
  })

  it("loses the newest, if that is wanted", () => {
    const trial = new Trial({ maxQueueLength: 3, overflow: "dropNewest" })
    const clientId = subscribed(trial, "/a")
    for (let n = 1; n <= 5; n++) trial.publish("/a", n)
    assert.deepStrictEqual(queue(trial, clientId), [1, 2, 3])
    assert.strictEqual(drops(trial), 2)
  })

  it("makes room for a long message by dropping several", () => {
    const trial = new Trial({ maxQueueBytes: 1_000, overflow: "dropOldest" })
    const clientId = subscribed(trial, "/a")
    for (let n = 0; n < 10; n++) trial.publish("/a", text(100))
    trial.publish("/a", text(500))
    const { bytes = 0, length } = State.session(trial.state, clientId)?.queue ?? {}
    assert.isAtMost(bytes, 1_000)
    assert.strictEqual(length, 5)
    Invariants.check(trial.state)
  })

  it("is bounded for all sessions together: at the end of a turn those with the longest queues end", () => {
    const trial = new Trial({ maxQueuedBytes: 1_000 })
    const [small, big] = [subscribed(trial, "/a"), subscribed(trial, ["/a", "/b"])]
    trial.publish("/a", text(100))
    for (let n = 0; n < 8; n++) trial.publish("/b", text(100))
    assert.isFalse(Machine.isTurnOpen(trial.state))
    trial.publish("/b", text(100))
    assert.isTrue(Machine.isTurnOpen(trial.state))
    trial.step({ _tag: "TurnEnded" })
    assert.deepStrictEqual(ended(trial), [big])
    assert.strictEqual(trial.state.queuedBytes, 100)
    assert.strictEqual(queue(trial, small).length, 1)
    Invariants.check(trial.state)
  })
})

describe("a batch", () => {
  it("has one connect of a session that carries messages", () => {
    const trial = new Trial()
    const acknowledging = { ...handshake, ext: { ack: true } }
    const [reply] = repliesIn(trial.receive(trial.open("exchange"), acknowledging))
    const clientId = reply?.clientId ?? ""
    trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: "/a" })
    for (let n = 0; n < 100; n++) trial.publish("/a", n)
    const connect = { channel: "/meta/connect", clientId, connectionType: "long-polling" }
    const outputs = trial.receive(trial.open("exchange"), connect, connect, connect)
    const carried = outputs.map((output) => output._tag === "Reply" ? output.messages.length - 1 : 0)
    assert.strictEqual(carried.reduce((sum, messages) => sum + messages), 100)
    assert.deepStrictEqual(errors(outputs), Array(2).fill("400::Second connect of a session in a batch"))
  })
})

describe("sessions", () => {
  it("are so many in a process; the application's own come on top", () => {
    const trial = new Trial({ maxSessions: 2 })
    for (let n = 0; n < 2; n++) trial.handshake()
    const outputs = trial.receive(trial.open("exchange"), handshake)
    assert.deepStrictEqual(errors(outputs), ["503:2:Too many sessions"])
    trial.receive(trial.open("socket", true), { ...handshake, supportedConnectionTypes: ["in-process"] })
    assert.strictEqual(HashMap.size(trial.state.sessions), 3)
  })

  it("are so many over one socket, as long as they are there and it is open", () => {
    const trial = new Trial({ maxSessionsPerSocket: 2 })
    const socket = trial.open("socket")
    for (let n = 0; n < 2; n++) assert.deepStrictEqual(errors(trial.receive(socket, handshake)), [])
    assert.deepStrictEqual(errors(trial.receive(socket, handshake)), ["503:2:Too many sessions"])
    assert.deepStrictEqual(errors(trial.receive(trial.open("socket"), handshake)), [])
    const [clientId = ClientId.make("none")] = State.begunOver(trial.state, socket.id)
    trial.step({ _tag: "EndRequested", clientId, cause: { _tag: "Shutdown" } })
    assert.deepStrictEqual(errors(trial.receive(socket, handshake)), [])
    trial.step({ _tag: "ConnectionClosed", connection: socket.id })
    assert.strictEqual(HashMap.has(trial.state.begun, socket.id), false)
  })

  it("are not counted over an exchange, which may be a proxy's", () => {
    const trial = new Trial({ maxSessionsPerSocket: 1 })
    const exchange = trial.open("exchange")
    for (let n = 0; n < 3; n++) assert.deepStrictEqual(errors(trial.receive(exchange, handshake)), [])
  })
})

describe("subscriptions", () => {
  it("are so many of all sessions together", () => {
    const trial = new Trial({ maxTotalSubscriptions: 3 })
    const [first, second] = [subscribed(trial, ["/a", "/b"]), trial.handshake()]
    const ask = (clientId: string, channel: string, subscription: ReadonlyArray<string>) =>
      errors(trial.receive(trial.open("exchange"), { channel: `/meta/${channel}`, clientId, subscription }))
    assert.deepStrictEqual(ask(second, "subscribe", ["/a", "/b"]), ["403:3:Too many subscriptions"])
    assert.deepStrictEqual(ask(second, "subscribe", ["/a"]), [])
    assert.deepStrictEqual(ask(second, "subscribe", ["/a"]), [], "what is there already takes no room")
    assert.deepStrictEqual(ask(first, "unsubscribe", ["/b"]), [])
    assert.deepStrictEqual(ask(second, "subscribe", ["/b"]), [])
    Invariants.check(trial.state)
  })
})

describe("channels", () => {
  it("have so many characters", () => {
    const trial = new Trial({ maxChannelLength: 10 })
    const clientId = trial.handshake()
    const error = "405:10:Channel is longer than 10 characters"
    const exchange = trial.open("exchange")
    assert.deepStrictEqual(errors(trial.receive(exchange, { channel: "/123456789", data: 1 })), [])
    assert.deepStrictEqual(errors(trial.receive(exchange, { channel: "/1234567890", data: 1 })), [error])
    const subscribe = { channel: "/meta/subscribe", clientId, subscription: "/12345678/*" }
    assert.deepStrictEqual(errors(trial.receive(exchange, subscribe)), [error])
  })
})

describe("work that falls due at once", () => {
  it("is done in parts, each of so many sessions and subscriptions", () => {
    const trial = new Trial()
    for (let n = 0; n < 2_500; n++) trial.handshake()
    trial.now = Machine.nextDeadline(trial.state)
    trial.step({ _tag: "DeadlinePassed" })
    assert.strictEqual(HashMap.size(trial.state.sessions), 1_500)
    assert.isAtMost(Machine.nextDeadline(trial.state), trial.now)
    trial.step({ _tag: "DeadlinePassed" })
    trial.step({ _tag: "DeadlinePassed" })
    assert.strictEqual(HashMap.size(trial.state.sessions), 0)
    assert.strictEqual(Machine.nextDeadline(trial.state), Infinity)
  })
})

describe("a long message", () => {
  it("is kept as text when it is written, and has its data all the same", () => {
    const data = Array(2_000).fill([])
    const message = new Message.Delivery("/a" as never, data, 7, 1)
    assert.strictEqual(message.data, data)
    const { json } = message
    assert.notStrictEqual(message.data, data, "the tree is let go")
    assert.deepStrictEqual(message.data, data)
    assert.deepStrictEqual(Object.assign({}, message), { channel: "/a", data, id: 7 } as never)
    assert.strictEqual(JSON.stringify(message), json)
    assert.strictEqual(json, JSON.stringify({ channel: "/a", data, id: 7 }))
  })
})
