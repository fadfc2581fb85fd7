/** Where and when something was measured. */
import { cpus } from "node:os"

export interface Origin {
  readonly at: string
  readonly node: string
  readonly machine: string
}

/** This machine, now. */
export const here = (): Origin => ({
  at: new Date().toISOString(),
  node: process.version,
  machine: `${cpus().length} × ${cpus()[0]?.model ?? "an unknown processor"}`
})
