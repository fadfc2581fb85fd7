/**
 * A real Redis server for a test: a process of its own on a free port of the loopback, with a temporary folder. It can
 * be stopped, killed and started again on the same port and with the same folder, and it ends with the test.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createClient } from "redis"
import { atEnd, random, until, within } from "../transport/support.ts"
import { findExecutable } from "./executable.ts"

/**
 * The path of the installed server, Redis or Valkey: `REDIS_SERVER_PATH` if that is one, else the first that the system
 * has. The check of a database file is the same program, which looks at the name it is called by.
 */
export const findRedis = (): string | undefined =>
  findExecutable("REDIS_SERVER_PATH", ["redis-server", "valkey-server", "redis-check-rdb", "valkey-check-rdb"])

export interface RedisOptions {
  /** Keeps an append-only file, and how often it is forced to disk. Default: the server forgets all when it ends. */
  readonly appendfsync?: "always" | "everysec" | "no"
  /** More arguments, such as `["--maxmemory-policy", "allkeys-lru"]`. */
  readonly args?: ReadonlyArray<string>
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().on("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

const ports = random(process.pid)

/**
 * A free port below those that systems give to outgoing connections: while the server is away nobody else gets it, and
 * no client that dials it again and again ends up connected to itself.
 */
const freePort = (): Promise<number> =>
  until("a free port", async () => {
    const port = 10_000 + ports.below(20_000)
    return await isFree(port) && port
  })

/** A server, running or not. */
export class RedisServer {
  readonly port: number
  readonly #path: string
  readonly #folder = mkdtempSync(join(tmpdir(), "bayeux-redis-"))
  readonly #args: ReadonlyArray<string>
  #process: ChildProcess | undefined
  #log = ""

  private constructor(path: string, port: number, { appendfsync, args = [] }: RedisOptions) {
    this.#path = path
    this.port = port
    this.#args = [
      ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", this.#folder, "--save", ""],
      ...(appendfsync === undefined ? [] : ["--appendonly", "yes", "--appendfsync", appendfsync]),
      ...args
    ]
  }

  /** Starts a server; `path` is `inject("redis")`. */
  static async start(path: string, options: RedisOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(path, await freePort(), options)
    atEnd(() => server.#remove())
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** The process that runs now. */
  get pid(): number {
    const pid = this.#process?.pid
    if (pid === undefined) throw new Error("The Redis server does not run")
    return pid
  }

  /** Starts it, on the same port and with what is in its folder, and waits until it has read that and answers. */
  async start(): Promise<void> {
    this.#log = ""
    const server = spawn(this.#path, this.#args, { argv0: "redis-server", stdio: ["ignore", "pipe", "pipe"] })
    this.#process = server
    const orphaned = () => server.kill("SIGKILL")
    process.once("exit", orphaned)
    server.once("exit", () => process.off("exit", orphaned))
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => this.#log += text)
    }
    await until(() => `the Redis server; it said ${this.#log}`, () => {
      if (server.exitCode !== null) throw new Error(`The Redis server ended with ${server.exitCode}: ${this.#log}`)
      return this.#log.includes("Ready to accept connections")
    })
  }

  /** Sends a command over a connection of its own. */
  async command(...args: ReadonlyArray<string>): Promise<unknown> {
    const client = createClient({ url: this.url, socket: { reconnectStrategy: false } })
    client.on("error", () => undefined)
    await client.connect()
    try {
      return await client.sendCommand([...args])
    } finally {
      client.destroy()
    }
  }

  /** Ends it in good order. */
  stop(): Promise<void> {
    return this.#end("SIGTERM")
  }

  /** Ends it with `kill -9`. */
  kill(): Promise<void> {
    return this.#end("SIGKILL")
  }

  /** How many bytes its append-only file has now; with `everysec` it may lag behind what was answered. */
  get appended(): number {
    return statSync(this.#appendOnlyFile).size
  }

  /** Cuts its append-only file off: what came later had not reached the disk when the machine went down. */
  forgetAfter(appended: number): void {
    truncateSync(this.#appendOnlyFile, appended)
  }

  get #appendOnlyFile(): string {
    const folder = join(this.#folder, "appendonlydir")
    const name = readdirSync(folder).find((name) => name.endsWith(".incr.aof"))
    if (name === undefined) throw new Error("The Redis server keeps no append-only file")
    return join(folder, name)
  }

  /** Halts it, as a machine that is out of breath; connections stay open. */
  halt(): void {
    process.kill(this.pid, "SIGSTOP")
  }

  /** Lets a halted server go on. */
  goOn(): void {
    process.kill(this.pid, "SIGCONT")
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#process
    this.#process = undefined
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()))
    server.kill(signal)
    await within(`the Redis server to end by ${signal}`, ended)
  }

  async #remove(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
