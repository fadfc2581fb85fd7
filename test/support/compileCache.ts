/**
 * Compiled modules that all processes share which tests start: each is up in half the time. The workers of the tests do
 * without, as V8 loses private static methods (CometD's client has some) of classes that it takes from such a cache.
 */
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../../node_modules/.cache/effect-bayeux-tests", import.meta.url))

/** For the environment of a process. */
export const compileCache = { NODE_COMPILE_CACHE: folder }
