/**
 * Real proxies for a test: nginx and haproxy as processes of their own, each with a configuration in a temporary folder
 * and on a free port of the loopback. They can be stopped, killed and started again on the same port, and end with the
 * test.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { atEnd, random, until, within } from "../transport/support.ts"
import { findExecutable } from "./executable.ts"

/** The path of the installed nginx: `NGINX_PATH` if that is one. */
export const findNginx = (): string | undefined => findExecutable("NGINX_PATH", ["nginx"])

/** The path of the installed haproxy: `HAPROXY_PATH` if that is one. */
export const findHaproxy = (): string | undefined => findExecutable("HAPROXY_PATH", ["haproxy"])

/** A configuration that is shown in `docs/deployment`. */
export const documented = (file: string): string =>
  readFileSync(new URL(`../../docs/deployment/${file}`, import.meta.url), "utf8")

/** Whether something listens there. */
const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy()
      resolve(true)
    })
    socket.on("error", () => resolve(false))
  })

const ports = random(process.pid + 1)

/** A free port below those that systems give to outgoing connections: nobody else gets it while the proxy is away. */
const freePort = (): Promise<number> =>
  until("a free port", async () => {
    const port = 10_000 + ports.below(20_000)
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer().on("error", () => resolve(false))
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
    })
    return isFree && port
  })

interface Recipe {
  readonly program: string
  readonly args: (folder: string) => ReadonlyArray<string>
  readonly config: (folder: string, port: number) => string
}

/** A proxy, running or not. */
export class WebProxy {
  readonly port: number
  readonly #recipe: Recipe
  readonly #folder = mkdtempSync(join(tmpdir(), "bayeux-proxy-"))
  #process: ChildProcess | undefined
  #log = ""

  private constructor(recipe: Recipe, port: number) {
    this.#recipe = recipe
    this.port = port
    // nginx does its work as nobody when it is started by root.
    chmodSync(this.#folder, 0o755)
  }

  static async start(recipe: Recipe): Promise<WebProxy> {
    const proxy = new WebProxy(recipe, await freePort())
    atEnd(() => proxy.#remove())
    await proxy.start()
    return proxy
  }

  /** The service's URL for clients that go through it. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/bayeux`
  }

  /** Starts it on its port and waits until it listens. */
  async start(): Promise<void> {
    const { args, config, program } = this.#recipe
    writeFileSync(join(this.#folder, "config"), config(this.#folder, this.port))
    this.#log = ""
    const proxy = spawn(program, args(this.#folder), { stdio: ["ignore", "pipe", "pipe"] })
    this.#process = proxy
    const orphaned = () => proxy.kill("SIGKILL")
    process.once("exit", orphaned)
    proxy.once("exit", () => process.off("exit", orphaned))
    for (const stream of [proxy.stdout, proxy.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => this.#log += text)
    }
    await until(() => `the proxy to listen; it said ${this.#log}`, () => {
      if (proxy.exitCode !== null) throw new Error(`The proxy ended with ${proxy.exitCode}: ${this.#log}`)
      return listens(this.port)
    })
  }

  /** Ends it at once: all of its connections break. */
  async kill(): Promise<void> {
    const proxy = this.#process
    this.#process = undefined
    if (proxy === undefined || proxy.exitCode !== null || proxy.signalCode !== null) return
    const ended = new Promise<void>((resolve) => proxy.once("exit", () => resolve()))
    proxy.kill("SIGKILL")
    await within("the proxy to end", ended)
  }

  async #remove(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Puts something in the place of a text that is there, wherever it is. */
const replaced = (text: string, old: string, by: string): string => {
  if (!text.includes(old)) throw new Error(`There is no ${old} in ${text}`)
  return text.replaceAll(old, by)
}

/** A site of nginx that passes on what it gets as nginx does if nothing else is said, apart from `directives`. */
export const nginxSite = (target: string, directives = ""): string => `
upstream bayeux { server ${target}; ${directives.includes("proxy_http_version 1.1") ? "keepalive 8;" : ""} }
server { listen 80; location / { proxy_pass http://bayeux; ${directives} } }
`

/** Starts nginx with a site, which is what stands in a file of `conf.d` and listens on port 80. */
export const startNginx = (path: string, site: string): Promise<WebProxy> =>
  WebProxy.start({
    program: path,
    args: (folder) => ["-p", folder, "-c", "config", "-e", join(folder, "error.log")],
    config: (folder, port) => {
      const temporary = join(folder, "temporary")
      mkdirSync(temporary, { recursive: true })
      chmodSync(temporary, 0o777)
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      return `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  ${paths.map((name) => `${name}_temp_path ${temporary}/${name};`).join(" ")}
  ${replaced(site, "listen 80", `listen 127.0.0.1:${port}`)}
}
`
    }
  })

/** A configuration of haproxy with nothing but what it needs, apart from `options` and what is said of the server. */
export const haproxyConfig = (target: string, options = "", server = ""): string => `
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    ${options}
frontend bayeux
    bind :80
    default_backend bayeux
backend bayeux
    server one ${target} ${server}
`

/** Starts haproxy with a configuration that binds port 80. */
export const startHaproxy = (path: string, config: string): Promise<WebProxy> =>
  WebProxy.start({
    program: path,
    args: (folder) => ["-db", "-f", join(folder, "config")],
    // A connection takes two file descriptors, which may be few where the tests run.
    config: (_, port) => replaced(config, "bind :80", `bind 127.0.0.1:${port}`).replace(/maxconn \d+/, "maxconn 400")
  })
