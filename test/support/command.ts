/** The command, or another program that speaks like it, as a process of its own, which ends with the test. */
import { assert } from "@effect/vitest"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { atEnd, patience, until } from "../transport/support.ts"
import { compileCache } from "./compileCache.ts"

const command = new URL("../../src/bin.ts", import.meta.url)

/** Nothing of the environment of whoever runs the tests. */
const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:BAYEUX|OTEL)_/.test(name)))

/** An event as it is printed. */
export type PrintedEvent = { readonly _tag: string; readonly [field: string]: unknown }

export class Command {
  readonly process: ChildProcessByStdio<null, Readable, Readable>
  readonly #exit: Promise<number | string>
  /** Lets it live on when the test ends: whoever calls this ends it. */
  readonly outlive: () => void
  stdout = ""
  stderr = ""

  constructor(
    args: ReadonlyArray<string>,
    environment: { readonly [name: string]: string } = {},
    program: URL = command
  ) {
    this.process = spawn(process.execPath, [fileURLToPath(program), ...args], {
      env: { ...clean, ...compileCache, ...environment },
      stdio: ["ignore", "pipe", "pipe"]
    })
    this.process.stdout.setEncoding("utf8").on("data", (text: string) => this.stdout += text)
    this.process.stderr.setEncoding("utf8").on("data", (text: string) => this.stderr += text)
    const kill = () => this.process.kill("SIGKILL")
    this.#exit = new Promise((resolve) => {
      this.process.on("close", (code, signal) => {
        process.off("exit", kill)
        resolve(code ?? signal ?? "?")
      })
    })
    process.on("exit", kill)
    this.outlive = atEnd(kill)
  }

  /** Waits until it listens and gives the URL of the service. */
  async listening(): Promise<{ readonly url: string; readonly port: number }> {
    const url = await until(() => `the command to listen; it said ${this.stderr}`, () => {
      if (this.process.exitCode !== null) throw new Error(`It ended with ${this.process.exitCode}: ${this.stderr}`)
      return /Listening on (\S+)/.exec(this.stderr)?.[1]
    })
    return { url, port: Number(new URL(url).port) }
  }

  /** Waits for its end and gives the exit code, or the signal that has ended it. */
  async exit(milliseconds = patience): Promise<number | string> {
    let code: number | string | undefined
    void this.#exit.then((exit) => code = exit)
    await until(() => `the command to end; it said ${this.stderr}`, () => code !== undefined, milliseconds)
    return code ?? "?"
  }

  /** The lines on standard output, each one a JSON object. */
  get events(): ReadonlyArray<PrintedEvent> {
    const lines = this.stdout.split("\n")
    assert.strictEqual(lines.pop(), "", "the last line is whole")
    return lines.map((line) => JSON.parse(line) as PrintedEvent)
  }
}
