/**
 * Runs once before all tests: sees to it that there are a Chromium, a Redis server, an nginx and a haproxy, and tells the
 * tests where. Where one is not found and may not be installed, it says so, and the suites that need it report themselves
 * as skipped. It also draws the seed.
 */
import { execFile } from "node:child_process"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { promisify } from "node:util"
import type { TestProject } from "vitest/node"
import { findChromium } from "./support/chromium.ts"
import { findRedis } from "./support/redis.ts"
import { chosen } from "./support/seeds.ts"
import { findHaproxy, findNginx } from "./support/webProxies.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The path of Chromium, or `""` where there is none: `inject("chromium")`. */
    readonly chromium: string
    /** The path of a Redis server, or `""` where there is none: `inject("redis")`. */
    readonly redis: string
    /** The path of nginx, or `""` where there is none: `inject("nginx")`. */
    readonly nginx: string
    /** The path of haproxy, or `""` where there is none: `inject("haproxy")`. */
    readonly haproxy: string
  }
}

interface Program {
  readonly name: string
  readonly suites: string
  readonly find: () => string | undefined
  /** What Debian calls it. */
  readonly package: string
  readonly variable: string
}

const chromium: Program = {
  name: "Chromium",
  suites: "the browser suites",
  find: findChromium,
  package: "chromium",
  variable: "CHROMIUM_PATH"
}

/** Debian has the server's program in the tools; the package of the server's name starts it as a service of the system. */
const redis: Program = {
  name: "Redis server",
  suites: "the suites of the Redis engine",
  find: findRedis,
  package: "redis-tools",
  variable: "REDIS_SERVER_PATH"
}

const nginx: Program = {
  name: "nginx",
  suites: "the suites behind nginx",
  find: findNginx,
  package: "nginx",
  variable: "NGINX_PATH"
}

const haproxy: Program = {
  name: "haproxy",
  suites: "the suites behind haproxy",
  find: findHaproxy,
  package: "haproxy",
  variable: "HAPROXY_PATH"
}

const patience = 10 * 60_000

const isDebianRoot = (): boolean => process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")

/** `apt-get`, without questions; a package manager that is busy is waited for. */
const aptGet = async (deadline: number, ...args: ReadonlyArray<string>): Promise<void> => {
  await promisify(execFile)("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=120", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    timeout: Math.max(1, deadline - Date.now()),
    maxBuffer: 1 << 26
  })
}

/** Asked by Debian's packages before they start what they bring as a service of the system: 101 is no. */
const servicePolicy = "/usr/sbin/policy-rc.d"

const withoutServices = async (install: () => Promise<void>): Promise<void> => {
  if (existsSync(servicePolicy)) return install()
  writeFileSync(servicePolicy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  try {
    await install()
  } finally {
    rmSync(servicePolicy)
  }
}

const install = async (program: Program): Promise<string | undefined> => {
  console.log(`No ${program.name} found: installing it with apt-get for ${program.suites} (up to ten minutes)`)
  const deadline = Date.now() + patience
  try {
    await aptGet(deadline, "update")
    await withoutServices(() => aptGet(deadline, "install", "-y", "--no-install-recommends", program.package))
  } catch (error) {
    console.error(`The ${program.name} could not be installed: ${String(error)}`)
  }
  return program.find()
}

/** The path of the program, which is installed if that may be. */
const provide = async (program: Program): Promise<string> => {
  const path = program.find() ?? (isDebianRoot() ? await install(program) : undefined)
  if (path === undefined) {
    console.warn(
      `No ${program.name} found: ${program.suites} are skipped. Install it `
        + `(Debian: apt-get install ${program.package}), or say in ${program.variable} where it is.`
    )
    return ""
  }
  process.env[program.variable] = path
  return path
}

/** Chosen once, and kept in the environment for the other projects. */
const lot = (isLong: boolean) => {
  const { rounds, seed } = chosen(process.env, isLong)
  if (isLong && process.env["SEED"] === undefined) {
    console.log(`SEED=${seed} ROUNDS=${rounds} npm run test:long repeats this run`)
  }
  process.env["SEED"] = `${seed}`
  process.env["ROUNDS"] = `${rounds}`
  return { rounds, seed }
}

export default async (project: TestProject): Promise<void> => {
  project.provide("lot", lot(project.config.mode === "long"))
  project.provide("chromium", await provide(chromium))
  project.provide("redis", await provide(redis))
  project.provide("nginx", await provide(nginx))
  project.provide("haproxy", await provide(haproxy))
}
