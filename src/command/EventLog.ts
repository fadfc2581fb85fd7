/** Prints each monitoring event as a line of JSON (`--log-events`). */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Writable } from "node:stream"
import * as Printable from "../base/Printable.ts"
import { Monitor } from "../monitor/Monitor.ts"

const print = (output: Writable, line: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    output.write(line, () => resume(Effect.void))
  })

/** Completes when the reader of the output has closed it. */
const whenClosed = (output: Writable): Effect.Effect<void> =>
  Effect.callback((resume) => {
    output.on("error", () => resume(Effect.void))
  })

/**
 * Subscribes, and returns the effect that prints until the service has stopped or the reader of the output has closed it.
 * If the reader is more than 65,536 events or 16 MiB behind, the oldest are lost; a line `{"_tag":"Lagged",…}` reports that.
 */
export const make = Effect.fnUntraced(function*(output: Writable) {
  const monitor = yield* Monitor
  const events = yield* monitor.subscribe({ capacity: 65_536 })
  const printing = Stream.runForEach(events, (event) => print(output, `${Printable.json(event)}\n`))
  return Effect.raceFirst(printing, whenClosed(output))
})
