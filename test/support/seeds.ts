/**
 * Seeds and numbers of rounds of all tests that draw by lot. `npm test` runs few rounds with seeds that never change, so
 * that its verdict is the commit's. `npm run test:long` runs the files called `*.rounds.test.ts` and `*.property.test.ts`
 * with many rounds and a fresh seed, which it prints.
 *
 * The variables `SEED` and `ROUNDS` decide otherwise. Seeds of rounds count up from `SEED`: a round that failed with the
 * seed 17 is the first of `SEED=17 npx vitest run <file>`. `ROUNDS=10` means ten times as many rounds as in `npm test`.
 */
import { inject } from "vitest"

export interface Lot {
  /** Seed of the first round of each suite. */
  readonly seed: number
  /** Rounds for each one of `npm test`. */
  readonly rounds: number
}

declare module "vitest" {
  interface ProvidedContext {
    readonly lot: Lot
  }
}

/** A seed that nobody has had yet. */
const fresh = (): number => 1 + Math.floor(Math.random() * 1_000_000_000)

const positive = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined || text === "") return undefined
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new Error(`${name}=${text} is not a positive whole number: give one, or leave it out`)
}

/** Chosen once for all files, by the environment and by whether many rounds are wanted. */
export const chosen = (environment: { readonly [name: string]: string | undefined }, isLong: boolean): Lot => ({
  seed: positive("SEED", environment["SEED"]) ?? (isLong ? fresh() : 1),
  rounds: positive("ROUNDS", environment["ROUNDS"]) ?? (isLong ? 10 : 1)
})

/** Seeds of the rounds of a suite: so many in `npm test`. */
export const seeds = (count: number): ReadonlyArray<number> =>
  Array.from({ length: count * inject("lot").rounds }, (_, round) => inject("lot").seed + round)

/** Parameters of a property: so many runs in `npm test`. */
export const runs = (count = 100): { readonly seed: number; readonly numRuns: number } => ({
  seed: inject("lot").seed,
  numRuns: count * inject("lot").rounds
})

/** Time-out of a test with rounds, in milliseconds: so much in `npm test`. */
export const limit = (milliseconds: number): number => milliseconds * inject("lot").rounds
