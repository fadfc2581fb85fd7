import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "../../src/core/Connection.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as Message from "../../src/core/Message.ts"
import * as MessageQueue from "../../src/core/MessageQueue.ts"
import type { Output } from "../../src/core/Output.ts"
import * as State from "../../src/core/State.ts"
import { deliveredTo, repliesIn, Trial, type Untimed } from "./trial.ts"

const connect = (clientId: string, more: object = {}) => ({
  channel: "/meta/connect",
  clientId,
  connectionType: "long-polling",
  ...more
})
const delivery = (data: number) => new Message.Delivery("/a" as never, data, undefined, data)

describe("a socket that is heard", () => {
  const heard = (trial: Trial, { id }: { readonly id: number }) => trial.step({ _tag: "Heard", connection: id })
  const lives = (trial: Trial, clientId: string) => State.session(trial.state, clientId) !== undefined

  it("lets its session live for another session time-out, to the millisecond, but is no connect", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket()
    trial.advance(1_500)
    heard(trial, connection)
    trial.advance(1_999)
    assert.isTrue(lives(trial, clientId))
    assert.strictEqual(State.session(trial.state, clientId)?.lastSeen, 0)
    trial.advance(1)
    assert.isFalse(lives(trial, clientId))
  })

  it("says nothing of a session that has only shaken hands over it, or has gone elsewhere", () => {
    const trial = new Trial()
    const socket = trial.open("socket")
    const [reply] = repliesIn(trial.receive(socket, {
      channel: "/meta/handshake",
      version: "1.0",
      supportedConnectionTypes: ["websocket"]
    }))
    const { clientId, connection } = trial.socket()
    trial.receive(trial.open("exchange"), connect(clientId, { advice: { timeout: 0 } }))
    trial.advance(1_500)
    const { state } = trial
    heard(trial, socket)
    heard(trial, connection)
    assert.strictEqual(trial.state, state)
    trial.advance(500)
    assert.isFalse(lives(trial, reply?.clientId ?? ""))
    assert.isFalse(lives(trial, clientId))
  })

  it("gives its session all of its time to come back when it is gone", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket()
    trial.advance(1_500)
    trial.step({ _tag: "ConnectionClosed", connection: connection.id })
    trial.advance(1_999)
    assert.isTrue(lives(trial, clientId))
    trial.advance(1)
    assert.isFalse(lives(trial, clientId))
  })

  it("does not end a session that may live longer", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket()
    trial.step({ _tag: "Halted", milliseconds: 5_000 })
    heard(trial, connection)
    trial.advance(6_999)
    assert.isTrue(lives(trial, clientId))
  })
})

describe("a session that comes back by another connection", () => {
  it.each([["a socket", "socket", "websocket"], ["a poll", "exchange", "long-polling"]] as const)(
    "leaves its old socket, which is told, by %s",
    (_, kind, connectionType) => {
      const trial = new Trial()
      const { clientId, connection } = trial.socket()
      const leave = { _tag: "Leave", connection: connection.id } as const
      assert.deepInclude(trial.receive(trial.open(kind), connect(clientId, { connectionType })), leave)
      assert.notDeepInclude(trial.receive(trial.open(kind), connect(clientId, { connectionType })), leave)
    }
  )
})

describe("a process that was halted", () => {
  it("has lost that time: what was due is due later, and nothing before", () => {
    const trial = new Trial()
    const poll = trial.poll()
    const idle = trial.handshake()
    trial.advance(400)
    trial.now += 60_000
    trial.step({ _tag: "Halted", milliseconds: 60_000 })
    assert.deepStrictEqual(repliesIn(trial.advance(599)), [])
    assert.strictEqual(repliesIn(trial.advance(1)).length, 1)
    trial.advance(999)
    assert.isDefined(State.session(trial.state, idle))
    trial.advance(1)
    assert.isUndefined(State.session(trial.state, idle))
    trial.advance(1_000)
    assert.isUndefined(State.session(trial.state, poll.clientId))
  })
})

describe("a held connect", () => {
  it("is answered when there is something to deliver, with all messages of the turn", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.poll("/a")
    trial.publish("/a", 1)
    trial.publish("/a", 2)
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), [])
    assert.isTrue(Machine.isTurnOpen(trial.state))
    const [reply] = repliesIn(trial.endTurn())
    assert.deepStrictEqual(reply, {
      channel: "/meta/connect",
      successful: true,
      clientId,
      advice: { reconnect: "retry", interval: 0, timeout: 1_000 }
    } as never)
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), [1, 2])
  })

  it("is answered at the end of the turn, and not by a deadline that passes before", () => {
    const trial = new Trial()
    trial.handshake()
    trial.now = 500
    const { connection } = trial.poll("/a")
    trial.now = 2_000
    trial.publish("/a", 1)
    trial.step({ _tag: "DeadlinePassed" })
    assert.strictEqual(trial.events.at(-1)?._tag, "Disconnect")
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), [1])
    assert.deepStrictEqual(trial.endTurn(), [])
  })

  it("is left alone by the end of a turn in which nothing has come for it", () => {
    const trial = new Trial()
    trial.poll("/a")
    const { state } = trial
    assert.isFalse(Machine.isTurnOpen(state))
    assert.deepStrictEqual(trial.step({ _tag: "TurnEnded" }), [])
    assert.strictEqual(trial.state, state)
  })

  it("is answered when the time-out has passed, not before", () => {
    const trial = new Trial()
    trial.poll()
    assert.deepStrictEqual(repliesIn(trial.advance(999)), [])
    assert.strictEqual(repliesIn(trial.advance(1)).length, 1)
  })

  it.each([[300, 300], [9_999, 1_000]])("honours advice.timeout %d: it is held for %d", (timeout, held) => {
    const trial = new Trial()
    trial.receive(trial.open("exchange"), connect(trial.handshake(), { advice: { timeout } }))
    assert.deepStrictEqual(repliesIn(trial.advance(held - 1)), [])
    assert.strictEqual(repliesIn(trial.advance(1)).length, 1)
  })

  it.each([["-1"], [-1], [null], [Number.NaN]])("ignores advice.timeout %j", (timeout) => {
    const trial = new Trial()
    trial.receive(trial.open("exchange"), connect(trial.handshake(), { advice: { timeout } }))
    assert.deepStrictEqual(repliesIn(trial.advance(999)), [])
    assert.strictEqual(repliesIn(trial.advance(1)).length, 1)
  })

  it("is not held at all with advice.timeout 0", () => {
    const trial = new Trial()
    assert.strictEqual(
      repliesIn(trial.receive(trial.open("exchange"), connect(trial.handshake(), { advice: { timeout: 0 } }))).length,
      1
    )
  })

  it("is not held when it comes with other messages", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const outputs = trial.receive(trial.open("socket"), connect(clientId), { channel: "/a", data: 1 })
    assert.deepStrictEqual(repliesIn(outputs).map(({ channel }) => channel), ["/meta/connect", "/a"])
  })

  it("is answered at once by a second connect of the same session, wherever that comes from", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.poll()
    const outputs = trial.receive(trial.open("exchange"), connect(clientId))
    assert.deepStrictEqual(
      outputs.flatMap((output) => output._tag === "Reply" ? [output.connection] : []),
      [connection.id]
    )
  })

  it.each(["exchange", "socket"] as const)(
    "sends a client back after a second when another connect has taken its place over an %s",
    (kind) => {
      const trial = new Trial({ interval: 20 })
      const clientId = trial.handshake()
      trial.receive(trial.open(kind), connect(clientId))
      const answered = repliesIn(trial.receive(trial.open(kind), connect(clientId)))
      assert.deepStrictEqual(answered.map(({ advice }) => advice), [
        { reconnect: "retry", interval: 1_000, timeout: 1_000 }
      ])
      assert.deepStrictEqual(repliesIn(trial.advance(1_000)).map(({ advice }) => advice?.interval), [20])
    }
  )

  it("is refused for a session or a transport that does not exist", () => {
    const trial = new Trial()
    const ask = (message: unknown) => repliesIn(trial.receive(trial.open("exchange"), message))[0]
    assert.strictEqual(ask(connect("x"))?.error, "401:x:Unknown client")
    assert.deepStrictEqual(ask(connect("x"))?.advice, { reconnect: "handshake", interval: 1_000 })
    const clientId = trial.handshake()
    assert.strictEqual(
      ask(connect(clientId, { connectionType: "flash" }))?.error,
      "301:flash:Connection types not supported"
    )
    assert.strictEqual(
      ask(connect(clientId, { connectionType: undefined }))?.error,
      "402:connectionType:Missing required parameter"
    )
  })

  it("is answered before its connection is closed from this side", () => {
    const trial = new Trial()
    const { connection } = trial.poll("/a")
    trial.publish("/a", 1)
    const outputs = trial.step({ _tag: "ConnectionEnding", connection: connection.id, goesOn: false })
    assert.strictEqual(repliesIn(outputs)[0]?.advice?.reconnect, "retry")
    assert.deepStrictEqual(deliveredTo(outputs, connection), [1])
  })
})

describe("a socket", () => {
  it("gets messages at once, whether a connect is held or not", () => {
    const trial = new Trial()
    const { connection } = trial.socket("/a")
    trial.publish("/a", 1)
    assert.strictEqual(repliesIn(trial.advance(1_000)).length, 1, "the connect has timed out")
    trial.publish("/a", 2)
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), [1, 2])
  })

  it("gets what has waited when it connects", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const socket = trial.open("socket")
    trial.receive(socket, { channel: "/meta/subscribe", clientId, subscription: "/a" })
    trial.publish("/a", 1)
    assert.deepStrictEqual(deliveredTo(trial.outputs, socket), [], "a socket that has not connected gets nothing")
    trial.receive(socket, connect(clientId, { connectionType: "websocket" }))
    assert.deepStrictEqual(deliveredTo(trial.outputs, socket), [1])
  })

  it("is not bound to a session that does not exist", () => {
    const trial = new Trial()
    const outputs = trial.receive(trial.open("socket"), connect("nobody", { connectionType: "websocket" }))
    assert.isFalse(outputs.some(({ _tag }) => _tag === "Bind"))
  })

  it("that is old does not touch the new one of its session when it closes", () => {
    const trial = new Trial()
    const old = trial.socket("/a")
    const young = trial.open("socket")
    trial.receive(young, connect(old.clientId, { connectionType: "websocket" }))
    trial.step({ _tag: "ConnectionClosed", connection: old.connection.id })
    trial.publish("/a", 1)
    assert.deepStrictEqual(deliveredTo(trial.outputs, young), [1])
    assert.deepStrictEqual(deliveredTo(trial.outputs, old.connection), [])
  })

  it("leaves its first session when another one connects over it", () => {
    const trial = new Trial()
    const first = trial.socket("/a")
    const second = trial.handshake()
    trial.receive(first.connection, connect(second, { connectionType: "websocket" }))
    trial.publish("/a", 1)
    assert.deepStrictEqual(deliveredTo(trial.outputs, first.connection), [], "it is the second one's connection now")
    const superseded = repliesIn(trial.outputs).find(({ channel }) => channel === "/meta/connect")
    assert.deepStrictEqual(superseded?.advice?.interval, 1_000, "the first one comes back later")
    assert.strictEqual(State.session(trial.state, first.clientId)?.queue.length, 1)
  })
})

/** A session that has a stream. */
const streaming = () => {
  const trial = new Trial()
  const clientId = trial.handshake()
  trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: "/a" })
  const stream = trial.open("stream")
  trial.step({ _tag: "StreamOpened", connection: stream, clientId })
  return { clientId, stream, trial }
}

const advised = ({ id }: Connection, message: object): Output => ({
  _tag: "Advise",
  connection: id,
  message: { channel: "/meta/connect", ...message } as Message.Reply
})

describe("an event stream", () => {
  it("gets messages, while connects come by requests and are answered at once", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: "/a" })
    trial.publish("/a", 1)
    const stream = trial.open("stream")
    trial.step({ _tag: "StreamOpened", connection: stream, clientId })
    const replies = repliesIn(
      trial.receive(trial.open("exchange"), connect(clientId, { connectionType: "eventsource" }))
    )
    assert.deepStrictEqual(replies[0]?.advice, { reconnect: "retry", interval: 1_000, timeout: 0 })
    trial.publish("/a", 2)
    assert.deepStrictEqual(deliveredTo(trial.outputs, stream), [1, 2])
  })

  it("is not taken from a client that still connects by long-polling", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: "/a" })
    const stream = trial.open("stream")
    trial.step({ _tag: "StreamOpened", connection: stream, clientId })
    const [reply] = repliesIn(trial.receive(trial.open("exchange"), connect(clientId)))
    assert.deepStrictEqual(reply?.advice, { reconnect: "retry", interval: 1_000, timeout: 1_000 })
    trial.publish("/a", 1)
    assert.deepStrictEqual(deliveredTo(trial.outputs, stream), [1])
    trial.step({ _tag: "ConnectionClosed", connection: stream.id })
    trial.publish("/a", 2)
    const poll = trial.open("exchange")
    trial.receive(poll, connect(clientId))
    assert.deepStrictEqual(deliveredTo(trial.outputs, poll), [2])
  })

  it("is told to begin again, and closed, when there is no such session", () => {
    const trial = new Trial()
    const stream = trial.open("stream")
    assert.deepStrictEqual(trial.step({ _tag: "StreamOpened", connection: stream, clientId: "nobody" }), [
      advised(stream, {
        successful: false,
        error: "401:nobody:Unknown client",
        advice: { reconnect: "handshake", interval: 1_000 }
      }),
      { _tag: "CloseConnection", connection: stream.id, reason: "UnknownClient" }
    ])
  })

  it("is told what to do before it ends, by the process that stops and by the session that ends", () => {
    for (
      const [event, told] of [
        [
          { _tag: "ConnectionEnding", goesOn: false },
          { successful: true, advice: { reconnect: "handshake", interval: 1_000 } }
        ],
        [
          { _tag: "ConnectionEnding", goesOn: true },
          { successful: true, advice: { reconnect: "retry", interval: 1_000 } }
        ],
        [
          { _tag: "EndRequested", cause: { _tag: "Kicked", reason: "test" } },
          { successful: false, error: "403:client1:test", advice: { reconnect: "none" } }
        ],
        [
          { _tag: "EndRequested", cause: { _tag: "Shutdown" } },
          {
            successful: false,
            error: "401:client1:Unknown client",
            advice: { reconnect: "handshake", interval: 1_000 }
          }
        ]
      ] as const
    ) {
      const { clientId, stream, trial } = streaming()
      const outputs = trial.step({ ...event, connection: stream.id, clientId } as unknown as Untimed)
      const who = told.successful ? { clientId } : undefined
      const [last] = outputs.filter(({ _tag }) => _tag === "Advise")
      assert.deepStrictEqual(last, advised(stream, { ...told, ...who }))
      trial.publish("/a", 1)
      assert.deepStrictEqual(deliveredTo(trial.outputs, stream), [])
    }
  })

  it("ends without a word when its client has asked for that", () => {
    const { clientId, stream, trial } = streaming()
    const outputs = trial.receive(trial.open("exchange"), { channel: "/meta/disconnect", clientId })
    assert.deepStrictEqual(outputs.filter((output) => "connection" in output && output.connection === stream.id), [
      { _tag: "CloseConnection", connection: stream.id, reason: "SessionEnded" }
    ])
  })
})

describe("a connect of a client that takes its stream for open", () => {
  const byStream = { connectionType: "eventsource" }
  const look = { reconnect: "retry", interval: 1_500, timeout: 0 } as const
  const begin = { reconnect: "handshake", interval: 0 } as const

  it("carries what waits, and has it look again, then shake hands for another stream", () => {
    const { clientId, stream, trial } = streaming()
    trial.step({ _tag: "ConnectionClosed", connection: stream.id })
    const advice: Array<unknown> = []
    for (let n = 1; n <= 3; n++) {
      trial.publish("/a", n)
      const exchange = trial.open("exchange")
      const [reply] = repliesIn(trial.receive(exchange, connect(clientId, byStream)))
      assert.isTrue(reply?.successful)
      assert.deepStrictEqual(deliveredTo(trial.outputs, exchange), [n], "at once, and no more than that")
      advice.push(reply?.advice)
      trial.advance(1_500)
    }
    assert.deepStrictEqual(advice, [look, begin, begin])
  })

  it("is told to look again, however often it asks within a second", () => {
    const { clientId, stream, trial } = streaming()
    trial.step({ _tag: "ConnectionClosed", connection: stream.id })
    for (let n = 0; n < 5; n++) {
      const [reply] = repliesIn(trial.receive(trial.open("exchange"), connect(clientId, byStream)))
      assert.deepStrictEqual(reply?.advice, look)
      trial.advance(199)
    }
  })

  it("is satisfied as soon as the stream is there again", () => {
    const { clientId, stream, trial } = streaming()
    for (let n = 0; n < 3; n++) {
      trial.step({ _tag: "ConnectionClosed", connection: stream.id })
      const [looked] = repliesIn(trial.receive(trial.open("exchange"), connect(clientId, byStream)))
      assert.deepStrictEqual(looked?.advice, look)
      trial.publish("/a", n)
      trial.step({ _tag: "StreamOpened", connection: stream, clientId })
      trial.advance(1_500)
      const [reply] = repliesIn(trial.receive(trial.open("exchange"), connect(clientId, byStream)))
      assert.deepStrictEqual(reply?.advice, { reconnect: "retry", interval: 1_000, timeout: 0 })
    }
    assert.deepStrictEqual(deliveredTo(trial.outputs, stream), [0, 1, 2])
  })

  it("answers a poll that is held, which carries nothing", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.poll("/a")
    trial.publish("/a", 1)
    const exchange = trial.open("exchange")
    const outputs = trial.receive(exchange, connect(clientId, byStream))
    assert.strictEqual(repliesIn(outputs).length, 2)
    assert.deepStrictEqual(deliveredTo(outputs, connection), [])
    assert.deepStrictEqual(deliveredTo(outputs, exchange), [1])
  })
})

describe("a queue", () => {
  it("survives the end of a connection and a change of transport", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket("/a")
    trial.step({ _tag: "ConnectionClosed", connection: connection.id })
    trial.publish("/a", 1)
    trial.publish("/a", 2)
    const poll = trial.open("exchange")
    trial.receive(poll, connect(clientId))
    assert.deepStrictEqual(deliveredTo(trial.outputs, poll), [1, 2])
  })

  it("takes back at its front what could not be written", () => {
    const trial = new Trial()
    const { clientId } = trial.poll("/a")
    trial.publish("/a", 1)
    trial.endTurn()
    trial.publish("/a", 2)
    trial.step({ _tag: "Returned", clientId, messages: [delivery(1)] })
    const again = trial.open("exchange")
    trial.receive(again, connect(clientId))
    assert.deepStrictEqual(deliveredTo(trial.outputs, again), [1, 2])
  })

  it("wakes a held connect when something comes back", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.poll()
    trial.step({ _tag: "Returned", clientId, messages: [delivery(1)] })
    trial.endTurn()
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), [1])
  })

  it("sends what came back to the socket that its session has by then", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket()
    trial.step({ _tag: "Returned", clientId, messages: [delivery(1)] })
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), [1])
  })

  it("forgets what comes back for a session that has ended", () => {
    const trial = new Trial()
    const before = trial.state
    trial.step({ _tag: "Returned", clientId: "gone" as never, messages: [delivery(1)] })
    assert.strictEqual(trial.state, before)
  })

  it("ends its session when it is full and one more message comes", () => {
    const trial = new Trial({ maxQueueLength: 2 })
    const clientId = trial.handshake()
    trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: "/a" })
    trial.publish("/a", 1)
    trial.publish("/a", 2)
    assert.strictEqual(
      MessageQueue.toArray(State.session(trial.state, clientId)?.queue ?? MessageQueue.empty).length,
      2
    )
    trial.publish("/a", 3)
    assert.isUndefined(State.session(trial.state, clientId))
    assert.deepStrictEqual(
      trial.events.at(-1),
      { _tag: "Disconnect", clientId, cause: { _tag: "QueueOverflow" } } as never
    )
  })

  it("leaves in answers of so many bytes, each with the connect after the one before", () => {
    const trial = new Trial({ maxAnswerBytes: 100 })
    const { clientId, connection } = trial.poll("/a")
    trial.publish("/a", "first")
    trial.endTurn()
    for (const text of ["x".repeat(60), "y".repeat(60), "z".repeat(300), "last"]) trial.publish("/a", text)
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), ["first"])
    const lengths = [1, 2, 3, 4].map(() => {
      const poll = trial.open("exchange")
      trial.receive(poll, connect(clientId))
      return (deliveredTo(trial.outputs, poll) as Array<string>).map(({ length }) => length)
    })
    assert.deepStrictEqual(lengths, [[60], [60], [300], [4]])
  })
})
