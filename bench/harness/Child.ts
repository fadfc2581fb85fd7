/** Processes that are started here and end here, whatever happens. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const running = new Set<ChildProcess>()

/** How long a process has to end by itself. */
const grace = 3_000
const stderrKept = 4_000

export interface Child {
  readonly process: ChildProcess
  /** The end of what it wrote to standard error. */
  readonly complaints: () => string
}

/** Starts a program of this folder, such as `servers/faye.ts`. */
export const start = (
  program: string,
  options: { readonly args?: ReadonlyArray<string>; readonly node?: ReadonlyArray<string> } = {}
): Child => {
  const file = fileURLToPath(new URL(`../${program}`, import.meta.url))
  const child = fork(file, options.args ?? [], {
    execArgv: [...options.node ?? []],
    stdio: ["ignore", "pipe", "pipe", "ipc"]
  })
  running.add(child)
  child.on("exit", () => running.delete(child))
  let complaints = ""
  child.stderr?.on("data", (part: Buffer) => {
    complaints = (complaints + part.toString()).slice(-stderrKept)
  })
  return { process: child, complaints: () => complaints.trim() }
}

/** Ends a process: it is asked to, and killed when it does not. */
export const end = async ({ process: child }: Child): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, "exit")
  child.kill("SIGTERM")
  const isGone = await Promise.race([exited.then(() => true), sleep(grace, false, { ref: false })])
  if (!isGone) {
    child.kill("SIGKILL")
    await exited
  }
}

/** Ends all that is still running, at once. */
const killAll = (): void => {
  for (const child of running) child.kill("SIGKILL")
}

/** Makes sure that nothing survives this program. */
export const endWithThisProgram = (): void => {
  process.on("exit", killAll)
  process.on("SIGINT", () => process.exit(130))
  process.on("SIGTERM", () => process.exit(143))
}
