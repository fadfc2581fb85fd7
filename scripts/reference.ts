/**
 * A part of `npm run api`: makes the API reference in `docs/api` from the doc comments of each entry of the package, as it was
 * built. With `--check`, as `npm run check:api` calls it, it
 * writes nothing and fails if the reference is not up to date.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { entries, root } from "./entries.ts"
import { Reader } from "./reference/Declarations.ts"
import * as Pages from "./reference/Pages.ts"

const path = (file: string) => fileURLToPath(new URL(file, root))
const target = path("docs/api")

const makePages = (): ReadonlyArray<Pages.Page> => {
  const reader = new Reader(path(".").replace(/\/$/, ""))
  try {
    return Pages.make(entries.map(({ name, types }) => ({ specifier: name, entry: reader.entry(path(types)) })))
  } finally {
    reader.close()
  }
}

const present = (): ReadonlyArray<string> =>
  existsSync(target)
    ? readdirSync(target, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".md"))
    : []

const pages = makePages()
const isCurrent = ({ path, text }: Pages.Page): boolean =>
  existsSync(`${target}/${path}`) && readFileSync(`${target}/${path}`, "utf8") === text
const changed = pages.filter((page) => !isCurrent(page))
const stale = present().filter((path) => !pages.some((page) => page.path === path))

if (process.argv.includes("--check")) {
  const wrong = [...changed.map(({ path }) => path), ...stale]
  if (wrong.length > 0) {
    console.error(`docs/api is not up to date: ${wrong.join(", ")}. Run npm run api`)
    process.exitCode = 1
  }
} else {
  for (const { path, text } of changed) {
    mkdirSync(dirname(`${target}/${path}`), { recursive: true })
    writeFileSync(`${target}/${path}`, text)
  }
  for (const path of stale) rmSync(`${target}/${path}`)
  console.log(`docs/api: ${pages.length} pages, ${changed.length} changed, ${stale.length} removed`)
}
