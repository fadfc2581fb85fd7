/** Sessions that acknowledge (CometD's `ext.ack`): when messages leave, how long they stay, what a number does. */
import { assert, describe, it } from "@effect/vitest"
import type { Connection, Kind } from "../../src/core/Connection.ts"
import * as Message from "../../src/core/Message.ts"
import type { Output } from "../../src/core/Output.ts"
import * as State from "../../src/core/State.ts"
import { deliveredTo, repliesIn, Trial } from "./trial.ts"

const types = { socket: "websocket", exchange: "long-polling", stream: "eventsource" } as const
const handshake = {
  channel: "/meta/handshake",
  version: "1.0",
  supportedConnectionTypes: ["websocket", "long-polling", "eventsource"],
  ext: { ack: true }
}

/** Shakes hands and subscribes to `/a`. */
const begin = (trial: Trial): string => {
  const { clientId = "" } = repliesIn(trial.receive(trial.open("exchange"), handshake))[0] ?? {}
  trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: "/a" })
  return clientId
}

const connect = (clientId: string, kind: Kind, ack?: unknown, more: object = {}) => ({
  channel: "/meta/connect",
  clientId,
  connectionType: types[kind],
  ...(ack === undefined ? undefined : { ext: { ack } }),
  ...more
})

interface Answer {
  readonly connection: number
  readonly ack: boolean | number | undefined
  readonly data: ReadonlyArray<unknown>
}

/** The answers to connects among the outputs, each with its number and its messages. */
const answersIn = (outputs: ReadonlyArray<Output>): ReadonlyArray<Answer> =>
  outputs.flatMap((output) => {
    if (output._tag !== "Reply") return []
    const [reply, ...messages] = output.messages
    if (reply === undefined || !Message.isReply(reply) || reply.channel !== "/meta/connect") return []
    const data = messages.filter(Message.isDelivery).map((message) => message.data)
    return [{ connection: output.connection, ack: reply.ext?.ack, data }]
  })

/** Connects over the connection; gives what the turn has answered. */
const connects = (
  trial: Trial,
  connection: Connection,
  clientId: string,
  ack?: unknown,
  more?: object
): ReadonlyArray<Answer> => answersIn(trial.receive(connection, connect(clientId, connection.kind, ack, more)))

/** Publishes to `/a`; gives what the turn has answered. */
const publish = (trial: Trial, ...all: ReadonlyArray<unknown>): ReadonlyArray<Answer> =>
  answersIn([...all.flatMap((data) => trial.publish("/a", data)), ...trial.endTurn()])

const queueLength = (trial: Trial, clientId: string): number | undefined =>
  State.session(trial.state, clientId)?.queue.length

describe("a handshake with ext.ack", () => {
  const shake = (trial: Trial, ext: unknown, kind: Kind = "exchange", local = false) =>
    repliesIn(trial.receive(trial.open(kind, local), {
      ...handshake,
      ...(local ? { supportedConnectionTypes: ["in-process"] } : undefined),
      ext
    }))[0]

  it("is told that the session acknowledges, and that it cannot have a stream", () => {
    const reply = shake(new Trial(), { ack: true })
    assert.deepStrictEqual(reply?.ext, { ack: true })
    assert.deepStrictEqual(reply?.supportedConnectionTypes, ["websocket", "long-polling"])
  })

  it("wants a connection type other than EventSource", () => {
    const reply = repliesIn(
      new Trial().receive({ id: 1, kind: "exchange", local: false }, {
        ...handshake,
        supportedConnectionTypes: ["eventsource"]
      })
    )[0]
    assert.strictEqual(reply?.error, "301:eventsource:Connection types not supported")
  })

  it.each([[{ ack: false }], [{ ack: 1 }], [{ ack: "true" }], [{ token: "x" }], [[true]], ["ack"], [null]])(
    "that is %j begins a session as without",
    (ext) => {
      const trial = new Trial()
      const reply = shake(trial, ext)
      assert.isTrue(reply?.successful)
      assert.notProperty(reply, "ext")
      assert.isFalse(State.session(trial.state, reply?.clientId ?? "")?.acknowledges)
    }
  )

  it("makes nothing else of a session of the application", () => {
    const reply = shake(new Trial(), { ack: true }, "socket", true)
    assert.isTrue(reply?.successful)
    assert.notProperty(reply, "ext")
  })
})

describe.each<Kind>(["exchange", "socket"])("a session that acknowledges over a connection of the kind %s", (kind) => {
  /** A connection for the next connect: a socket is used again. */
  const connection = (trial: Trial) => {
    let open: Connection | undefined
    return () => kind === "socket" ? open ??= trial.open("socket") : trial.open("exchange")
  }

  it("gets messages with the answer to a held connect only, those of a turn together", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const next = connection(trial)
    assert.deepStrictEqual(connects(trial, next(), clientId, 0), [])
    const [answer, ...others] = publish(trial, "x", "y")
    assert.deepStrictEqual([answer?.data, others], [["x", "y"], []])
    assert.deepStrictEqual(publish(trial, "z"), [], "no connect is held")
    assert.deepStrictEqual(trial.outputs.filter(({ _tag }) => _tag === "Deliver"), [], "nothing is pushed")
    assert.deepStrictEqual(connects(trial, next(), clientId, answer?.ack).map(({ data }) => data), [["z"]])
  })

  it("keeps what it was sent until it acknowledges it, then its connect is held", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const next = connection(trial)
    publish(trial, "x", "y")
    const [first] = connects(trial, next(), clientId, 0)
    assert.strictEqual(queueLength(trial, clientId), 2)
    assert.deepStrictEqual(connects(trial, next(), clientId, first?.ack), [])
    assert.strictEqual(queueLength(trial, clientId), 0)
    assert.deepStrictEqual(publish(trial, "z").map(({ data }) => data), [["z"]])
  })

  it("is sent again, at once, what it does not acknowledge, and what came meanwhile", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const next = connection(trial)
    publish(trial, "x")
    const [first] = connects(trial, next(), clientId, 0)
    const second = publish(trial, "y")
    assert.deepStrictEqual(second, [])
    const [again] = connects(trial, next(), clientId, 0)
    assert.deepStrictEqual(again?.data, ["x", "y"])
    const [rest] = connects(trial, next(), clientId, first?.ack)
    assert.deepStrictEqual(rest, { ...again, connection: rest?.connection, data: ["y"] } as never)
    assert.deepStrictEqual(connects(trial, next(), clientId, again?.ack), [])
  })

  it("gets no number with an answer that holds no messages", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const next = connection(trial)
    const reply = repliesIn(trial.receive(next(), connect(clientId, kind, 0, { advice: { timeout: 0 } })))[0]
    assert.notProperty(reply, "ext")
    trial.receive(next(), connect(clientId, kind, 0))
    assert.deepStrictEqual(answersIn(trial.advance(1_000)).map(({ ack, data }) => [ack, data]), [[undefined, []]])
  })

  it("is answered at once with advice.timeout 0 and in a batch, with what waits", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const next = connection(trial)
    publish(trial, "x")
    const [answer] = connects(trial, next(), clientId, 0, { advice: { timeout: 0 } })
    assert.deepStrictEqual(answer?.data, ["x"])
    const batch = trial.receive(next(), { channel: "/b", data: 1 }, connect(clientId, kind, answer?.ack))
    assert.deepStrictEqual(answersIn(batch).map(({ data }) => data), [[]])
  })

  it.each([[undefined], [null], ["1"], [-1], [0], [0.5], [1e300], [Number.MAX_SAFE_INTEGER], [true], [{}], [[1]]])(
    "loses nothing by the number %j, which it never got",
    (ack) => {
      const trial = new Trial()
      const clientId = begin(trial)
      const next = connection(trial)
      publish(trial, "x")
      connects(trial, next(), clientId, 0)
      publish(trial, "y")
      assert.deepStrictEqual(connects(trial, next(), clientId, ack).map(({ data }) => data), [["x", "y"]])
    }
  )

  it("loses nothing by the number of a message that has not left yet", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    publish(trial, "x")
    const waiting = State.session(trial.state, clientId)?.queue
    const ack = waiting?.last?.message.position
    assert.isNumber(ack)
    assert.deepStrictEqual(connects(trial, connection(trial)(), clientId, ack).map(({ data }) => data), [["x"]])
  })

  it("answers the first of two connects with nothing, and the second one with what comes", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const next = connection(trial)
    const first = next()
    connects(trial, first, clientId, 0)
    const second = next()
    assert.deepStrictEqual(connects(trial, second, clientId, 0), [{
      connection: first.id,
      ack: undefined,
      data: []
    }])
    assert.deepStrictEqual(publish(trial, "x").map(({ connection, data }) => [connection, data]), [[second.id, ["x"]]])
  })

  it("does not get twice what could not be written: it is in the queue still", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const next = connection(trial)
    const first = next()
    connects(trial, first, clientId, 0)
    publish(trial, "x")
    trial.step({ _tag: "ConnectionClosed", connection: first.id })
    const messages = [new Message.Delivery("/a" as never, "x", undefined, 1)]
    trial.step({ _tag: "Returned", clientId: clientId as never, messages })
    assert.strictEqual(queueLength(trial, clientId), 1)
    assert.deepStrictEqual(connects(trial, trial.open(kind), clientId, 0).map(({ data }) => data), [["x"]])
  })

  it("ends when more messages are unacknowledged than its queue may hold", () => {
    const trial = new Trial({ maxQueueLength: 2 })
    const clientId = begin(trial)
    connects(trial, connection(trial)(), clientId, 0)
    publish(trial, "x", "y")
    assert.strictEqual(queueLength(trial, clientId), 2)
    publish(trial, "z")
    assert.deepStrictEqual(
      trial.events.at(-1),
      { _tag: "Disconnect", clientId, cause: { _tag: "QueueOverflow" } } as never
    )
  })

  it("ends when it stays away, whatever is not acknowledged yet", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    connects(trial, connection(trial)(), clientId, 0)
    publish(trial, "x")
    trial.advance(1_999)
    assert.isDefined(State.session(trial.state, clientId))
    trial.advance(1)
    assert.strictEqual(trial.events.at(-1)?._tag, "Disconnect")
    assert.isUndefined(trial.state.deadlines)
  })

  it("gets with its last answer what no answer has carried yet", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    connects(trial, connection(trial)(), clientId, 0)
    trial.publish("/a", "x")
    const bye = trial.receive(trial.open("exchange"), { channel: "/meta/disconnect", clientId })
    assert.deepStrictEqual(answersIn(bye).map(({ data }) => data), [["x"]])
  })

  it("gets what waits before its connection is closed from this side", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const open = connection(trial)()
    connects(trial, open, clientId, 0)
    trial.publish("/a", "x")
    const outputs = trial.step({ _tag: "ConnectionEnding", connection: open.id, goesOn: false })
    assert.deepStrictEqual(answersIn(outputs).map(({ connection, data }) => [connection, data]), [[open.id, ["x"]]])
    assert.deepStrictEqual(connects(trial, trial.open(kind), clientId, 0).map(({ data }) => data), [["x"]])
  })
})

describe("a session that acknowledges", () => {
  it.each<[Kind, Kind]>([["exchange", "socket"], ["socket", "exchange"], ["socket", "socket"]])(
    "goes on where it was when it goes from %s to %s",
    (before, after) => {
      const trial = new Trial()
      const clientId = begin(trial)
      const old = trial.open(before)
      connects(trial, old, clientId, 0)
      const [answer] = publish(trial, "x")
      publish(trial, "y")
      const [again] = connects(trial, trial.open(after), clientId, 0)
      assert.deepStrictEqual(again?.data, ["x", "y"], "the answer was lost")
      const [rest] = connects(trial, trial.open(after), clientId, answer?.ack)
      assert.deepStrictEqual(rest?.data, ["y"], "it was not")
      assert.deepStrictEqual(deliveredTo(trial.outputs, old), ["x"])
    }
  )

  it("has its socket closed when it ends", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const socket = trial.open("socket")
    connects(trial, socket, clientId, 0)
    publish(trial, "x")
    const outputs = trial.step({
      _tag: "EndRequested",
      clientId: clientId as never,
      cause: { _tag: "Kicked", reason: "" }
    })
    assert.deepInclude(outputs, { _tag: "CloseConnection", connection: socket.id, reason: "SessionEnded" })
  })

  it("cannot connect by EventSource or open a stream, and is none the worse for the attempt", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    const poll = trial.open("exchange")
    connects(trial, poll, clientId, 0)
    const [reply] = repliesIn(trial.receive(trial.open("exchange"), connect(clientId, "stream", 0)))
    assert.strictEqual(reply?.error, "301:eventsource:Connection types not supported")
    const stream = trial.open("stream")
    assert.deepStrictEqual(trial.step({ _tag: "StreamOpened", connection: stream, clientId }), [
      { _tag: "CloseConnection", connection: stream.id, reason: "StreamRefused" }
    ])
    assert.deepStrictEqual(publish(trial, "x").map(({ connection, data }) => [connection, data]), [[poll.id, ["x"]]])
  })

  it("leaves a session without acknowledgement as it was, whatever that one sends", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket("/a")
    trial.publish("/a", "x")
    assert.deepStrictEqual(deliveredTo(trial.outputs, connection), ["x"])
    trial.step({ _tag: "ConnectionClosed", connection: connection.id })
    trial.publish("/a", "y")
    const reply = trial.receive(trial.open("exchange"), connect(clientId, "exchange", 1e9))
    assert.deepStrictEqual(answersIn(reply).map(({ ack, data }) => [ack, data]), [[undefined, ["y"]]])
    assert.strictEqual(queueLength(trial, clientId), 0)
  })
})

describe("a client that acknowledges nothing", () => {
  it("is in no hurry from the fourth answer on, until it acknowledges again", () => {
    const trial = new Trial()
    const clientId = begin(trial)
    publish(trial, 1)
    const asks = (ack?: unknown) => repliesIn(trial.receive(trial.open("exchange"), connect(clientId, "exchange", ack)))
    const answers = [1, 2, 3, 4, 5].flatMap(() => asks())
    assert.deepStrictEqual(answers.map(({ advice }) => advice?.interval), [0, 0, 0, 1_000, 1_000])
    publish(trial, 2)
    assert.deepStrictEqual(asks(answers[0]?.ext?.ack).map(({ advice }) => advice?.interval), [0])
  })
})
