/**
 * Many open WebSocket sessions, each with a subscription and a held connect, that stay idle for a while: what they
 * occupy in the server, and what CPU time they cost it.
 */
import { parseArgs } from "node:util"
import { endWithThisProgram } from "./harness/Child.ts"
import { number, OptionsInvalid, tryParse, whole } from "./harness/Options.ts"
import { run } from "./harness/Run.ts"
import * as Text from "./harness/Text.ts"
import type { Usage } from "./load/Usage.ts"
import { idle } from "./scenarios/Idle.ts"
import type { Figures } from "./scenarios/Scenario.ts"
import { isName, type Name } from "./servers/Server.ts"

const help = `node bench/idle.ts [options]

  --sessions N   how many (default: 10000)
  --seconds S    how long they are idle (default: 60)
  --server name  effect-bayeux (default), faye, socket.io, plain-ws or bare-socket
  --monitors N   how many consumers of all events effect-bayeux has (default: 0)
`

/** What a process needs beside the sockets of the sessions. */
const spareFiles = 200

/** Node raises the soft limit to the hard one when it starts; the hard one is for the shell to raise. */
const checkFileLimit = (sessions: number): void => {
  const report = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly hard: unknown } }
  }
  const hard = Number(report.userLimits?.open_files?.hard)
  const needed = sessions + spareFiles
  if (hard < needed) {
    throw new OptionsInvalid(
      `${sessions} sessions need ${needed} open files in each process, and ${hard} are allowed: ` +
        `run "ulimit -n ${needed}" in this shell first (as root, or with a higher hard limit), or give fewer --sessions`
    )
  }
}

const parse = () => {
  const text = { type: "string" } as const
  const { values } = tryParse(() =>
    parseArgs({
      options: {
        sessions: text,
        seconds: text,
        server: text,
        monitors: text,
        help: { type: "boolean", default: false }
      }
    })
  )
  const server = values.server ?? "effect-bayeux"
  if (!isName(server) || !idle.servers.includes(server)) {
    throw new OptionsInvalid(`There is no server "${server}" with sockets: choose among ${idle.servers.join(", ")}`)
  }
  return {
    server,
    sessions: whole("sessions", values.sessions, 10_000, 1),
    seconds: number("seconds", values.seconds, 60, 0),
    monitors: whole("monitors", values.monitors, 0, 0),
    help: values.help
  }
}

const kibibytes = (bytes: number): string => Text.number(bytes / 1_024)
const mebibytes = (bytes: number): string => `${Text.number(bytes / 1_048_576)} MiB`

const print = (server: Name, sessions: number, seconds: number, { generatorCpu, serverCpu, usage }: Figures): void => {
  if (usage === undefined) return
  const { after, before } = usage
  const row = (name: string, of: (usage: Usage) => number) => [
    name,
    mebibytes(of(before)),
    mebibytes(of(after)),
    `${kibibytes((of(after) - of(before)) / sessions)} KiB`
  ]
  console.log(`${server}: ${Text.number(sessions)} sessions, subscribed and connected, idle for ${seconds} s\n`)
  console.log(Text.print({
    head: ["memory after gc", "before", "after", "for each session"],
    rows: [
      row("resident", ({ rss }) => rss),
      row("heap", ({ heap }) => heap),
      row("buffers outside", ({ external }) => external)
    ]
  }))
  console.log(`\nCPU of the server while idle: ${Text.number(serverCpu * 100)} % of a core`)
  console.log(`CPU of the generator meanwhile: ${Text.number(generatorCpu * 100)} % of a core`)
}

const main = async (): Promise<void> => {
  const { help: isHelp, monitors, seconds, server, sessions } = parse()
  if (isHelp) return console.log(help)
  checkFileLimit(sessions)
  endWithThisProgram()
  console.error(`Opening ${Text.number(sessions)} sessions at ${server}, then waiting for ${seconds} s`)
  print(server, sessions, seconds, await run(idle, { server, monitors }, { sessions, seconds, warmUp: 0 }))
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = error instanceof OptionsInvalid ? 2 : 1
})
