/**
 * The machine without a shell: an order is a fact at once, as in memory, and what comes out goes nowhere. Its clients
 * are numbers, from which their names and connections follow, so that nothing but the state has to remember them.
 */
import { createHash } from "node:crypto"
import * as ClientId from "../../src/core/ClientId.ts"
import type { Connection, Kind } from "../../src/core/Connection.ts"
import type { Input } from "../../src/core/Input.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as Message from "../../src/core/Message.ts"
import * as Settings from "../../src/core/Settings.ts"
import * as State from "../../src/core/State.ts"
import { outcomeOf } from "../../test/core/trial.ts"

/** The name of a client: as long, and as evenly distributed, as those of the server. */
export const clientId = (client: number): ClientId.ClientId =>
  ClientId.make(createHash("sha1").update(String(client)).digest("hex"))

const connection = (id: number, kind: Kind): Connection => ({ id, kind, local: false })

/** The client's own connection. */
export const socket = (client: number): Connection => connection(client, "socket")
export const poll = (client: number): Connection => connection(client, "exchange")

/** Where messages come from that are nobody's: publishes without a session, say. */
const elsewhere = connection(0, "exchange")

export const settings: Settings.Settings = Settings.defaults

const types = { socket: "websocket", stream: "eventsource", exchange: "long-polling" } as const

export class Server {
  #position = 0
  now = 0
  state = State.make({ ...settings, maxQueueLength: Infinity }, ["websocket", "long-polling"])

  /** A server that goes on from the state of another one. */
  fork(): Server {
    const server = new Server()
    server.state = this.state
    server.now = this.now
    return server
  }

  step(input: Input): void {
    const { outputs, state } = Machine.reduce(this.state, input)
    this.state = state
    for (const output of outputs) {
      if (output._tag === "Commit") {
        this.step({ _tag: "Happened", now: input.now, outcome: outcomeOf(output.change, this.state, ++this.#position) })
      }
    }
  }

  // Inputs, ready to be timed when they are stepped.

  #received(connection: Connection, raw: unknown): Input {
    const message = Message.decode(raw, this.state.settings)
    if (message._tag === "Handshake") throw new Error("A handshake is made by `handshake`")
    return { _tag: "Received", now: this.now, connection, slot: 0, mayBeHeld: Message.mayBeHeld(message, 1), message }
  }

  handshake(client: number): Input {
    return {
      _tag: "HandshakeReceived",
      now: this.now,
      connection: elsewhere,
      slot: 0,
      message: {
        _tag: "Handshake",
        id: "1",
        supportedConnectionTypes: ["websocket", "long-polling"],
        acknowledges: false,
        identity: undefined
      },
      freshId: clientId(client)
    }
  }

  connect(client: number, over: Connection): Input {
    return this.#received(over, {
      channel: "/meta/connect",
      id: "2",
      clientId: clientId(client),
      connectionType: types[over.kind]
    })
  }

  subscribe(client: number, subscription: string | ReadonlyArray<string>): Input {
    return this.#received(elsewhere, { channel: "/meta/subscribe", id: "3", clientId: clientId(client), subscription })
  }

  unsubscribe(client: number, subscription: string): Input {
    return this.#received(elsewhere, {
      channel: "/meta/unsubscribe",
      id: "4",
      clientId: clientId(client),
      subscription
    })
  }

  disconnect(client: number): Input {
    return this.#received(elsewhere, { channel: "/meta/disconnect", id: "5", clientId: clientId(client) })
  }

  publish(channel: string): Input {
    return this.#received(elsewhere, { channel, id: "6", data: "hello" })
  }

  closed(connection: Connection): Input {
    return { _tag: "ConnectionClosed", now: this.now, connection: connection.id }
  }

  returned(client: number, messages: ReadonlyArray<Message.Delivery>): Input {
    return { _tag: "Returned", now: this.now, clientId: clientId(client), messages }
  }

  deadline(): Input {
    return { _tag: "DeadlinePassed", now: this.now }
  }

  turnEnded(): Input {
    return { _tag: "TurnEnded", now: this.now }
  }

  /** A client with a session, subscriptions and a held connect. */
  join(client: number, over: Connection, ...subscriptions: ReadonlyArray<string>): void {
    this.step(this.handshake(client))
    if (subscriptions.length > 0) this.step(this.subscribe(client, subscriptions))
    this.step(this.connect(client, over))
  }
}

/** Whole numbers below a bound that look like chance and are the same in each process. */
export const numbers = (): (bound: number) => number => {
  let state = 1
  return (bound) => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0
    return Math.floor(state / 2 ** 32 * bound)
  }
}

/** A bundle of operations. */
export const times = <A>(count: number, make: (index: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, index) => make(index))
