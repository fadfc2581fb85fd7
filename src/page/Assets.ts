/** Files of the monitor page: those in the folder `page` of the package, and uPlot, which draws the charts. */
import * as Effect from "effect/Effect"
import { readdir, readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { extname } from "node:path"
import * as Http from "../transport/Http.ts"

/** The files by name. */
export type Assets = ReadonlyMap<string, Http.Asset>

const types: { readonly [extension: string]: string } = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml"
}

/** The folder lies beside `src` and `dist`, so the path is the same for both. */
const folder = new URL("../../page/", import.meta.url)

const load = async (name: string, file: URL | string): Promise<readonly [name: string, asset: Http.Asset]> => [
  name,
  Http.asset(await readFile(file), types[extname(name)] ?? "application/octet-stream")
]

/** Reads all files. A missing file is a defect of the package. */
export const read: Effect.Effect<Assets> = Effect.promise(async () => {
  const own = (await readdir(folder)).filter((name) => types[extname(name)] !== undefined)
  const resolve = createRequire(import.meta.url).resolve
  return new Map(
    await Promise.all([
      ...own.map((name) => load(name, new URL(name, folder))),
      load("uPlot.js", resolve("uplot/dist/uPlot.esm.js")),
      load("uPlot.css", resolve("uplot/dist/uPlot.min.css"))
    ])
  )
})
