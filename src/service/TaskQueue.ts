/** Queue of effects that run one after the other: it keeps the order of messages although extensions may wait. */
import * as Effect from "effect/Effect"

/** Starts an effect in the scope of the service. */
export type RunFork = (effect: Effect.Effect<void>) => void

/** Queue of effects. */
export interface TaskQueue {
  /** Whether nothing runs and nothing waits. */
  readonly isIdle: boolean
  readonly push: (task: Effect.Effect<void>) => void
}

/** Creates a queue. A task that fails is our own bug: it is logged, and the next one runs. */
export const make = (runFork: RunFork): TaskQueue => {
  const tasks: Array<Effect.Effect<void>> = []
  let isIdle = true
  const next = () => {
    const task = tasks.shift()
    isIdle = task === undefined
    return task
  }
  const drain = Effect.gen(function*() {
    for (let task = next(); task !== undefined; task = next()) {
      yield* Effect.catchCause(task, (cause) => Effect.logError(cause))
    }
  })
  return {
    get isIdle() {
      return isIdle
    },
    push: (task) => {
      tasks.push(task)
      if (!isIdle) return
      isIdle = false
      runFork(drain)
    }
  }
}
