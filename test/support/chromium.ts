/**
 * A real browser for the tests: where Chromium is, and how it is started. It is driven through `playwright-core`, which
 * brings no browser of its own; `globalSetup.ts` installs one where it may.
 */
import type { Browser } from "playwright-core"
import { findExecutable } from "./executable.ts"

/** The path of the installed Chromium: `CHROMIUM_PATH` if that is one, else the first that the system has. */
export const findChromium = (): string | undefined =>
  findExecutable("CHROMIUM_PATH", ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])

/** Starts Chromium without a window, and without traffic of its own. The caller closes it. */
export const launchChromium = async (executablePath: string, ...more: ReadonlyArray<string>): Promise<Browser> => {
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
      "--disable-sync",
      ...more
    ]
  })
}
