/** Sessions that come from other processes and go there, as the machine sees it. */
import { assert, describe, it } from "@effect/vitest"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import type { Outcome } from "../../src/core/Change.ts"
import * as ClientId from "../../src/core/ClientId.ts"
import type { Connection } from "../../src/core/Connection.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as Message from "../../src/core/Message.ts"
import * as MessageQueue from "../../src/core/MessageQueue.ts"
import type { Output } from "../../src/core/Output.ts"
import * as Retries from "../../src/core/Retries.ts"
import * as State from "../../src/core/State.ts"
import * as Invariants from "./invariants.ts"
import * as Steps from "./transitions.ts"
import { eventsIn, repliesIn, settings } from "./trial.ts"

const clientId = ClientId.make("abc")
const poll: Connection = { id: 1, kind: "exchange", local: false }
const stream: Connection = { id: 2, kind: "stream", local: false }
const message = (position: number) => new Message.Delivery("/a" as never, position, undefined, position)

/** A machine of which several share an engine; orders are kept and not carried out. */
class One {
  state = State.make(settings, ["websocket", "long-polling", "eventsource"], true)

  happens(outcome: Outcome): ReadonlyArray<Output> {
    return this.#step({ _tag: "Happened", now: 0, outcome })
  }

  #step(input: Parameters<typeof Machine.reduce>[1]): ReadonlyArray<Output> {
    const { outputs, state } = Machine.reduce(this.state, input)
    Steps.check(this.state, input, state)
    this.state = state
    Invariants.check(state)
    return outputs
  }

  receives(raw: object, connection = poll): ReadonlyArray<Output> {
    const decoded = Message.decode(raw, settings)
    if (decoded._tag === "Handshake") throw new Error("a handshake")
    return this.#step({
      _tag: "Received",
      now: 0,
      connection,
      slot: 0,
      mayBeHeld: Message.mayBeHeld(decoded, 1),
      message: decoded
    })
  }

  connect(connection = poll): ReadonlyArray<Output> {
    const connectionType = connection.kind === "socket" ? "websocket" : "long-polling"
    return this.receives({ channel: "/meta/connect", clientId, connectionType, id: "1" }, connection)
  }

  opensStream(): ReadonlyArray<Output> {
    return this.#step({ _tag: "StreamOpened", now: 0, connection: stream, clientId })
  }

  returns(...messages: ReadonlyArray<Message.Delivery>): ReadonlyArray<Output> {
    return this.#step({ _tag: "Returned", now: 0, clientId, messages })
  }

  /** The session comes here, with what waits for it. */
  adopts(...queue: ReadonlyArray<Message.Delivery>): ReadonlyArray<Output> {
    return this.adoptsWith(false, ...queue)
  }

  adoptsWith(hadStream: boolean, ...queue: ReadonlyArray<Message.Delivery>): ReadonlyArray<Output> {
    const subscriptions = ["/a" as never]
    const about = { clientId, acknowledges: false, identity: "alice", createdAt: 0 }
    const session = { ...about, subscriptions, queue, retries: Retries.make(undefined), againUpTo: 0, hadStream }
    return this.happens({ _tag: "SessionAdopted", session })
  }

  get waiting(): ReadonlyArray<number> {
    const session = State.session(this.state, clientId)
    return session === undefined ? [] : MessageQueue.toArray(session.queue).map(({ position }) => position)
  }
}

const tags = (outputs: ReadonlyArray<Output>) => outputs.map(({ _tag }) => _tag)
const changes = (outputs: ReadonlyArray<Output>) =>
  outputs.flatMap((output) => output._tag === "Commit" ? [output.change] : [])

describe("a connect of a session that is not here", () => {
  it("waits for the session, and is handed in again when it comes", () => {
    const one = new One()
    const change = { _tag: "Adopt", clientId, acknowledged: undefined, origin: undefined }
    assert.deepStrictEqual(one.connect(), [{ _tag: "Commit", change } as Output])
    const [arrived, resumed, ...others] = one.adopts(message(7))
    const arrival = {
      _tag: "Arrive",
      clientId,
      identity: "alice",
      createdAt: 0,
      subscriptions: ["/a" as never]
    } as const
    assert.deepStrictEqual(arrived, { _tag: "Emit", event: arrival })
    assert(resumed?._tag === "Resume" && others.length === 0)
    assert.deepStrictEqual([resumed.input.connection, one.waiting], [poll, [7]])
  })

  it("asks once, however many of them wait", () => {
    const one = new One()
    one.connect()
    assert.deepStrictEqual(one.connect({ ...poll, id: 3 }), [])
    assert.deepStrictEqual(one.opensStream(), [])
    assert.deepStrictEqual(tags(one.adopts()), ["Emit", "Resume", "Resume", "Resume"])
  })

  it("goes on when it turns out that the session is here already", () => {
    const one = new One()
    one.connect()
    assert.deepStrictEqual(tags(one.happens({ _tag: "SessionHere", clientId })), ["Resume"])
  })

  it("is refused when there is none of that name", () => {
    const one = new One()
    const [change] = changes([...one.connect(), ...one.opensStream()])
    assert.isDefined(change)
    if (change === undefined) return
    const outputs = one.happens({ _tag: "Refused", change, error: BayeuxError.clientUnknown(clientId) })
    assert.deepStrictEqual(repliesIn(outputs).map(({ advice, error, id }) => [error, id, advice]), [
      ["401:abc:Unknown client", "1", { reconnect: "handshake", interval: 1_000 }]
    ])
    assert.deepStrictEqual(tags(outputs), ["Reply", "Advise", "CloseConnection"])
    assert.deepStrictEqual(outputs[2], { _tag: "CloseConnection", connection: 2, reason: "UnknownClient" })
  })

  it("keeps its session when the engine cannot be asked", () => {
    const one = new One()
    const [change] = changes(one.connect())
    if (change === undefined) return assert.fail("no order")
    one.opensStream()
    const told = one.happens({ _tag: "Refused", change, error: BayeuxError.unavailable("/meta/connect") })
    const [reply] = repliesIn(told)
    assert.deepStrictEqual(reply?.advice, { reconnect: "retry", interval: 1_000 })
    assert.deepStrictEqual(told.slice(1), [{ _tag: "CloseConnection", connection: 2, reason: "Unavailable" }])
  })

  it("is answered like one that is held when the session ends on its way, or goes elsewhere", () => {
    const change = { _tag: "EndSession", clientId, cause: { _tag: "ClientRequest" }, origin: undefined } as const
    const ended = new One()
    ended.connect()
    const told = ended.happens({ _tag: "SessionEnded", change, patterns: [], isOwn: false })
    assert.deepStrictEqual(repliesIn(told).map(({ advice, successful }) => [successful, advice?.reconnect]), [
      [true, "none"]
    ])
    const superseded = new One()
    superseded.connect()
    const answers = repliesIn(superseded.happens({ _tag: "AdoptionSuperseded", clientId }))
    assert.deepStrictEqual(answers.map(({ advice, successful }) => [successful, advice?.reconnect, advice?.interval]), [
      [true, "retry", 1_000]
    ])
  })

  it("of a client with a stream is not answered as if that were here when the session goes elsewhere", () => {
    const one = new One()
    one.receives({ channel: "/meta/connect", clientId, connectionType: "eventsource", id: "1" })
    const [answer] = repliesIn(one.happens({ _tag: "AdoptionSuperseded", clientId }))
    assert.deepStrictEqual(answer?.advice, { reconnect: "retry", interval: 1_000, timeout: 1_000 })
  })

  it("has its stream told like itself when the session ends on its way", () => {
    const cause = { _tag: "Kicked", reason: "test" } as const
    const one = new One()
    one.opensStream()
    const change = { _tag: "EndSession", clientId, cause, origin: undefined } as const
    const [advised, closed] = one.happens({ _tag: "SessionEnded", change, patterns: [], isOwn: false })
    assert(advised?._tag === "Advise")
    assert.deepStrictEqual(advised.message.advice, { reconnect: "none" })
    assert.deepStrictEqual(closed, { _tag: "CloseConnection", connection: 2, reason: "UnknownClient" })
  })

  it("is refused at once when there cannot be a session of that name", () => {
    const outputs = new One().receives({ channel: "/meta/connect", clientId: "a b", connectionType: "long-polling" })
    assert.deepStrictEqual(repliesIn(outputs).map(({ error }) => error), ["401:a b:Unknown client"])
  })
})

describe("a session that another process wants", () => {
  it("goes there with its position and what waits for it", () => {
    const one = new One()
    one.adopts(message(5), message(7))
    const outputs = one.happens({ _tag: "SessionWanted", clientId, position: 9 })
    assert.deepStrictEqual(outputs, [
      { _tag: "Emit", event: { _tag: "Depart", clientId } },
      {
        _tag: "Commit",
        change: {
          _tag: "Yield",
          clientId,
          position: 9,
          queued: [5, 7],
          retries: Retries.make(undefined),
          againUpTo: 0,
          hadStream: false,
          origin: undefined
        }
      }
    ])
    assert.isUndefined(State.session(one.state, clientId))
    assert.deepStrictEqual(one.happens({ _tag: "SessionWanted", clientId, position: 10 }), [])
  })

  it("has its held connect answered, and its socket closed", () => {
    const held = new One()
    held.adopts()
    held.connect()
    const answered = held.happens({ _tag: "SessionWanted", clientId, position: 9 })
    const told = repliesIn(answered).map(({ advice, successful }) => [successful, advice?.interval])
    assert.deepStrictEqual(told, [[true, 1_000]], "it comes back after whoever has taken its place")
    const attached = new One()
    attached.adopts()
    attached.connect({ ...poll, kind: "socket" })
    const closed = attached.happens({ _tag: "SessionTaken", clientId })
    assert.deepStrictEqual(closed.at(-1), { _tag: "CloseConnection", connection: 1, reason: "SessionMoved" })
  })

  it("tells whether it had a stream: its browser opens that again, and needs no help", () => {
    const hadStream = (one: One) => {
      const [change] = changes(one.happens({ _tag: "SessionWanted", clientId, position: 9 }))
      return change?._tag === "Yield" && change.hadStream
    }
    const streaming = new One()
    streaming.adopts()
    streaming.opensStream()
    assert.isTrue(hadStream(streaming))
    const taken = new One()
    taken.adoptsWith(true)
    assert.isTrue(hadStream(taken), "it is still on its way")

    const other = new One()
    other.adoptsWith(true, message(7))
    const connects = () =>
      repliesIn(other.receives({ channel: "/meta/connect", clientId, connectionType: "eventsource" }))[0]?.advice
    assert.deepStrictEqual(connects(), { reconnect: "retry", interval: 1_000, timeout: 0 })
    assert.deepStrictEqual(other.waiting, [], "what waits is not left waiting")
    assert.isFalse(hadStream(other), "it has had time to come")
    other.adopts()
    assert.deepStrictEqual(connects(), { reconnect: "retry", interval: 1_500, timeout: 0 })
  })

  it("stays when it is an application's own, or about to end", () => {
    const one = new One()
    const about = { clientId, local: true, acknowledges: false, identity: undefined, origin: undefined }
    one.happens({ _tag: "SessionCreated", change: { _tag: "CreateSession", ...about } })
    assert.deepStrictEqual(one.happens({ _tag: "SessionWanted", clientId, position: 9 }), [])
    assert.isDefined(State.session(one.state, clientId))
  })
})

describe("what comes back for a session", () => {
  it("that is elsewhere goes to its owner", () => {
    const messages = [message(3)]
    assert.deepStrictEqual(changes(new One().returns(...messages)), [
      { _tag: "GiveBack", clientId, messages, isAnswer: false, origin: undefined }
    ])
    assert.deepStrictEqual(new One().returns(), [])
  })

  it("takes its place among what waits, once", () => {
    const one = new One()
    one.adopts(message(5), message(7))
    one.happens({ _tag: "GivenBack", clientId, messages: [message(6), message(7)], isAnswer: false })
    assert.deepStrictEqual(one.waiting, [5, 6, 7])
  })
})

describe("a fact of another process", () => {
  it("changes what is here, and tells what of it has become different", () => {
    const one = new One()
    one.adopts()
    const rest = { clientId, forbidden: undefined, origin: undefined }
    const pattern = "/b" as never
    const outcomes: ReadonlyArray<Outcome> = [
      {
        _tag: "Subscribed",
        change: { _tag: "Subscribe", patterns: [pattern], ...rest },
        patterns: [pattern],
        isOwn: false
      },
      {
        _tag: "Published",
        change: {
          _tag: "Publish",
          arrivedAt: undefined,
          traceparent: undefined,
          once: undefined,
          clientId: null,
          isKnown: true,
          channel: pattern,
          data: 1,
          id: undefined,
          origin: undefined
        },
        position: 11,
        isOwn: false
      },
      {
        _tag: "Unsubscribed",
        change: { _tag: "Unsubscribe", patterns: [pattern], ...rest },
        patterns: [pattern],
        isOwn: false
      }
    ]
    const arrival = { _tag: "Arrive", clientId, identity: "alice", createdAt: 0 }
    assert.deepStrictEqual<unknown>(eventsIn(outcomes.flatMap((outcome) => one.happens(outcome))), [
      { ...arrival, subscriptions: ["/b", "/a"] },
      { ...arrival, subscriptions: ["/a"] }
    ])
    assert.deepStrictEqual(one.waiting, [11])
    assert.deepStrictEqual([...State.session(one.state, clientId)?.subscriptions ?? []], ["/a"])
  })

  it("that is this process's own, of a session that is elsewhere, is told here", () => {
    const cause = { _tag: "Kicked", reason: "test" } as const
    const change = { _tag: "EndSession", clientId, cause, origin: undefined } as const
    const outputs = new One().happens({ _tag: "SessionEnded", change, patterns: ["/a" as never], isOwn: true })
    assert.deepStrictEqual(eventsIn(outputs), [
      { _tag: "Unsubscribe", clientId, channel: "/a" as never, cause, withSession: true },
      { _tag: "Disconnect", clientId, cause }
    ])
  })
})
