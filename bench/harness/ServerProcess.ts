/** A server as a process of its own. */
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { Usage } from "../load/Usage.ts"
import type { Name } from "../servers/Server.ts"
import * as Child from "./Child.ts"
import type { Contender } from "./Results.ts"

export interface ServerProcess {
  readonly child: Child.Child
  readonly port: number
  readonly usage: (options: { readonly gc: boolean }) => Promise<Usage>
}

const startTimeout = 20_000

const portIn = (line: string): number | undefined => {
  const announcement = JSON.parse(line) as { readonly port?: unknown }
  return typeof announcement.port === "number" ? announcement.port : undefined
}

/** Waits for the line with the port. */
const portOf = (name: Name, child: Child.Child): Promise<number> =>
  new Promise((resolve, reject) => {
    const refuse = (what: string) => () =>
      reject(new Error(`The server ${name} ${what}: ${child.complaints() || "it said nothing"}`))
    const timer = setTimeout(refuse(`did not say its port within ${startTimeout / 1_000} seconds`), startTimeout)
    child.process.once("exit", () => setImmediate(refuse("ended before it listened")))
    if (child.process.stdout === null) return
    createInterface(child.process.stdout).once("line", (line) => {
      clearTimeout(timer)
      const port = portIn(line)
      if (port === undefined) reject(new Error(`The server ${name} printed ${line} where {"port":…} was due`))
      else resolve(port)
    })
  })

export interface StartOptions {
  /** Where the server writes its CPU profile when it ends. */
  readonly profile?: string | undefined
  /** The consumers of events take one event and never another. */
  readonly isStuck?: boolean
  /** It serves the monitor page. */
  readonly hasPage?: boolean
  /** The server counts what goes on. */
  readonly isMetered?: boolean
}

/** Starts it and waits until it listens. */
export const start = async (
  { isRecorded = false, monitors, server }: Contender,
  { hasPage = false, isMetered = false, isStuck = false, profile }: StartOptions
): Promise<ServerProcess> => {
  const flags = [
    ...isStuck ? ["--stuck"] : [],
    ...hasPage ? ["--page"] : [],
    ...isRecorded ? ["--record"] : [],
    ...isMetered ? ["--metrics"] : []
  ]
  const child = Child.start(`servers/${server}.ts`, {
    args: server === "effect-bayeux" ? ["--monitors", String(monitors), ...flags] : [],
    node: ["--expose-gc", ...profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profile]]
  })
  try {
    const port = await portOf(server, child)
    const usage: ServerProcess["usage"] = async (options) => {
      const answered = once(child.process, "message") as Promise<[Usage]>
      child.process.send(options)
      const [usage] = await answered
      return usage
    }
    return { child, port, usage }
  } catch (error) {
    await Child.end(child)
    throw error
  }
}
