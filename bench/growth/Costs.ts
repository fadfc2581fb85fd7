/** What operations cost, by name: the time that was spent on each, divided by how often it was done. */

import type { Input } from "../../src/core/Input.ts"
import type { Server } from "./Server.ts"

/** Cost of one operation by its name: microseconds, or bytes. */
export type Costs = { readonly [operation: string]: number }

/** Adds up. A time includes a reading of the clock, some 0.06 microseconds: what is shorter than that is done in bundles. */
export class Stopwatch {
  readonly #spent = new Map<string, { millis: number; units: number }>()

  /** Runs something that does the operation so many times. */
  time<A>(operation: string, units: number, run: () => A): A {
    const from = performance.now()
    const result = run()
    const millis = performance.now() - from
    const spent = this.#spent.get(operation)
    if (spent === undefined) this.#spent.set(operation, { millis, units })
    else {
      spent.millis += millis
      spent.units += units
    }
    return result
  }

  /** A single step of the machine. */
  step(operation: string, server: Server, input: Input): void {
    this.time(operation, 1, () => server.step(input))
  }

  /** Forgets what was measured so far. */
  reset(): void {
    this.#spent.clear()
  }

  /** Microseconds for each. */
  get costs(): Costs {
    return Object.fromEntries(
      Array.from(this.#spent, ([operation, { millis, units }]) => [operation, millis * 1_000 / units])
    )
  }
}

/** How long is measured, after how long a warm-up, in milliseconds. */
export interface Duration {
  readonly warmUp: number
  readonly measured: number
}

const runFor = (millis: number, round: () => void): void => {
  const end = performance.now() + millis
  do round()
  while (performance.now() < end)
}

/** Does a round of operations again and again; gives what each costs once the code is warm. */
export const repeat = ({ measured, warmUp }: Duration, round: (stopwatch: Stopwatch) => void): Costs => {
  const stopwatch = new Stopwatch()
  runFor(warmUp, () => round(stopwatch))
  stopwatch.reset()
  runFor(measured, () => round(stopwatch))
  return stopwatch.costs
}
