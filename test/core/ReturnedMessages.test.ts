import { assert, describe, it } from "@effect/vitest"
import type { ClientId } from "../../src/core/ClientId.ts"
import type { Connection } from "../../src/core/Connection.ts"
import * as Message from "../../src/core/Message.ts"
import * as MessageQueue from "../../src/core/MessageQueue.ts"
import type { Output } from "../../src/core/Output.ts"
import * as Retries from "../../src/core/Retries.ts"
import * as State from "../../src/core/State.ts"
import { deliveredTo, Trial } from "./trial.ts"

const fayeTypes = ["websocket", "long-polling", "cross-origin-long-polling"]

/** A client that polls, subscribed to `/a`. */
class Poller {
  readonly trial: Trial
  readonly clientId: ClientId

  constructor(supportedConnectionTypes: ReadonlyArray<string>, trial = new Trial()) {
    this.trial = trial
    this.clientId = trial.handshake("exchange", false, supportedConnectionTypes)
    trial.receive(trial.open("exchange"), { channel: "/meta/subscribe", clientId: this.clientId, subscription: "/a" })
  }

  /** Connects; gives the connection. */
  connect(id: string | undefined, connection = this.trial.open("exchange"), more: object = {}): Connection {
    const connect = { channel: "/meta/connect", clientId: this.clientId, connectionType: "long-polling", ...more }
    this.trial.receive(connection, id === undefined ? connect : { ...connect, id })
    return connection
  }

  /** Connects, and publishes while the connect is held; gives the connection. */
  get(id: string | undefined, ...data: ReadonlyArray<unknown>): Connection {
    const connection = this.connect(id)
    for (const each of data) this.trial.publish("/a", each)
    this.trial.endTurn()
    return connection
  }

  /** What came over a connection. */
  over(connection: Connection): ReadonlyArray<unknown> {
    return deliveredTo(this.trial.outputs, connection)
  }

  /** What an answer delivered was written, and then the peer reset the connection. */
  reset(connection: Connection, peer = "192.0.2.1", hadEnded = false): void {
    this.trial.step({ _tag: "ConnectionClosed", connection: connection.id })
    const messages = messagesTo(this.trial.outputs, connection)
    this.trial.step({
      _tag: "Returned",
      clientId: this.clientId,
      messages,
      exchange: connection.id,
      resetBy: peer,
      hadEnded
    })
  }

  /** What an answer delivered could not be written. */
  unwritten(connection: Connection): void {
    this.trial.step({ _tag: "ConnectionClosed", connection: connection.id })
    const messages = messagesTo(this.trial.outputs, connection)
    this.trial.step({ _tag: "Returned", clientId: this.clientId, messages, exchange: connection.id })
  }

  /** The answer to the handshake was written, and then reset. */
  resetHandshake(peer = "192.0.2.1"): void {
    this.trial.step({ _tag: "Returned", clientId: this.clientId, messages: [], exchange: 1, resetBy: peer })
  }

  get session() {
    return State.session(this.trial.state, this.clientId)
  }
}

const messagesTo = (outputs: ReadonlyArray<Output>, { id }: Connection): ReadonlyArray<Message.Delivery> =>
  outputs.flatMap((output) =>
    output._tag === "Reply" && output.connection === id ? output.messages.slice(1) as Array<Message.Delivery> : []
  )

const repliesTo = (outputs: ReadonlyArray<Output>, { id }: Connection): ReadonlyArray<Message.Reply> =>
  outputs.flatMap((output) =>
    output._tag === "Reply" && output.connection === id ? output.messages.slice(0, 1) as Array<Message.Reply> : []
  )

describe("a connect that repeats the id of the one that was last answered", () => {
  it("gets that answer again and nothing new, once for each connection, whatever lies between", () => {
    const faye = new Poller(fayeTypes)
    assert.deepStrictEqual(faye.over(faye.get("3", 1, 2)), [1, 2])
    faye.trial.publish("/a", 3)
    assert.deepStrictEqual(faye.over(faye.connect("3")), [1, 2])
    faye.trial.publish("/b", "something else", faye.clientId)
    assert.deepStrictEqual(faye.over(faye.connect("3")), [1, 2])
    assert.deepStrictEqual(faye.over(faye.connect("4")), [3])
    assert.deepStrictEqual(faye.over(faye.get("5", 4)), [4])
    assert.deepStrictEqual(faye.over(faye.connect("6")), [])
  })

  it("loses nothing to the one that was given up, if that comes after the one in its place", () => {
    const faye = new Poller(fayeTypes)
    assert.deepStrictEqual(faye.over(faye.get("3", 1)), [1])
    faye.trial.publish("/a", 2)
    assert.deepStrictEqual(faye.over(faye.connect("3")), [1], "it comes late, and the client has read the other")
    assert.deepStrictEqual(faye.over(faye.connect("4")), [2])
  })

  it("is answered, and so is the one that is held: what comes then goes with the next id", () => {
    const faye = new Poller(fayeTypes)
    faye.get("3", 1)
    const connections = [faye.connect("4"), faye.connect("4")]
    for (const connection of connections) {
      const advice = repliesTo(faye.trial.outputs, connection).map(({ advice }) => advice?.reconnect)
      assert.deepStrictEqual(advice, ["retry"])
    }
    faye.trial.publish("/a", 2)
    faye.trial.endTurn()
    assert.deepStrictEqual(faye.over(faye.connect("5")), [2])
    for (const connection of connections) assert.deepStrictEqual(faye.over(connection), [])
  })

  it("gets it once where the server hears afterwards that the first one was not written", () => {
    const faye = new Poller(fayeTypes)
    const first = faye.get("3", 1)
    assert.deepStrictEqual(faye.over(faye.connect("3")), [1])
    faye.unwritten(first)
    assert.deepStrictEqual(faye.over(faye.connect("4")), [])
  })

  it("takes nothing from the one that is held, if it was sent before that", () => {
    const faye = new Poller(fayeTypes)
    faye.get("z", 1)
    const held = faye.connect("10")
    assert.strictEqual(repliesTo(faye.trial.outputs, faye.connect("z")).length, 1)
    assert.strictEqual(repliesTo(faye.trial.outputs, faye.connect("y")).length, 1)
    faye.trial.publish("/a", 2)
    faye.trial.endTurn()
    assert.deepStrictEqual(faye.over(held), [2])
    assert.deepStrictEqual(faye.over(faye.connect("y")), [])
    assert.deepStrictEqual(faye.over(faye.connect("10")), [2], "that one was not read, whatever came late")
  })

  it("is sent back after a while, so that a client which has one id from now on does not spin", () => {
    const client = new Poller(["long-polling"])
    client.get("one", 1)
    client.get("two", 2)
    const [reply] = repliesTo(client.trial.outputs, client.connect("two"))
    assert.strictEqual(reply?.advice?.interval, 1_000)
  })

  it("gets nothing again over the connection that carried the answer", () => {
    const faye = new Poller(fayeTypes)
    const connection = faye.get("3", 1)
    faye.connect("3", connection)
    assert.deepStrictEqual(faye.over(connection), [1])
  })

  it("gets nothing again from a client that has one id for everything, or none", () => {
    for (const id of ["1", undefined]) {
      const client = new Poller(["long-polling"])
      for (const n of [1, 2, 3]) assert.deepStrictEqual(client.over(client.get(id, n)), [n])
    }
  })

  it("gets it again from any client whose connects had different ids so far", () => {
    const client = new Poller(["long-polling"])
    client.get("one", 1)
    assert.deepStrictEqual(client.over(client.get("two", 2)), [2])
    assert.deepStrictEqual(client.over(client.connect("two")), [2])
  })

  it("gets by an open socket what the poll before it has not read", () => {
    const faye = new Poller(fayeTypes)
    faye.get("3", 1)
    const socket = faye.connect("3", faye.trial.open("socket"), { connectionType: "websocket" })
    assert.deepStrictEqual(faye.over(socket), [1])
    faye.connect("3", socket, { connectionType: "websocket" })
    assert.deepStrictEqual(faye.over(socket), [1])
  })

  it("counts as waiting for what could not be written, until it is asked for or said to be read", () => {
    const waiting = (faye: Poller) => [...State.waiting(faye.trial.state)].map(([clientId]) => clientId)
    for (const next of ["3", "4"]) {
      const faye = new Poller(fayeTypes)
      const broken = faye.get("3", 1)
      assert.deepStrictEqual(waiting(faye), [])
      faye.unwritten(broken)
      assert.deepStrictEqual(waiting(faye), [faye.clientId])
      faye.connect(next)
      assert.deepStrictEqual(waiting(faye), [])
    }
  })

  it("is given again what could not be written, once", () => {
    const faye = new Poller(fayeTypes)
    const broken = faye.get("3", 1)
    const again = faye.connect("3")
    faye.unwritten(broken)
    assert.deepStrictEqual([faye.over(again), faye.over(faye.connect("4"))], [[1], []])
    const other = faye.get("5", 2)
    faye.unwritten(other)
    assert.deepStrictEqual(faye.over(faye.connect("5")), [2])
  })

  it("keeps nothing for an id that is too long to be kept", () => {
    const faye = new Poller(fayeTypes)
    const id = "x".repeat(65)
    faye.get(id, 1)
    assert.deepStrictEqual(faye.session?.retries.answered?.messages, [])
    assert.deepStrictEqual(faye.over(faye.connect(id)), [])
  })

  it("keeps what was answered no longer than until the next connect", () => {
    const faye = new Poller(fayeTypes)
    faye.get("3", 1)
    assert.strictEqual(faye.session?.retries.answered?.messages.length, 1)
    faye.connect("4")
    assert.strictEqual(faye.session?.retries.answered?.messages.length, 0)
  })
})

describe("a reset behind an answer that was written to its end", () => {
  it("brings the messages back once, and not again", () => {
    const client = new Poller(["long-polling"])
    client.reset(client.get(undefined, 1))
    const second = client.connect(undefined)
    assert.deepStrictEqual(client.over(second), [1])
    client.reset(second)
    assert.deepStrictEqual(client.over(client.connect(undefined)), [])
    client.reset(client.get(undefined, 2))
    assert.deepStrictEqual(client.over(client.connect(undefined)), [], "the peer is not believed any more")
  })

  it("brings nothing back to a client whose ids say what it has read", () => {
    const faye = new Poller(fayeTypes)
    faye.reset(faye.get("3", 1))
    assert.deepStrictEqual(faye.over(faye.connect("4")), [])
    assert.deepStrictEqual(
      faye.trial.state.disbelieved,
      ["192.0.2.1"],
      "its new id has shown that it had read the answer"
    )
  })

  it("is right where the client asks again", () => {
    const faye = new Poller(fayeTypes)
    faye.reset(faye.get("3", 1))
    assert.deepStrictEqual(faye.over(faye.connect("3")), [1])
    assert.deepStrictEqual(faye.trial.state.disbelieved, [])
  })

  it("is wrong where CometD's client, which has a new id each time, comes back without a pause", () => {
    const cometd = new Poller(["long-polling"])
    cometd.get("1", 1)
    cometd.reset(cometd.get("2", 2))
    cometd.trial.advance(400)
    assert.deepStrictEqual(cometd.over(cometd.connect("3")), [])
    assert.deepStrictEqual(cometd.trial.state.disbelieved, ["192.0.2.1"])
  })

  it("brings the messages back, once, where CometD's client comes back with the pause after a failure", () => {
    const cometd = new Poller(["long-polling"])
    cometd.get("1", 1)
    cometd.reset(cometd.get("2", 2))
    cometd.trial.advance(1_000)
    const again = cometd.connect("3")
    assert.deepStrictEqual(cometd.over(again), [2])
    cometd.reset(again)
    cometd.trial.advance(1_000)
    assert.deepStrictEqual(cometd.over(cometd.connect("4")), [])
  })

  it("brings the messages back, once, where the peer had closed its socket, whatever is thought of resets from there", () => {
    const client = new Poller(["long-polling"])
    client.resetHandshake()
    const first = client.get(undefined, 1)
    assert.deepStrictEqual(client.trial.state.disbelieved, ["192.0.2.1"])
    client.reset(first, "192.0.2.1", true)
    const again = client.connect(undefined)
    assert.deepStrictEqual(client.over(again), [1])
    client.reset(again, "192.0.2.1", true)
    assert.deepStrictEqual(client.over(client.connect(undefined)), [])
    const faye = new Poller(fayeTypes, client.trial)
    faye.reset(faye.get("3", 2), "192.0.2.1", true)
    assert.deepStrictEqual(faye.over(faye.connect("4")), [], "it says by its ids that it has read the answer")
  })

  it("proves nothing from a peer that has reset the answer to a handshake which was read", () => {
    const client = new Poller(["long-polling"])
    client.resetHandshake()
    client.reset(client.get(undefined, 1))
    assert.deepStrictEqual(client.over(client.connect(undefined)), [])
    const other = new Poller(["long-polling"], client.trial)
    other.reset(other.get(undefined, 2))
    assert.deepStrictEqual(other.over(other.connect(undefined)), [])
    const elsewhere = new Poller(["long-polling"], client.trial)
    elsewhere.reset(elsewhere.get(undefined, 3), "192.0.2.2")
    assert.deepStrictEqual(elsewhere.over(elsewhere.connect(undefined)), [3])
  })

  it("proves nothing that is told when the client has connected again", () => {
    const client = new Poller(["long-polling"])
    client.resetHandshake("192.0.2.3")
    client.connect(undefined)
    assert.deepStrictEqual(client.trial.state.disbelieved, ["192.0.2.3"])
    const other = new Poller(["long-polling"])
    const first = other.get(undefined, 1)
    other.get(undefined, 2)
    other.reset(first)
    assert.deepStrictEqual(other.over(other.connect(undefined)), [])
  })

  it("brings nothing back to another process, to which the client came before the reset", () => {
    const trial = new Trial()
    const clientId = "elsewhere" as ClientId
    const reset = { exchange: 1, resetBy: "192.0.2.1" }
    const { state } = trial
    assert.deepStrictEqual(trial.step({ _tag: "Returned", clientId, messages: [], ...reset }), [])
    assert.strictEqual(trial.state, state)
  })

  it("remembers a thousand peers at the most", () => {
    const trial = new Trial()
    for (let n = 0; n < 1_010; n++) {
      const client = new Poller(["long-polling"], trial)
      client.resetHandshake(`peer ${n}`)
      client.connect(undefined)
    }
    assert.strictEqual(trial.state.disbelieved.length, 1_000)
    assert.strictEqual(trial.state.disbelieved[999], "peer 1009")
  })
})

describe("what was pushed over a socket that a peer has reset", () => {
  const begin = () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket("/a")
    const reset = (connection: Connection, ...positions: ReadonlyArray<number>) => {
      trial.step({ _tag: "ConnectionClosed", connection: connection.id })
      return trial.step({
        _tag: "Returned",
        clientId,
        messages: positions.map((position) => new Message.Delivery("/a" as never, position, undefined, position)),
        resetBy: "192.0.2.1"
      })
    }
    const waiting = () =>
      MessageQueue.toArray(State.session(trial.state, clientId)?.queue ?? MessageQueue.empty).map(({ data }) => data)
    const connect = () => {
      const connection = trial.open("socket")
      trial.receive(connection, { channel: "/meta/connect", clientId, connectionType: "websocket", id: "1" })
      return connection
    }
    return { trial, connection, reset, waiting, connect }
  }

  it("comes again once, whatever the ids of its connects say: it was no answer", () => {
    const { connect, connection, reset, trial, waiting } = begin()
    reset(connection, 101, 102)
    assert.deepStrictEqual(waiting(), [101, 102])
    const next = connect()
    assert.deepStrictEqual(deliveredTo(trial.outputs, next), [101, 102])
    reset(next, 101, 102, 103)
    assert.deepStrictEqual(waiting(), [103])
  })

  it("comes again by the connection by which its session is back already", () => {
    const { connect, connection, reset } = begin()
    const next = connect()
    assert.deepStrictEqual(deliveredTo(reset(connection, 101), next), [101])
  })
})

describe.each(Object.keys(Retries.proofs) as Array<Retries.Ids>)("ids that are %s", (ids) => {
  const proofs = Retries.proofs[ids]

  /** A client whose connect with the id 5 was answered with a message. */
  const answered = () => {
    const poller = new Poller(["websocket", "long-polling"])
    const connection = poller.get("5", "m")
    const { session, trial } = poller
    assert.deepStrictEqual(poller.over(connection), ["m"])
    if (session !== undefined) {
      trial.state = State.setSession(trial.state, { ...session, retries: { ...session.retries, ids } })
    }
    return { poller, connection }
  }

  it(`say by the same id: ${proofs.sameId}`, () => {
    const { poller } = answered()
    assert.deepStrictEqual(poller.over(poller.connect("5")), proofs.sameId === "Unread" ? ["m"] : [])
  })

  it(`of an answer that could not be written: ${proofs.unwritten}`, () => {
    const { connection, poller } = answered()
    poller.unwritten(connection)
    assert.strictEqual(poller.session?.queue.length, proofs.unwritten === "OnRequest" ? 0 : 1)
    const comes = [...poller.over(poller.connect("5")), ...poller.over(poller.connect("6"))]
    assert.deepStrictEqual(comes, ["m"])
  })

  it(`of an answer that was reset: ${proofs.reset}`, () => {
    const { connection, poller } = answered()
    poller.reset(connection)
    assert.strictEqual(poller.session?.queue.length, proofs.reset === "Now" ? 1 : 0)
  })

  it(`say by a new id: ${proofs.newId}`, () => {
    for (const pause of [0, 1_000]) {
      const { connection, poller } = answered()
      poller.reset(connection)
      poller.trial.now += pause
      const isRead = proofs.newId === "Read" || (proofs.newId === "ReadIfSoon" && pause === 0)
      assert.deepStrictEqual(poller.over(poller.connect("6")), isRead ? [] : ["m"], `after ${pause} ms`)
    }
  })
})
