/** Attacks on who reads what the command prints. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Attack, handshake, mebibyte, subscribe, times } from "./Attack.ts"

/** Nobody reads the pipe of the victim's standard output. */
const logEvents: Attack = {
  name: "log-events",
  title: "--log-events into a reader that has stopped",
  seconds: 60,
  flags: ["--log-events"],
  run: async (attacker) => {
    const socket = await attacker.open()
    const text = `[{"channel":"/nobody","data":"${"x".repeat(mebibyte - 100)}"}]`
    const sent = await times(1_000, attacker, async () => {
      await socket.send(text)
      await socket.ask([{ channel: "/nobody", data: 1 }])
    })
    return `${sent} messages of 1 MB`
  }
}

/** Each of them does something to a terminal, or to the order in which a line is read. */
const characters = {
  "ESC": "\u001b",
  "DEL": "\u007f",
  "CSI": "\u009b",
  "OSC": "\u009d",
  "U+2028": "\u2028",
  "RLO": "\u202e",
  "LRI": "\u2066"
}

const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url))

const found = (text: string): string => {
  const names = Object.entries(characters).flatMap(([name, character]) => text.includes(character) ? [name] : [])
  return names.length === 0 ? "none" : names.join(" ")
}

const folder = mkdtempSync(join(tmpdir(), "attacks-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
const recording = join(folder, "recording")

const terminal: Attack = {
  name: "terminal",
  title: "escape sequences in what the command prints",
  seconds: 30,
  flags: ["--log-events", "--record", recording, "--record-plain"],
  run: async (attacker, victim) => {
    let log = ""
    victim.stdout?.setEncoding("utf8").on("data", (text: string) => log += text)
    const socket = await attacker.open()
    const [shaken] = await socket.ask([handshake()])
    const clientId = shaken?.clientId
    const all = Object.values(characters).join("")
    await socket.ask([
      subscribe(clientId, `/${all}`),
      { channel: "/say", clientId, data: { [all]: `${all}]0;yours is mine` } },
      { channel: `/${all}`, clientId, data: 1 }
    ])
    await attacker.wait(1_000)
    const run = (...args: ReadonlyArray<string>): string => {
      const { stderr, stdout } = spawnSync(process.execPath, [bin, ...args], { encoding: "utf8", timeout: 20_000 })
      return `${stdout}${stderr}`
    }
    const story = run("inspect", recording, "--client", clientId ?? "")
    const json = run("inspect", recording, "--client", clientId ?? "", "--json")
    return `--log-events: ${found(log)}; inspect: ${found(story)}; --json: ${found(json)}; replay: ${
      found(run("replay", recording))
    }`
  }
}

export const output: ReadonlyArray<Attack> = [logEvents, terminal]
