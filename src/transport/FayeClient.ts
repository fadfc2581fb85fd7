/**
 * Serves Faye's browser client at `{mount}/client.js` and `{mount}.js`, as Faye's server does, if the package `faye` is
 * installed.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createRequire } from "node:module"
import { Connections } from "../service/Connections.ts"
import * as Asset from "./Asset.ts"

const files = [
  ["/client.js", "faye/client/faye-browser-min.js"],
  ["/faye-browser-min.js.map", "faye/client/faye-browser-min.js.map"]
] as const

const load = (file: string): Effect.Effect<Asset.Asset | undefined> =>
  Effect.tryPromise(() => Asset.read(createRequire(import.meta.url).resolve(file))).pipe(
    Effect.orElseSucceed(() => undefined)
  )

/** Serves the files of the client; nothing if the package `faye` is not installed. */
export const layer: Layer.Layer<never, never, Connections> = Layer.effectDiscard(Effect.gen(function*() {
  const assets = new Map<string, Asset.Asset>()
  for (const [path, file] of files) {
    const asset = yield* load(file)
    if (asset !== undefined) assets.set(path, asset)
  }
  const { addTransport } = yield* Connections
  yield* addTransport({
    connectionTypes: [],
    handle: (call) => {
      const asset = assets.get(call.path)
      if (asset === undefined || (call.request.method !== "GET" && call.request.method !== "HEAD")) return false
      Asset.serve(call.request, call.response, asset)
      return true
    }
  })
}))
