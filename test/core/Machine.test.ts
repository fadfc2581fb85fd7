import { assert, describe, it } from "@effect/vitest"
import { HashMap } from "effect"
import * as BayeuxError from "../../src/core/BayeuxError.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as State from "../../src/core/State.ts"
import { repliesIn, Trial } from "./trial.ts"

describe("the end of a session", () => {
  it("comes when it has not connected for the session time-out: its unsubscribes, then its disconnect, once", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    trial.now = 100
    trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId, subscription: ["/a", "/b"] })
    trial.receive(trial.open("exchange"), {
      channel: "/meta/connect",
      clientId,
      connectionType: "long-polling",
      advice: { timeout: 0 }
    })
    const before = trial.events.length
    trial.advance(1_999)
    assert.strictEqual(trial.events.length, before)
    trial.advance(1)
    const cause = { _tag: "Timeout", lastSeen: 100 }
    const [disconnect, ...unsubscribes] = trial.events.slice(before).reverse()
    assert.deepStrictEqual(disconnect, { _tag: "Disconnect", clientId, cause } as never)
    assert.sameDeepMembers(unsubscribes, [
      { _tag: "Unsubscribe", clientId, channel: "/a", cause, withSession: true },
      { _tag: "Unsubscribe", clientId, channel: "/b", cause, withSession: true }
    ] as never)
    trial.advance(10_000)
    assert.strictEqual(trial.events.length, before + 3)
  })

  it("does not come while it connects, held or not", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    for (let i = 0; i < 5; i++) {
      trial.receive(trial.open("exchange"), { channel: "/meta/connect", clientId, connectionType: "long-polling" })
      trial.advance(1_900)
    }
    assert.isDefined(State.session(trial.state, clientId))
  })

  it("comes although its socket is open, if it no longer connects", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket()
    const outputs = trial.advance(2_000)
    assert.isUndefined(State.session(trial.state, clientId))
    assert.isTrue(outputs.some((output) => output._tag === "CloseConnection" && output.connection === connection.id))
  })

  it("does not come for the application's own sessions", () => {
    const trial = new Trial()
    const clientId = trial.handshake("socket", true)
    trial.advance(1_000_000)
    assert.isDefined(State.session(trial.state, clientId))
  })

  it("leaves a client whose connect was answered late as much time as any other", () => {
    const trial = new Trial()
    const { clientId } = trial.poll()
    trial.now = 50_000
    assert.strictEqual(repliesIn(trial.step({ _tag: "DeadlinePassed" })).length, 1)
    assert.isDefined(State.session(trial.state, clientId))
    trial.advance(999)
    assert.isDefined(State.session(trial.state, clientId))
    trial.advance(1)
    assert.isUndefined(State.session(trial.state, clientId))
  })

  it.each(
    [
      [{ _tag: "Kicked", reason: "spam" }, "403:client1:spam", "none"],
      [{ _tag: "Shutdown" }, "401:client1:Unknown client", "handshake"]
    ] as const
  )("by %j tells a client that is held what to do", (cause, error, reconnect) => {
    const trial = new Trial()
    const { clientId } = trial.poll("/a")
    const outputs = trial.step({ _tag: "EndRequested", clientId, cause })
    const [reply] = repliesIn(outputs)
    assert.isFalse(reply?.successful)
    assert.strictEqual(reply?.error, error)
    assert.strictEqual(reply?.advice?.reconnect, reconnect)
    assert.deepStrictEqual(trial.events.at(-1), { _tag: "Disconnect", clientId, cause })
  })

  it("is not ordered again when its old deadline comes up late", () => {
    const trial = new Trial({ timeout: 1_000, sessionTimeout: 1_001 })
    const { clientId, connection } = trial.poll()
    const end = { _tag: "EndRequested", now: 0, clientId, cause: { _tag: "Shutdown" } } as const
    const ending = Machine.reduce(trial.state, end).state
    const closed = Machine.reduce(ending, { _tag: "ConnectionClosed", now: 0, connection: connection.id }).state
    const late = Machine.reduce(closed, { _tag: "DeadlinePassed", now: 5_000 })
    assert.deepStrictEqual(late.outputs, [])
    assert.strictEqual(Machine.nextDeadline(late.state), Infinity)
  })

  it("is ordered once, and not carried out when the engine refuses it", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const cause = { _tag: "Shutdown" } as const
    const ask = (state: State.State) => Machine.reduce(state, { _tag: "EndRequested", now: 0, clientId, cause })
    const first = ask(trial.state)
    assert.strictEqual(first.outputs.length, 1)
    const second = ask(first.state)
    assert.strictEqual(second.outputs.length, 0)
    const change = { _tag: "EndSession", clientId, cause, origin: undefined } as const
    const refused = Machine.reduce(second.state, {
      _tag: "Happened",
      now: 10,
      outcome: { _tag: "Refused", change, error: BayeuxError.serverError }
    })
    assert.strictEqual(Machine.nextDeadline(first.state), Infinity)
    assert.strictEqual(Machine.nextDeadline(refused.state), 2_010)
  })
})

describe("an order that the engine refuses", () => {
  it("is answered with its error", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const connection = trial.open("exchange")
    const request = { _tag: "Subscribe", id: "1", clientId, subscription: "/a", patterns: ["/a" as never] } as const
    const change = {
      _tag: "Subscribe",
      clientId,
      patterns: request.patterns,
      forbidden: undefined,
      origin: { connection, slot: 0, request }
    } as const
    const error = BayeuxError.make(503, [], "Service unavailable")
    const { outputs, state } = Machine.reduce(trial.state, {
      _tag: "Happened",
      now: 0,
      outcome: { _tag: "Refused", change, error }
    })
    assert.deepStrictEqual(repliesIn(outputs), [
      {
        channel: "/meta/subscribe",
        successful: false,
        id: "1",
        clientId,
        subscription: "/a",
        error: "503::Service unavailable"
      }
    ])
    assert.strictEqual(state, trial.state)
  })
})

describe("a state", () => {
  it("is a value: the old one is as it was after any step", () => {
    const trial = new Trial()
    const { clientId } = trial.socket("/a")
    const before = trial.state
    trial.step({ _tag: "EndRequested", clientId, cause: { _tag: "Shutdown" } })
    assert.strictEqual(HashMap.size(before.sessions), 1)
    assert.strictEqual(HashMap.size(trial.state.sessions), 0)
  })

  it("offers the transports that are there now", () => {
    const trial = new Trial({}, [])
    trial.step({ _tag: "TransportsChanged", connectionTypes: ["websocket"] })
    assert.deepStrictEqual(trial.state.connectionTypes, ["websocket"])
  })
})
