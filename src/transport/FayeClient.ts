/**
 * Serves Faye's browser client at `{mount}/client.js` and `{mount}.js`, as Faye's server does, if the package `faye` is
 * installed.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { Connections } from "../service/Connections.ts"
import * as Http from "./Http.ts"

const files: ReadonlyArray<readonly [path: string, file: string, type: string]> = [
  ["/client.js", "faye/client/faye-browser-min.js", "text/javascript; charset=utf-8"],
  ["/faye-browser-min.js.map", "faye/client/faye-browser-min.js.map", "application/json"]
]

const load = (file: string, type: string): Effect.Effect<Http.Asset | undefined> =>
  Effect.tryPromise(async () => Http.asset(await readFile(createRequire(import.meta.url).resolve(file)), type)).pipe(
    Effect.orElseSucceed(() => undefined)
  )

/** Serves the files of the client; nothing if the package `faye` is not installed. */
export const layer: Layer.Layer<never, never, Connections> = Layer.effectDiscard(Effect.gen(function*() {
  const assets = new Map<string, Http.Asset>()
  for (const [path, file, type] of files) {
    const asset = yield* load(file, type)
    if (asset !== undefined) assets.set(path, asset)
  }
  const { addTransport } = yield* Connections
  yield* addTransport({
    connectionTypes: [],
    handle: (call) => {
      const asset = assets.get(call.path)
      if (asset === undefined || (call.request.method !== "GET" && call.request.method !== "HEAD")) return false
      Http.respondAsset(call.request, call.response, asset)
      return true
    }
  })
}))
