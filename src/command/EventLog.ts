/** Prints each monitoring event as one line of JSON: what `--log-events` does. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Writable } from "node:stream"
import * as Printable from "../base/Printable.ts"
import { Monitor } from "../monitor/Monitor.ts"

const print = (output: Writable, line: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    output.write(line, () => resume(Effect.void))
  })

/** Done when nobody reads the output any more. */
const whenGone = (output: Writable): Effect.Effect<void> =>
  Effect.callback((resume) => {
    output.on("error", () => resume(Effect.void))
  })

/**
 * Subscribes at once and gives the effect that prints until the service has stopped. Where the reader of the output is
 * too slow for 65,536 events or 16 MiB of them, the oldest are lost and a line `{"_tag":"Lagged",…}` says so; where it has gone, printing ends.
 */
export const make = Effect.fnUntraced(function*(output: Writable) {
  const monitor = yield* Monitor
  const events = yield* monitor.subscribe({ capacity: 65_536 })
  const printing = Stream.runForEach(events, (event) => print(output, `${Printable.json(event)}\n`))
  return Effect.raceFirst(printing, whenGone(output))
})
