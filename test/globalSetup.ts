/**
 * Runs once before all tests: sees to it that there is a Chromium, and tells the tests where. Where none is found and
 * none may be installed, it says so, and the browser suites report themselves as skipped.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { promisify } from "node:util"
import type { TestProject } from "vitest/node"
import { findChromium } from "./support/chromium.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The path of Chromium, or `""` where there is none: `inject("chromium")`. */
    readonly chromium: string
  }
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

const install = async (): Promise<string | undefined> => {
  console.log("No Chromium found: installing it with apt-get for the browser tests (up to ten minutes)")
  const deadline = Date.now() + patience
  try {
    await aptGet(deadline, "update")
    await aptGet(deadline, "install", "-y", "--no-install-recommends", "chromium")
  } catch (error) {
    console.error(`Chromium could not be installed: ${String(error)}`)
  }
  return findChromium()
}

export default async (project: TestProject): Promise<void> => {
  const chromium = findChromium() ?? (isDebianRoot() ? await install() : undefined)
  if (chromium === undefined) {
    console.warn(
      "No Chromium found: the browser suites are skipped. Install Chromium or Google Chrome "
        + "(Debian: apt-get install chromium), or say in CHROMIUM_PATH where it is."
    )
  } else {
    process.env["CHROMIUM_PATH"] = chromium
  }
  project.provide("chromium", chromium ?? "")
}
