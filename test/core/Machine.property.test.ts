/**
 * The laws of the machine, on arbitrary interleavings of what can happen to it. Beside the machine runs a naive model:
 * it knows sessions, subscriptions and what each session is to get, and nothing of queues, links, slots or deadlines.
 *
 * Some sessions acknowledge. Any answer to their connects may be lost; what their clients know is the number of the
 * last answer they have read, and they take every message they read for a new one. Others have Faye's clients: they send
 * a connect again with its id until they have read an answer. Their connections may be reset, whether it was read or not.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Settings from "../../src/core/Settings.ts"
import { limit, runs } from "../support/seeds.ts"
import { type Action, action } from "./model/actions.ts"
import { finish } from "./model/laws.ts"
import { Model, shortest } from "./model/Model.ts"

/** A failing trace as one would tell it, a line for each thing that happens. */
const tell = (details: fc.RunDetails<[number, Array<Action>]>): void => {
  if (!details.failed) return
  const [most, actions = []] = details.counterexample ?? []
  const trace = actions.map((action, i) => `${i + 1}. ${JSON.stringify(action)}`).join("\n")
  throw new Error(
    `The machine broke a law (seed ${details.seed}, path "${details.counterexamplePath}") with answers of ${most} bytes:\n${trace}`,
    {
      cause: details.errorInstance
    }
  )
}

describe("Machine", () => {
  it("keeps its laws on more than 100,000 arbitrary steps", { timeout: limit(300_000) }, () => {
    let steps = 0
    const answers = fc.constantFrom(Settings.defaults.maxAnswerBytes, shortest)
    const actions = fc.array(action, { maxLength: 400, size: "max" })
    const property = fc.property(answers, actions, (maxAnswerBytes, actions) => {
      const model = new Model(maxAnswerBytes)
      for (const each of actions) model.run(each)
      finish(model)
      steps += model.trial.steps.length
    })
    tell(fc.check(property, runs(500)))
    assert.isAtLeast(steps, 100_000)
  })
})
