/**
 * Serves Faye's browser client at `{mount}/client.js` and `{mount}.js`, as Faye's own server does, when the package
 * `faye` is installed next to this one.
 */
import { Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { Bayeux } from "../Bayeux.ts"
import { respond } from "./Http.ts"
import type { HttpCall } from "./Transport.ts"

interface Asset {
  readonly body: Buffer
  readonly type: string
  readonly etag: string
}

const files: ReadonlyArray<readonly [path: string, file: string, type: string]> = [
  ["/client.js", "faye/client/faye-browser-min.js", "text/javascript; charset=utf-8"],
  ["/faye-browser-min.js.map", "faye/client/faye-browser-min.js.map", "application/json"]
]

const load = (file: string, type: string): Effect.Effect<Asset | undefined> =>
  Effect.tryPromise(async () => {
    const body = await readFile(createRequire(import.meta.url).resolve(file))
    return { body, type, etag: `"${createHash("sha256").update(body).digest("hex").slice(0, 32)}"` }
  }).pipe(Effect.orElseSucceed(() => undefined))

const answer = ({ request, response }: HttpCall, { body, etag, type }: Asset): void => {
  const headers = { "Content-Type": type, "Cache-Control": "no-cache", "ETag": etag }
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304, headers)
    response.end()
  } else {
    respond(response, 200, headers, body)
  }
}

/** Offers the client's files; without the package `faye` it offers nothing. */
export const layer: Layer.Layer<never, never, Bayeux> = Layer.effectDiscard(Effect.gen(function*() {
  const assets = new Map<string, Asset>()
  for (const [path, file, type] of files) {
    const asset = yield* load(file, type)
    if (asset !== undefined) assets.set(path, asset)
  }
  const bayeux = yield* Bayeux
  yield* bayeux.addTransport({
    connectionTypes: [],
    handle: (call) => {
      const asset = assets.get(call.path)
      if (asset === undefined || (call.request.method !== "GET" && call.request.method !== "HEAD")) return false
      answer(call, asset)
      return true
    }
  })
}))
