/** The entries of the package, as `exports` of package.json lists them: the one table of them. */
import { readFileSync } from "node:fs"

/** The folder of the package. */
export const root = new URL("../", import.meta.url)

/** An entry that is a module. */
export interface Entry {
  /** Its specifier: `effect-bayeux`, `effect-bayeux/core`, … */
  readonly name: string
  /** Its files, relative to the package. */
  readonly source: string
  readonly types: string
}

interface Conditions {
  readonly "effect-bayeux-source": string
  readonly types: string
}

const { exports, name } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  readonly name: string
  readonly exports: { readonly [path: string]: Conditions | string }
}

/** All of them, in the order of the table. */
export const entries: ReadonlyArray<Entry> = Object.entries(exports).flatMap(([path, conditions]) =>
  typeof conditions === "string"
    ? []
    : [{ name: name + path.slice(1), source: conditions["effect-bayeux-source"], types: conditions.types }]
)
