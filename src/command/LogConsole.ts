/**
 * The console of the command. Log lines and errors on standard error may contain text of peers, so control characters are
 * escaped. Standard output has no log lines; the functions that print there escape their output.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { format } from "node:util"
import * as Printable from "../base/Printable.ts"

/** Longest text in characters: peers may send a megabyte. */
const maxLength = 16_384

const cut = (text: string): string =>
  text.length <= maxLength ? text : `${text.slice(0, maxLength)}… and ${text.length - maxLength} characters more`

const make = (console: Console.Console): Console.Console =>
  Object.assign(Object.create(console) as Console.Console, {
    error: (...args: ReadonlyArray<unknown>) => console.error("%s", Printable.lines(cut(format(...args))))
  })

/** Replaces the console. */
export const layer: Layer.Layer<never> = Layer.effect(Console.Console, Effect.map(Console.Console, make))
