/**
 * `npm run check:package`: packs the package, unpacks it where a user would have it, with the dependencies of this checkout,
 * and loads each entry by `import` and by `require`. What belongs to the command, Redis or the page stays out of the main
 * entry.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { entries, root } from "./entries.ts"

const here = fileURLToPath(root)
const there = mkdtempSync(join(tmpdir(), "package-"))
const installed = join(there, "node_modules", "effect-bayeux")

/** The dependencies lie beside the package, as npm would have put them. */
const install = (): void => {
  const pack = ["pack", "--ignore-scripts", "--silent", "--pack-destination", there]
  const archive = execFileSync("npm", pack, { cwd: here, encoding: "utf8" }).trim()
  mkdirSync(installed, { recursive: true })
  execFileSync("tar", ["-xzf", join(there, archive), "-C", installed, "--strip-components=1"])
  for (const name of readdirSync(join(here, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(here, "node_modules", name), join(there, "node_modules", name))
  }
}

/** Modules that nobody is to load who has the memory engine, by a part of their paths. */
const foreign = [
  "/redis/",
  "/@redis/",
  "/dist/page/",
  "/recorder/Recorder.js",
  "/recorder/Recording",
  "/command/",
  "Otlp"
]

const importing = `
import { registerHooks } from "node:module"
const loaded = []
registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
for (const name of ${JSON.stringify(entries.map(({ name }) => name))}) {
  const exports = Object.keys(await import(name))
  if (exports.length === 0) throw new Error(\`\${name} exports nothing\`)
  if (name !== "effect-bayeux") continue
  const foreign = loaded.filter((url) => ${JSON.stringify(foreign)}.some((part) => url.includes(part)))
  if (foreign.length > 0) throw new Error(\`\${name} loads \${foreign.join(", ")}\`)
  console.log(\`\${name} loads \${loaded.length} modules\`)
}
`

const requiring = `
for (const name of ${JSON.stringify(entries.map(({ name }) => name))}) {
  if (Object.keys(require(name)).length === 0) throw new Error(\`\${name} exports nothing\`)
}
`

const run = (...args: ReadonlyArray<string>): void => {
  execFileSync(process.execPath, args, { cwd: there, stdio: "inherit" })
}

try {
  install()
  writeFileSync(join(there, "importing.mjs"), importing)
  writeFileSync(join(there, "requiring.cjs"), requiring)
  run("importing.mjs")
  run("requiring.cjs")
  run(join(installed, "dist", "bin.js"), "--version")
} finally {
  rmSync(there, { recursive: true, force: true })
}
