/**
 * What clients get over a line that breaks: published is a number each 200 ms, counted is what each client did not get,
 * got twice, and how long after the line had healed, or the address had changed, it got something again.
 *
 *   node bench/lines/main.ts SCENARIO [--cwd CHECKOUT] [--ping 20] [--clients 4] [-- more options of the command]
 *
 * Scenarios: silent (for 60 s), address, delay, loss2, loss10, reorder. As root, on Linux, with python3 and ip; everything
 * is in network namespaces of its own. It takes four minutes, the last three minutes after the line has healed.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { resolve } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const { positionals: [scenario = "silent", ...more], values } = parseArgs({
  allowPositionals: true,
  options: {
    cwd: { type: "string", default: process.cwd() },
    server: { type: "string", default: "src/bin.ts" },
    ping: { type: "string", default: "20" },
    clients: { type: "string", default: "4" },
    after: { type: "string", default: "150" },
    kinds: {
      type: "string",
      default: "faye-websocket,cometd-websocket,faye-polling,cometd-polling,cometd-websocket-ack"
    }
  }
})
const kinds = values.kinds.split(",")
const clients = Number(values.clients)
const beginWithin = 20_000

const name = `line${process.pid}`
const children: Array<ChildProcess> = []
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

const start = (command: string, args: ReadonlyArray<string>): ChildProcess => {
  const child = spawn(command, args, { cwd: values.cwd, stdio: ["pipe", "pipe", "inherit"] })
  children.push(child)
  return child
}
const at = (end: "server" | "client", ...args: ReadonlyArray<string>): ChildProcess =>
  start("ip", ["netns", "exec", `${name}-${end}`, ...args])

interface Got {
  readonly n: number
  readonly time: number
}

/** A line for a kind of clients, each client's figures apart. */
const tell = (kind: string, all: ReadonlyArray<ReadonlyArray<Got>>, last: number, healed: number): string => {
  const figures = all.map((got) => {
    const first = got[0]?.n ?? last
    const seen = new Set(got.map(({ n }) => n))
    const again = got.find(({ time }) => time > healed + 50)?.time ?? Infinity
    return {
      lost: Array.from({ length: last - first + 1 }, (_, i) => first + i).filter((n) => !seen.has(n)).length,
      twice: got.length - seen.size,
      seconds: ((again - healed) / 1_000).toFixed(1)
    }
  })
  const of = (key: "lost" | "twice" | "seconds") => figures.map((figure) => figure[key]).join(" ")
  return `${kind.padEnd(22)} lost ${of("lost")} | twice ${of("twice")} | seconds ${of("seconds")}`
}

try {
  const link = start("python3", [here("link.py"), name])
  await once(createInterface({ input: link.stdout as NodeJS.ReadableStream }), "line")
  const say = (words: string) => link.stdin?.write(`${words}\n`)
  const options = ["--host", "0.0.0.0", "--ping", values.ping, ...more]
  at("server", process.execPath, resolve(values.cwd, values.server), ...options).stdout?.resume()
  const publisher = at("server", process.execPath, here("publisher.ts"))
  let last = 0
  const published = createInterface({ input: publisher.stdout as NodeJS.ReadableStream })
  published.on("line", (line) => last = Number(line))
  await once(published, "line")
  const got = new Map(kinds.map((kind) => [kind, Array.from({ length: clients }, (): Array<Got> => [])]))
  for (const kind of kinds) {
    const url = "http://10.77.0.1:8000/bayeux"
    const client = at("client", process.execPath, here("client.ts"), kind, url, String(clients), String(beginWithin))
    createInterface({ input: client.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      const [client = 0, n = 0, time = 0] = line.split(" ").map(Number)
      got.get(kind)?.[client]?.push({ n, time })
    })
  }
  await sleep(beginWithin + 15_000)

  let healed = Date.now()
  if (scenario === "silent") {
    say("silent")
    await sleep(60_000)
    healed = Date.now()
    say("heal")
  } else {
    const words = { address: "address", delay: "delay 100", loss2: "loss 2", loss10: "loss 10", reorder: "reorder 20" }
    say(words[scenario as keyof typeof words])
    await sleep(scenario === "address" ? 0 : 40_000)
    if (scenario !== "address") say("delay 0\nloss 0\nreorder 0")
  }
  await sleep(Number(values.after) * 1_000)
  publisher.kill()
  const end = last
  await sleep(5_000)
  for (const [kind, all] of got) console.log(`${scenario} ping ${values.ping}: ${tell(kind, all, end, healed)}`)
} finally {
  for (const child of children.slice(1)) child.kill("SIGKILL")
  children[0]?.stdin?.end("end\n")
}
