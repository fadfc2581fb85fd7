import { assert, describe, it } from "@effect/vitest"
import type { Outcome } from "../../src/core/Change.ts"
import type { ClientId } from "../../src/core/ClientId.ts"
import type { Connection } from "../../src/core/Connection.ts"
import type { Input } from "../../src/core/Input.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as Message from "../../src/core/Message.ts"
import type * as Retries from "../../src/core/Retries.ts"
import type * as Session from "../../src/core/Session.ts"
import * as State from "../../src/core/State.ts"
import * as Transitions from "../../src/core/Transitions.ts"
import * as Steps from "./transitions.ts"
import { Trial } from "./trial.ts"

/** A session in a state of the table, with the machine that it is in. */
class Case {
  readonly trial = new Trial({ maxQueueLength: 2 })
  readonly clientId: ClientId
  readonly connection: Connection

  constructor(reach: Transitions.Reach, acknowledges: boolean, life: Transitions.Life = "Alive") {
    const { trial } = this
    trial.receive(trial.open("exchange"), {
      channel: "/meta/handshake",
      version: "1.0",
      supportedConnectionTypes: ["websocket", "long-polling"],
      ext: { ack: acknowledges }
    })
    const [event] = trial.events
    assert(event?._tag === "Handshake")
    this.clientId = event.clientId
    trial.receive(trial.open("exchange"), {
      channel: "/meta/subscribe",
      clientId: this.clientId,
      subscription: "/a"
    })
    this.connection = trial.open(reach === "Polling" ? "exchange" : reach === "Stream" ? "stream" : "socket")
    this.#reach(reach)
    this.set({ ending: life === "Ending" })
    assert.deepStrictEqual([this.reach, this.life], [reach, life])
  }

  #reach(reach: Transitions.Reach): void {
    switch (reach) {
      case "Detached":
        return
      case "Polling":
      case "HoldingSocket":
        return this.step(this.connect(this.connection, true, "5"))
      case "Socket":
        return this.step(this.connect(this.connection, false, "5"))
      case "Stream":
        return this.step({ _tag: "StreamOpened", now: 0, connection: this.connection, clientId: this.clientId })
    }
  }

  connect(connection: Connection, mayBeHeld: boolean, id: string, clientId: string = this.clientId): Input {
    const connectionType = connection.kind === "socket" ? "websocket" : "long-polling"
    const raw = { channel: "/meta/connect", clientId, connectionType, id }
    const message = Message.decode(raw, this.trial.state.settings)
    assert(message._tag === "Connect")
    return { _tag: "Received", now: this.trial.now, connection, slot: 0, mayBeHeld, message }
  }

  happened(outcome: Outcome): Input {
    return { _tag: "Happened", now: this.trial.now, outcome }
  }

  /** Takes one step, and checks it. */
  step(input: Input): void {
    const { state } = this.trial
    this.trial.state = Machine.reduce(state, input).state
    Steps.check(state, input, this.trial.state)
  }

  get session(): Session.Session | undefined {
    return State.session(this.trial.state, this.clientId)
  }

  /** Changes what no input changes alone. */
  set(fields: Partial<Session.Session>): void {
    const { session } = this
    if (session !== undefined) this.trial.state = State.setSession(this.trial.state, { ...session, ...fields })
  }

  setRetries(retries: Partial<Retries.Retries>): void {
    if (this.session !== undefined) this.set({ retries: { ...this.session.retries, ...retries } })
  }

  get reach(): Transitions.Reach | undefined {
    return this.session && Transitions.reachOf(this.session)
  }

  get life(): Transitions.Life {
    return Transitions.lifeOf(this.session)
  }

  publish(): void {
    this.trial.publish("/a", 1)
  }
}

const linkEvents: { readonly [event in Transitions.LinkEvent]: (at: Case) => void } = {
  ExchangeConnectHeld: (at) => at.step(at.connect(at.trial.open("exchange"), true, "6")),
  ExchangeConnectAnswered: (at) => at.step(at.connect(at.trial.open("exchange"), false, "6")),
  ExchangeConnectRepeated: (at) => {
    at.setRetries({ ids: "Distinct", answered: { id: "5", connection: 0, messages: [] } })
    at.step(at.connect(at.trial.open("exchange"), true, "5"))
  },
  ExchangeConnectLate: (at) => {
    at.setRetries({ ids: "Unique", last: "9" })
    at.step(at.connect(at.trial.open("exchange"), true, "6"))
  },
  SocketConnectHeld: (at) => at.step(at.connect(at.trial.open("socket"), true, "6")),
  SocketConnectAnswered: (at) => at.step(at.connect(at.trial.open("socket"), false, "6")),
  SocketTaken: (at) => {
    const other = at.trial.handshake()
    if (at.connection.kind === "socket") at.step(at.connect(at.connection, true, "6", other))
  },
  StreamOpened: (at) =>
    at.step({ _tag: "StreamOpened", now: 0, connection: at.trial.open("stream"), clientId: at.clientId }),
  TurnEnded: (at) => {
    at.publish()
    at.step({ _tag: "TurnEnded", now: 0 })
  },
  HoldTimeOver: (at) => at.step({ _tag: "DeadlinePassed", now: at.trial.state.settings.timeout }),
  ConnectionEnding: (at) => at.step({ _tag: "ConnectionEnding", now: 0, connection: at.connection.id, goesOn: false }),
  ConnectionClosed: (at) => at.step({ _tag: "ConnectionClosed", now: 0, connection: at.connection.id })
}

const endOf = (at: Case) =>
  ({ _tag: "EndSession", clientId: at.clientId, cause: { _tag: "Shutdown" }, origin: undefined }) as const

const lifeEvents: { readonly [event in Transitions.LifeEvent]: (at: Case) => void } = {
  SessionTimedOut: (at) => at.step({ _tag: "DeadlinePassed", now: at.trial.state.settings.sessionTimeout }),
  EndRequested: (at) =>
    at.step({ _tag: "EndRequested", now: 0, clientId: at.clientId, cause: { _tag: "Kicked", reason: "x" } }),
  QueueOverflowed: (at) => {
    at.publish()
    at.publish()
    const { steps } = at.trial
    const from = steps.length
    at.trial.publish("/a", 1)
    const published = steps.slice(from).find(({ input }) =>
      input._tag === "Happened" && input.outcome._tag === "Published"
    )
    at.trial.state = published?.step.state ?? at.trial.state
  },
  EndRefused: (at) =>
    at.step(at.happened({
      _tag: "Refused",
      change: endOf(at),
      error: { code: 503, args: [], text: "" }
    })),
  SessionEnded: (at) => at.step(at.happened({ _tag: "SessionEnded", change: endOf(at), patterns: [], isOwn: true })),
  SessionWanted: (at) => at.step(at.happened({ _tag: "SessionWanted", clientId: at.clientId, position: 9 })),
  SessionTaken: (at) => at.step(at.happened({ _tag: "SessionTaken", clientId: at.clientId }))
}

const keys = <R extends object>(record: R) => Object.keys(record) as Array<keyof R & string>

const reaches = keys(Transitions.links.TurnEnded)

/** The states that a session can be in. */
const states = [false, true].flatMap((acknowledges) =>
  reaches.flatMap((reach) => acknowledges && reach === "Stream" ? [] : [{ reach, acknowledges }])
)

describe.each(states)("a session that is $reach (acknowledges: $acknowledges)", ({ acknowledges, reach }) => {
  it.each(keys(linkEvents))("goes to the state of the table when %s", (event) => {
    for (const life of ["Alive", "Ending"] as const) {
      const at = new Case(reach, acknowledges, life)
      linkEvents[event](at)
      assert.strictEqual(at.reach, Transitions.rowOf(event, { acknowledges })[reach])
      assert.strictEqual(at.life, life)
    }
  })

  const queues = reach === "Detached" || reach === "Polling" || acknowledges
  const isHolding = reach === "Polling" || reach === "HoldingSocket"

  it.each(
    keys(lifeEvents).filter((event) =>
      event === "QueueOverflowed" ? queues : event === "SessionTimedOut" ? !isHolding : true
    )
  )("lives on or ends as in the table when %s", (event) => {
    for (const life of ["Alive", "Ending"] as const) {
      const at = new Case(reach, acknowledges, life)
      lifeEvents[event](at)
      assert.strictEqual(at.life, Transitions.lives[event][life], life)
      if (at.life !== "Gone") assert.strictEqual(at.reach, reach)
    }
  })
})
