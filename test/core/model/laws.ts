/** Laws that hold of the machine when all is over, beside a model that has followed it. */
import { assert } from "@effect/vitest"
import { Equal, HashMap } from "effect"
import * as Snapshot from "../../../src/core/folds/Snapshot.ts"
import * as Machine from "../../../src/core/Machine.ts"
import * as MessageQueue from "../../../src/core/MessageQueue.ts"
import * as State from "../../../src/core/State.ts"
import { eventsIn, settings } from "../trial.ts"
import type { Model } from "./Model.ts"

/** What the events tell of, in a snapshot. */
const toldOf = (snapshot: Snapshot.Snapshot | undefined): unknown =>
  snapshot && {
    sequence: snapshot.sequence,
    sessions: HashMap.map(snapshot.sessions, ({ reading: _reading, ...told }) => told)
  }

/** Exactly once: what a session got and what waits for it is what it was to get, in order. */
const checkMessages = (model: Model): void => {
  for (const { expected, id, isDisordered, received } of model.everyone.values()) {
    const session = State.session(model.trial.state, id)
    const waiting = session === undefined ? [] : MessageQueue.toArray(session.queue).map(({ data }) => data as number)
    const all = [...received, ...waiting]
    assert.strictEqual(new Set(all).size, all.length, `${id} got a message twice`)
    if (session === undefined) assert.includeMembers([...expected], all, `${id} got what was not for it`)
    else if (isDisordered) assert.sameMembers(all, [...expected], `${id} got all, in whatever order`)
    else assert.deepStrictEqual(all, [...expected], `${id} got all in order`)
  }
}

const checkAnswers = (model: Model): void => {
  for (const { answers, connection, isOpen, requests } of model.connections) {
    for (const [slot, times] of answers) assert.strictEqual(times, 1, `slot ${slot} is answered once`)
    if (isOpen) assert.strictEqual(answers.size, requests, `all requests of connection ${connection.id} are answered`)
  }
}

const checkFold = (model: Model): void => {
  const actual = [...HashMap.values(model.trial.state.sessions)]
  assert.sameMembers([...model.folded.keys()], actual.map(({ clientId }) => clientId))
  for (const { clientId, subscriptions } of actual) {
    assert.sameMembers([...model.folded.get(clientId) ?? []], [...subscriptions])
    assert.sameMembers([...model.sessions.get(clientId)?.subscriptions ?? []], [...subscriptions])
  }
}

/** A snapshot into which the events are folded that follow it is the later snapshot. */
const checkSnapshots = (model: Model): void => {
  let sequence = 0
  let folded: Snapshot.Snapshot | undefined
  for (const [i, { input, state, step }] of model.trial.steps.entries()) {
    if (i % 97 === 0) folded = Snapshot.take(sequence, [state])
    for (const event of eventsIn(step.outputs)) {
      folded = Snapshot.fold(folded ?? Snapshot.empty, { ...event, sequence: ++sequence, at: input.now, node: "n" })
    }
    if (i % 7 > 0) continue
    assert.isTrue(Equal.equals(toldOf(folded), toldOf(Snapshot.take(sequence, [step.state]))), "the later snapshot")
  }
}

const checkEventsFirst = (model: Model): void => {
  for (const { step: { outputs } } of model.trial.steps) {
    const count = eventsIn(outputs).length
    assert.strictEqual(eventsIn(outputs.slice(0, count)).length, count, "the events of a step come first")
  }
}

/** An old state is still what it was: the same input makes the same step of it. */
const checkReplay = (model: Model): void => {
  for (const { input, state, step } of model.trial.steps.filter((_, i) => i % 7 === 0)) {
    const again = Machine.reduce(state, input)
    assert.deepStrictEqual(again.outputs, step.outputs)
    assert.isTrue(Equal.equals(again.state, step.state))
  }
}

/** Ends everything, and checks that the machine has kept its laws. */
export const finish = (model: Model): void => {
  assert.sameMembers(model.names().slice(), [...HashMap.keys(model.trial.state.sessions)])
  model.collect()
  checkMessages(model)
  model.advance(settings.timeout)
  checkAnswers(model)
  checkFold(model)
  assert.strictEqual(model.ending.size, 0, "the Disconnect follows")
  checkEventsFirst(model)
  checkSnapshots(model)
  checkReplay(model)
  model.advance(settings.sessionTimeout)
  for (const id of model.names()) {
    model.observe(model.trial.step({ _tag: "EndRequested", clientId: id as never, cause: { _tag: "Shutdown" } }))
  }
  const { bindings, deadlines, routes, sessions } = model.trial.state
  assert.isUndefined(deadlines)
  assert.deepStrictEqual(
    [sessions, bindings, routes.attached, routes.subscriptions].map((map) => [...map].length),
    [0, 0, 0, 0],
    "ended sessions leave nothing behind"
  )
}
