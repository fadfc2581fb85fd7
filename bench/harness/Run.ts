/** One run: a fresh server, a fresh generator, one scenario. */
import type { Figures, Scenario, Setting } from "../scenarios/Scenario.ts"
import type { Name } from "../servers/Server.ts"
import * as Child from "./Child.ts"
import type { FromGenerator, ToGenerator } from "./Protocol.ts"
import type { Contender } from "./Results.ts"
import * as ServerProcess from "./ServerProcess.ts"

export interface RunOptions extends Pick<Setting, "seconds" | "warmUp" | "sessions">, ServerProcess.StartOptions {
  /** Does something with the server meanwhile; what it gives is called at the end. */
  readonly beside?: (port: number) => () => void
}

/** What opening, warming up and draining may take beside the measured seconds. */
const allowance = 90

const generate = (
  generator: Child.Child,
  server: ServerProcess.ServerProcess,
  name: Name,
  scenario: Scenario,
  { seconds, sessions, warmUp }: RunOptions
): Promise<Figures> =>
  new Promise((resolve, reject) => {
    const limit = seconds + warmUp + allowance
    setTimeout(() => reject(new Error(`The run did not end within ${limit} seconds`)), limit * 1_000).unref()
    const tell = (message: ToGenerator) => void generator.process.send(message)
    generator.process.on("exit", () => reject(new Error(`The generator ended: ${generator.complaints()}`)))
    server.child.process.on("exit", () => reject(new Error(`The server ${name} ended: ${server.child.complaints()}`)))
    generator.process.on("message", (message: FromGenerator) => {
      switch (message._tag) {
        case "UsageAsked":
          return void server.usage(message).then((usage) => tell({ _tag: "Usage", usage }), reject)
        case "Done":
          return resolve(message.figures)
        case "Failed":
          return reject(new Error(message.reason))
      }
    })
    tell({
      _tag: "Run",
      scenario: scenario.name,
      setting: { server: name, port: server.port, seconds, sessions, warmUp }
    })
  })

/** The reason, and what the server had to say. */
const explain = (error: unknown, server: Child.Child): Error => {
  const reason = error instanceof Error ? error.message : String(error)
  const complaints = server.complaints()
  return new Error(
    complaints === "" || reason.includes(complaints) ? reason : `${reason}; the server said: ${complaints}`
  )
}

/** Starts both, runs, and ends both. */
export const run = async (scenario: Scenario, contender: Contender, options: RunOptions): Promise<Figures> => {
  const server = await ServerProcess.start(contender, options)
  const generator = Child.start("generator.ts")
  const leave = options.beside?.(server.port)
  const end = () => {
    leave?.()
    return Promise.all([Child.end(generator), Child.end(server.child)])
  }
  try {
    return await generate(generator, server, contender.server, scenario, options)
  } catch (error) {
    await end()
    throw explain(error, server.child)
  } finally {
    await end()
  }
}
