/**
 * The Bayeux state machine: `reduce` takes a state and something that happened and gives the next state and what is to
 * be done about it. It is a total, pure function: time and randomness come in with the input, the old state stays
 * valid, and the same input to the same state gives the same step.
 *
 * ```
 * Input ─▶ Machine.reduce ─▶ Output
 *            Received, HandshakeReceived ─▶ Protocol (who may do what) ─▶ Reply or Commit
 *            Happened ────────────────────▶ Outcomes (what was done) ─────▶ Reply, Deliver, Emit
 *            everything else ─────────────▶ Links, Answers, Returns ─────▶ Reply, Deliver, Bind
 * ```
 */
import * as Answers from "./Answers.ts"
import * as DeadlineTree from "./DeadlineTree.ts"
import type { EndRequested, Input } from "./Input.ts"
import * as Links from "./Links.ts"
import * as Outcomes from "./Outcomes.ts"
import type { Output } from "./Output.ts"
import * as Overload from "./Overload.ts"
import * as Protocol from "./Protocol.ts"
import * as ReturnedMessages from "./ReturnedMessages.ts"
import * as State from "./State.ts"
import * as Timeouts from "./Timeouts.ts"

/** Next state, and outputs in the order in which they are carried out. */
export interface Step {
  readonly state: State.State
  readonly outputs: ReadonlyArray<Output>
}

/** Takes one step. */
export const reduce = (state: State.State, input: Input): Step => {
  const outputs: Array<Output> = []
  return { state: transition(state, input, outputs), outputs }
}

/**
 * Time of the next `DeadlinePassed`, in milliseconds since the epoch; `Infinity` if none is needed. Nothing is due before
 * that time; at that time it may turn out that nothing is due yet.
 */
export const nextDeadline = (state: State.State): number => DeadlineTree.next(state.deadlines)

/** Whether there is something to do at the end of this turn, by the input `TurnEnded`. */
export const isTurnOpen = (state: State.State): boolean => state.toAnswer.length > 0 || Overload.isOverloaded(state)

const transition = (state: State.State, input: Input, out: Array<Output>): State.State => {
  switch (input._tag) {
    case "Received":
      return Protocol.receive(state, input, out)
    case "HandshakeReceived":
      return Protocol.handshake(state, input, out)
    case "Happened":
      return Outcomes.apply(state, input.outcome, input.now, out)
    case "StreamOpened":
      return Protocol.openStream(state, input, out)
    case "Heard":
      return Links.heard(state, input.connection, input.now)
    case "Halted":
      return State.postpone(state, input.milliseconds)
    case "ConnectionEnding":
      return Links.end(state, input, out)
    case "ConnectionClosed":
      return Links.close(State.forget(state, input.connection), input.connection, input.now)
    case "Returned":
      return ReturnedMessages.returned(state, input, out)
    case "DeadlinePassed":
      return Timeouts.handleDue(state, input.now, out)
    case "TurnEnded":
      return Overload.relieve(Answers.answerWaiting(state, out), out)
    case "EndRequested":
      return endRequested(state, input, out)
    case "TransportsChanged":
      return { ...state, connectionTypes: input.connectionTypes }
  }
}

/** Ends a session that is here, once; about any other one the engine is asked. */
const endRequested = (state: State.State, { cause, clientId }: EndRequested, out: Array<Output>): State.State => {
  const session = State.session(state, clientId)
  if (session !== undefined) return Outcomes.requestEnd(state, session, cause, out)
  out.push({ _tag: "Commit", change: { _tag: "EndSession", clientId, cause, origin: undefined } })
  return state
}
