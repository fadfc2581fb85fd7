/**
 * Cases, one after the other and a few at a time, against the command. A case is what one client does; its seed decides
 * all of it, so it can be done again by its seed.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Canary, Victim } from "../attacks/Victim.ts"
import { act, begin } from "./actions.ts"
import { Client } from "./Client.ts"
import { Random } from "./Random.ts"

export interface FuzzOptions {
  /** The seed of the first case; those that follow count up. */
  readonly seed: number
  /** How many cases there are. */
  readonly cases: number
  /** How long it goes on at the most, in milliseconds. */
  readonly milliseconds: number
  /** How many cases run at a time. */
  readonly abreast: number
  /** The heap of the server, in mebibytes. */
  readonly heap: number
  readonly tell: (line: string) => void
}

export interface FuzzResult {
  readonly flaws: ReadonlyArray<string>
  readonly cases: number
  readonly requests: number
  /** Mebibytes after collection, without sessions: after the first cases, and at the end. */
  readonly heapBefore: number
  readonly heapAfter: number
  readonly longestTurn: number
  readonly p50: number
  readonly p99: number
}

/** Sessions end soon, so that they do not pile up and what is left at the end was lost sight of. */
const flags = ["--timeout", "2", "--session-timeout", "5", "--jsonp", "--metrics", "--record-size", "4"]
const sessionsEnd = 7_500

/** The cases after which the heap is as large as it is at work. */
const warmUp = 200
const tellEvery = 60_000
const mostGrowth = 16

const runCase = async (seed: number, port: number): Promise<number> => {
  const random = new Random(seed)
  const client = new Client(port)
  try {
    if (random.chance(0.9)) await begin(client)
    for (let left = 1 + random.below(12); left > 0; left--) await act(random, client)
    return client.sent
  } finally {
    client.close()
  }
}

class Fuzzer {
  readonly #options: FuzzOptions
  readonly #victim: Victim
  readonly #running = new Set<number>()
  readonly flaws: Array<string> = []
  #next: number
  cases = 0
  requests = 0

  constructor(options: FuzzOptions, victim: Victim) {
    this.#options = options
    this.#victim = victim
    this.#next = options.seed
  }

  /** Runs so many cases, or until the time is over or something is wrong. */
  async run(count: number, until: number): Promise<void> {
    const last = this.#next + count
    const lane = async () => {
      while (this.#next < last && performance.now() < until && this.flaws.length === 0 && this.#victim.lives) {
        await this.#one(this.#next++)
      }
    }
    await Promise.all(Array.from({ length: this.#options.abreast }, lane))
    if (!this.#victim.lives) this.flaws.push(`The server has ended: ${this.#victim.lastWords}`)
    const complaint = /^.*\] ERROR.*$/m.exec(this.#victim.complaints)?.[0]
    if (complaint !== undefined) this.flaws.push(`The server complains: ${complaint}`)
  }

  async #one(seed: number): Promise<void> {
    this.#running.add(seed)
    try {
      this.requests += await runCase(seed, this.#victim.port)
      this.cases += 1
    } catch (error) {
      const others = [...this.#running].filter((other) => other !== seed)
      if (!this.#victim.lives) return
      this.flaws.push(`Seed ${seed} (beside ${others.join(", ") || "none"}): ${(error as Error).message}`)
    } finally {
      this.#running.delete(seed)
    }
  }
}

const heapOf = async (victim: Victim): Promise<number> => {
  const collected = await victim.collect()
  return collected === undefined ? NaN : collected.heap + collected.buffers
}

const work = async (options: FuzzOptions, victim: Victim): Promise<FuzzResult> => {
  const canary = await Canary.start(victim.port)
  try {
    const fuzzer = new Fuzzer(options, victim)
    const until = performance.now() + options.milliseconds
    await fuzzer.run(Math.min(warmUp, options.cases), until)
    const isShort = options.cases <= warmUp
    if (!isShort) {
      await sleep(sessionsEnd)
      victim.reset()
      canary.begin()
    }
    const heapBefore = await heapOf(victim)
    while (fuzzer.cases < options.cases && performance.now() < until && fuzzer.flaws.length === 0) {
      await fuzzer.run(options.cases - fuzzer.cases, Math.min(until, performance.now() + tellEvery))
      const { p50, p99 } = await canary.report()
      const heap = await heapOf(victim)
      const figures = `heap ${heap.toFixed(1)} MiB, longest turn ${victim.longestTurn.toFixed(0)} ms`
      options.tell(
        `${fuzzer.cases} cases, ${fuzzer.requests} requests, ${figures}, canary ${p50.toFixed(1)} and ${
          p99.toFixed(0)
        } ms`
      )
    }
    const { p50, p99 } = await canary.report()
    const longestTurn = victim.longestTurn
    if (!isShort && victim.lives) await sleep(sessionsEnd)
    const heapAfter = await heapOf(victim)
    if (heapAfter - heapBefore > mostGrowth) {
      fuzzer.flaws.push(`The heap has grown from ${heapBefore.toFixed(1)} to ${heapAfter.toFixed(1)} MiB`)
    }
    const { cases, flaws, requests } = fuzzer
    return { flaws, cases, requests, heapBefore, heapAfter, longestTurn, p50, p99 }
  } finally {
    await canary.stop()
  }
}

/** Starts the command and does all of it. */
export const fuzz = async (options: FuzzOptions): Promise<FuzzResult> => {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"))
  const victim = await Victim.start(options.heap, [...flags, "--record", join(folder, "recording")])
  try {
    return await work(options, victim)
  } finally {
    await victim.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
