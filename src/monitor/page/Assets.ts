/** The files of the monitor page: its own, in the folder `page` of the package, and those of uPlot, which draws its charts. */
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import type { IncomingMessage, ServerResponse } from "node:http"
import { createRequire } from "node:module"
import { extname } from "node:path"
import { respond } from "../../transport/Http.ts"

interface Asset {
  readonly body: Buffer
  readonly type: string
  readonly etag: string
}

/** The files by name. */
export type Assets = ReadonlyMap<string, Asset>

const types: { readonly [extension: string]: string } = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml"
}

/** It lies beside `src` and `dist`, so it is at the same place for both. */
const folder = new URL("../../../page/", import.meta.url)

const load = async (name: string, file: URL | string): Promise<readonly [name: string, asset: Asset]> => {
  const body = await readFile(file)
  const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 32)}"`
  return [name, { body, type: types[extname(name)] ?? "application/octet-stream", etag }]
}

/** Reads them. A package without them is broken. */
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

/** Answers with a file, or with 304 if it is known; nothing may be loaded or sent but from and to where it came from. */
export const answer = (request: IncomingMessage, response: ServerResponse, { body, etag, type }: Asset): void => {
  const headers = { "Content-Type": type, "Cache-Control": "no-cache", "ETag": etag }
  if (request.headers["if-none-match"] !== etag) return respond(response, 200, headers, body)
  response.writeHead(304, headers)
  response.end()
}
