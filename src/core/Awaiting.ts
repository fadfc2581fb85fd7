/**
 * Connects and streams of sessions that are not here: they wait until the engine has brought the session to this
 * process, or has refused to. Connects that wait are held by no session, so they have no hold time.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { ClientId } from "./ClientId.ts"
import type { ConnectionId } from "./Connection.ts"
import * as Message from "./Message.ts"
import { type Output, reply } from "./Output.ts"
import type * as State from "./State.ts"

type Out = Array<Output>

const of = (state: State.State, clientId: ClientId): ReadonlyArray<State.Awaiting> =>
  Option.getOrElse(HashMap.get(state.awaiting, clientId), () => [])

/** Whether anything waits for the session. */
export const isAwaited = (state: State.State, clientId: ClientId): boolean => HashMap.has(state.awaiting, clientId)

/** Adds a connect or stream that waits for the session. */
export const add = (state: State.State, clientId: ClientId, input: State.Awaiting): State.State => ({
  ...state,
  awaiting: HashMap.set(state.awaiting, clientId, [...of(state, clientId), input])
})

/** Removes everything that waits for the session, and hands each to `then`. */
export const remove = (
  state: State.State,
  clientId: ClientId,
  then: (input: State.Awaiting) => void
): State.State => {
  const inputs = of(state, clientId)
  for (const input of inputs) then(input)
  return inputs.length === 0 ? state : { ...state, awaiting: HashMap.remove(state.awaiting, clientId) }
}

/** Hands everything that waits for the session in again: the session is here now. */
export const resume = (state: State.State, clientId: ClientId, out: Out): State.State =>
  remove(state, clientId, (input) => out.push({ _tag: "Resume", input }))

/**
 * Answers a connect or stream whose session does not come. A stream gets the first answer as an event and is closed: a
 * browser shows nobody why a stream was refused, and never opens it again.
 */
export const turnAway = (
  input: State.Awaiting,
  answers: (request: Message.Connect) => ReadonlyArray<Message.Reply>,
  out: Out
): void => {
  const connection: ConnectionId = input.connection.id
  if (input._tag === "Received") {
    out.push(reply(connection, input.slot, answers(input.message), undefined))
    return
  }
  for (const message of answers(Message.unasked(input.clientId)).slice(0, 1)) {
    out.push({ _tag: "Advise", connection, message })
  }
  out.push({ _tag: "CloseConnection", connection, reason: "UnknownClient" })
}
