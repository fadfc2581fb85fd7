/**
 * `npm run bench`: installs the peers where they are missing or out of date, then runs the benchmark. What `attacks`,
 * `growth` and `page` are about has no peers.
 */
import { spawnSync } from "node:child_process"
import { type Stats, statSync } from "node:fs"
import { fileURLToPath } from "node:url"

const installPeers = (): void => {
  const stat = (name: string): Stats | undefined => statSync(new URL(name, import.meta.url), { throwIfNoEntry: false })
  /** npm writes this file when it is done. */
  const installed = stat("node_modules/.package-lock.json")
  const locked = stat("package-lock.json")
  if (installed !== undefined && (locked === undefined || installed.mtimeMs >= locked.mtimeMs)) return
  console.error("Installing the servers to compare with (npm ci in bench)")
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32"
  })
  if (status === 0) return
  console.error("The servers to compare with could not be installed: see what npm says above, then run this again")
  process.exit(1)
}

const alone = ["attacks", "growth", "page"]

if (alone.includes(process.argv[2] ?? "")) {
  await import(`./${process.argv[2]}.ts`)
} else {
  installPeers()
  await import(process.argv[2] === "redis" ? "./redis.ts" : "./run.ts")
}
