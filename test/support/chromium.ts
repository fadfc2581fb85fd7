/**
 * A real browser for the tests: where Chromium is, and how it is started. It is driven through `playwright-core`, which
 * brings no browser of its own; `globalSetup.ts` installs one where it may.
 */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import type { Browser } from "playwright-core"

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const candidates = (): ReadonlyArray<string> => {
  const folders = ["/usr/bin", ...(process.env["PATH"] ?? "").split(delimiter)]
  const named = process.env["CHROMIUM_PATH"] ?? ""
  return [named, ...folders.flatMap((folder) => names.map((name) => join(folder, name)))].filter((path) => path !== "")
}

/** The path of the installed Chromium: `CHROMIUM_PATH` if that is one, else the first that the system has. */
export const findChromium = (): string | undefined => candidates().find(isExecutable)

/** Starts Chromium without a window, and without traffic of its own. The caller closes it. */
export const launchChromium = async (executablePath: string): Promise<Browser> => {
  const { chromium } = await import("playwright-core")
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  })
}
