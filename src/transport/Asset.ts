/** Static files. Each is read once and served with an ETag, so that a client that has it is answered with 304. */
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import type { IncomingMessage, ServerResponse } from "node:http"
import { extname } from "node:path"
import { respond } from "./Http.ts"

/** A static file. */
export interface Asset {
  readonly body: Buffer
  readonly type: string
  readonly etag: string
}

/** Creates a static file, with a hash of its bytes as ETag. */
const make = (body: Buffer, type: string): Asset => ({
  body,
  type,
  etag: `"${createHash("sha256").update(body).digest("hex").slice(0, 32)}"`
})

const types: { readonly [extension: string]: string } = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".map": "application/json",
  ".svg": "image/svg+xml"
}

/** Whether files of that name have a type that is served. */
export const isServed = (name: string): boolean => types[extname(name)] !== undefined

/** Reads a file. Its extension decides on its type. */
export const read = async (file: string): Promise<Asset> =>
  make(await readFile(file), types[extname(file)] ?? "application/octet-stream")

/** Whether the peer has the file with this tag. Proxies that compress make tags weak (RFC 9110, section 13.1.2). */
const isCached = (request: IncomingMessage, etag: string): boolean =>
  request.headers["if-none-match"]?.split(",").some((value) => {
    const tag = value.trim()
    return tag === "*" || tag === etag || tag === `W/${etag}`
  }) === true

/** Answers with a static file, or with 304 if the peer has it. */
export const serve = (request: IncomingMessage, response: ServerResponse, { body, etag, type }: Asset): void => {
  const headers = { "Content-Type": type, "Cache-Control": "no-cache", "ETag": etag }
  if (!isCached(request, etag)) return respond(response, 200, headers, body)
  response.writeHead(304, headers)
  response.end()
}
