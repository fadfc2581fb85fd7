/**
 * The generator: a process of its own that carries out one run of one scenario against one server. It is told what to
 * do by the program that started it, asks that program what the server has used, and gives the figures, or the reason
 * why the run does not count.
 */
import type { FromGenerator, ToGenerator } from "./harness/Protocol.ts"
import type { Usage } from "./load/Usage.ts"
import { scenarios } from "./scenarios/index.ts"
import { pairsAt5000 } from "./scenarios/Pairs.ts"
import type { Setting } from "./scenarios/Scenario.ts"

const tell = (message: FromGenerator): void => void process.send?.(message)

/** Wherever it happens: the run does not count. */
const fail = (error: unknown): void => {
  process.send?.(
    { _tag: "Failed", reason: error instanceof Error ? error.message : String(error) },
    () => process.exit(1)
  )
}
process.on("uncaughtException", fail)
process.on("unhandledRejection", fail)
process.on("SIGTERM", () => process.exit())
process.on("disconnect", () => process.exit())

let onUsage: (usage: Usage) => void = () => {}

const askUsage: Setting["usage"] = ({ gc }) =>
  new Promise((resolve) => {
    onUsage = resolve
    tell({ _tag: "UsageAsked", gc })
  })

const run = async (name: string, setting: Omit<Setting, "usage">): Promise<void> => {
  const scenario = [...scenarios, pairsAt5000].find((known) => known.name === name)
  if (scenario === undefined) throw new Error(`There is no scenario ${name}`)
  tell({ _tag: "Done", figures: await scenario.run({ ...setting, usage: askUsage }) })
}

process.on("message", (message: ToGenerator) => {
  switch (message._tag) {
    case "Run":
      return void run(message.scenario, message.setting)
    case "Usage":
      return onUsage(message.usage)
  }
})
