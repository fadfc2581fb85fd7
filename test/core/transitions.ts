/** Checks each step against the tables of `Transitions`: of no session anything else happens. */
import { assert } from "@effect/vitest"
import { HashMap } from "effect"
import type { Input } from "../../src/core/Input.ts"
import type * as Session from "../../src/core/Session.ts"
import * as State from "../../src/core/State.ts"
import * as Transitions from "../../src/core/Transitions.ts"

type Events = ReadonlyArray<Transitions.LinkEvent | Transitions.LifeEvent>

const connects: { readonly [kind in "exchange" | "socket" | "stream"]: Events } = {
  exchange: [
    "ExchangeConnectHeld",
    "ExchangeConnectAnswered",
    "ExchangeConnectRepeated",
    "ExchangeConnectLate"
  ],
  socket: ["SocketConnectHeld", "SocketConnectAnswered"],
  stream: []
}

/** What an input may be to a session. */
const eventsOf = (input: Input, { clientId, link }: Session.Session): Events => {
  const isOn = (connection: number) => link._tag !== "Detached" && link.connection === connection
  switch (input._tag) {
    case "Received":
      if (input.message._tag !== "Connect") return []
      if (input.message.clientId === clientId) return connects[input.connection.kind]
      return isOn(input.connection.id) ? ["SocketTaken"] : []
    case "StreamOpened":
      return input.clientId === clientId ? ["StreamOpened"] : []
    case "TurnEnded":
      return ["TurnEnded", "QueueOverflowed"]
    case "DeadlinePassed":
      return ["HoldTimeOver", "SessionTimedOut"]
    case "ConnectionEnding":
    case "ConnectionClosed":
      return isOn(input.connection) ? [input._tag] : []
    case "EndRequested":
      return input.clientId === clientId ? ["EndRequested"] : []
    case "Happened": {
      const { outcome } = input
      if (outcome._tag === "Published") return ["QueueOverflowed"]
      if (outcome._tag === "SessionWanted" || outcome._tag === "SessionTaken") {
        return outcome.clientId === clientId ? [outcome._tag] : []
      }
      if (outcome._tag === "SessionEnded") return outcome.change.clientId === clientId ? ["SessionEnded"] : []
      return outcome._tag === "Refused" && outcome.change._tag === "EndSession" && outcome.change.clientId === clientId
        ? ["EndRefused"]
        : []
    }
    case "HandshakeReceived":
    case "Heard":
    case "Halted":
    case "Returned":
    case "TransportsChanged":
      return []
  }
}

const isLink = (event: string): event is Transitions.LinkEvent => event in Transitions.links

/** Checks one step. */
export const check = (before: State.State, input: Input, after: State.State): void => {
  for (const [clientId, session] of before.sessions) {
    const next = State.session(after, clientId)
    if (next === session) continue
    const events = eventsOf(input, session)
    const life = Transitions.lifeOf(session)
    const lives = events.flatMap((event) => isLink(event) || life === "Gone" ? [] : [Transitions.lives[event][life]])
    assert.include([life, ...lives], Transitions.lifeOf(next), `${clientId} lives, after ${input._tag}`)
    if (next === undefined) continue
    const reach = Transitions.reachOf(session)
    const links = events.flatMap((event) => isLink(event) ? [Transitions.rowOf(event, session)[reach]] : [])
    assert.include([reach, ...links], Transitions.reachOf(next), `${clientId} was ${reach}, after ${input._tag}`)
    assert.strictEqual(next.acknowledges, session.acknowledges)
  }
  for (const [clientId, session] of after.sessions) {
    if (HashMap.has(before.sessions, clientId)) continue
    assert.strictEqual(Transitions.reachOf(session), "Detached", `${clientId} begins`)
  }
}
