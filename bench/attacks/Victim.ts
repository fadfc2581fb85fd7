/** The command as it is, in a small heap and with a probe in it; and the canary beside it. */
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import * as Child from "../harness/Child.ts"
import type { CanaryReport, FromCanary, Heap, ToHarness } from "./Protocol.ts"

/** How long a server that does not answer is waited for (milliseconds). */
const answerTimeout = 60_000
const startTimeout = 20_000

const probe = new URL("probe.ts", import.meta.url).href

const within = <A>(milliseconds: number, promise: Promise<A>, what: string): Promise<A> => {
  const late = sleep(milliseconds, undefined, { ref: false }).then(() => {
    throw new Error(`Waited ${milliseconds / 1_000} s ${what}`)
  })
  return Promise.race([promise, late])
}

/** The next message of that kind; fails when the process ends before. */
const next = <M extends { readonly _tag: string }, T extends M["_tag"]>(
  { process }: Child.Child,
  tag: T
): Promise<Extract<M, { readonly _tag: T }>> =>
  new Promise((resolve, reject) => {
    const ended = () => reject(new Error("The process has ended"))
    const look = (message: M) => {
      if (message._tag !== tag) return
      process.off("message", look).off("exit", ended)
      resolve(message as Extract<M, { readonly _tag: T }>)
    }
    process.on("message", look).once("exit", ended)
  })

export class Victim {
  readonly #child: Child.Child
  readonly #ended = new AbortController()
  readonly port: number
  /** The longest turn so far, in milliseconds. */
  #turn = 0
  #beatAt = performance.now()
  peak = 0

  private constructor(child: Child.Child, port: number) {
    this.#child = child
    this.port = port
    child.process.on("message", (message: ToHarness) => {
      this.#turn = message.turn
      this.#beatAt = performance.now()
      this.peak = Math.max(this.peak, message.rss)
    })
    child.process.once("exit", () => {
      this.#turn = Math.max(this.#turn, performance.now() - this.#beatAt)
      this.#ended.abort()
    })
  }

  /** Starts `effect-bayeux` with these options on a free port, with a heap of so many mebibytes. */
  static async start(heap: number, flags: ReadonlyArray<string>): Promise<Victim> {
    const child = Child.start("../src/bin.ts", {
      args: ["--port", "0", ...flags],
      node: [`--max-old-space-size=${heap}`, "--expose-gc", "--import", probe]
    })
    const listening = new Promise<number>((resolve, reject) => {
      const look = () => {
        const port = /Listening on http:\/\/[^:]+:(\d+)/.exec(child.complaints())?.[1]
        if (port !== undefined) resolve(Number(port))
      }
      child.process.stderr?.on("data", look)
      child.process.once("exit", () => reject(new Error(`The server has ended: ${child.complaints()}`)))
    })
    return new Victim(child, await within(startTimeout, listening, "for the server to listen"))
  }

  /** What it writes to standard output, which nobody reads unless this is used. */
  get stdout() {
    return this.#child.process.stdout
  }

  get pid(): number | undefined {
    return this.#child.process.pid
  }

  /** Aborted when the server has ended. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  get lives(): boolean {
    return !this.#ended.signal.aborted
  }

  /** Why it has ended, as far as it said. */
  get lastWords(): string {
    return /FATAL ERROR: ([^\n]+)/.exec(this.#child.complaints())?.[1] ?? this.#child.complaints().slice(-200)
  }

  /** The end of its log. */
  get complaints(): string {
    return this.#child.complaints()
  }

  get longestTurn(): number {
    return this.#turn
  }

  /** Forgets the turns so far. */
  reset(): void {
    this.#child.process.send("reset")
    this.#turn = 0
  }

  /** Its memory after a garbage collection; nothing if it has ended or does not answer. */
  async collect(): Promise<Heap | undefined> {
    if (!this.lives) return undefined
    const collected = next<ToHarness, "Collected">(this.#child, "Collected")
    this.#child.process.send("collect")
    return within(answerTimeout, collected, "for the server to collect").catch(() => undefined)
  }

  stop(): Promise<void> {
    return Child.end(this.#child)
  }
}

export class Canary {
  readonly #child: Child.Child

  private constructor(child: Child.Child) {
    this.#child = child
  }

  static async start(port: number): Promise<Canary> {
    const child = Child.start("attacks/canary.ts", { args: [String(port)] })
    await within(startTimeout, next<FromCanary, "Ready">(child, "Ready"), "for the canary to be there")
    return new Canary(child)
  }

  begin(): void {
    this.#child.process.send("begin")
  }

  async report(): Promise<CanaryReport> {
    const report = next<FromCanary, "Report">(this.#child, "Report")
    this.#child.process.send("report")
    return report
  }

  async stop(): Promise<void> {
    const { process } = this.#child
    if (process.exitCode !== null || process.signalCode !== null) return
    const exited = once(process, "exit")
    process.kill("SIGKILL")
    await exited
  }
}
