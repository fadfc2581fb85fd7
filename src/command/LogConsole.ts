/**
 * The console of the command: whatever goes to standard error, log lines and complaints, may have text from peers in it,
 * so it is printed without characters that a terminal obeys. Standard output is not for log lines; who prints there
 * escapes what it prints.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { format } from "node:util"
import * as Printable from "../base/Printable.ts"

/** The most characters that are printed at once: a peer may have sent a megabyte. */
const longest = 16_384

const cut = (text: string): string =>
  text.length <= longest ? text : `${text.slice(0, longest)}… and ${text.length - longest} characters more`

const make = (console: Console.Console): Console.Console =>
  Object.assign(Object.create(console) as Console.Console, {
    error: (...args: ReadonlyArray<unknown>) => console.error("%s", Printable.lines(cut(format(...args))))
  })

/** Puts it in the place of the console that is there. */
export const layer: Layer.Layer<never> = Layer.effect(Console.Console, Effect.map(Console.Console, make))
