/** Files of the monitor page: those in the folder `page` of the package, and uPlot, which draws the charts. */
import * as Effect from "effect/Effect"
import { readdir } from "node:fs/promises"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import * as Asset from "../transport/Asset.ts"

/** The files by name. */
export type Assets = ReadonlyMap<string, Asset.Asset>

/** The folder lies beside `src` and `dist`, so the path is the same for both. */
const folder = new URL("../../page/", import.meta.url)

const load = async (name: string, file: string): Promise<readonly [name: string, asset: Asset.Asset]> => [
  name,
  await Asset.read(file)
]

/** Reads all files. A missing file is a defect of the package. */
export const read: Effect.Effect<Assets> = Effect.promise(async () => {
  const own = (await readdir(folder)).filter(Asset.isServed)
  const resolve = createRequire(import.meta.url).resolve
  return new Map(
    await Promise.all([
      ...own.map((name) => load(name, fileURLToPath(new URL(name, folder)))),
      load("uPlot.js", resolve("uplot/dist/uPlot.esm.js")),
      load("uPlot.css", resolve("uplot/dist/uPlot.min.css"))
    ])
  )
})
