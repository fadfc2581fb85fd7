/**
 * The lines of a recording. Each is a JSON array that begins with a step number and says what it is; the bytes of every
 * few lines are followed by their checksum.
 *
 * ```
 * [120,"Begin",{"format":"effect-bayeux recording 2",…}]  the state before step 121 follows, in between other lines
 * [120,"Message",8,{"channel":"/a","data":1}]              a message that waits in queues
 * [120,"Session",{"clientId":"…","queue":[8],…}]
 * [120,"Change",117,{"_tag":"Subscribe",…}]                 a change of step 117 that is not carried out yet
 * [120,"Begun",toAnswer,awaiting,disbelieved,kicked]       the state is complete
 * [121,"Input",1795488090730,44,-91234,{"_tag":…},{…}]     steps 121 and 122: time, last event before, digest, input, outcome
 * [123,"Publish",1795488090730,44,8123,7,8,3,"…",9,{…}]    steps 123 and 124: a publish with its outcome
 * [125,"Connect",…]  [126,"Closed",…]  [127,"TurnEnded",…] steps that are frequent, written shorter
 * [5,"Check",123456]                                       the checksum (CRC-32) of the 5 lines before
 * [190,"Hole",127,"…"]                                     steps 127 to 190 could not be written; a Begin follows
 * [200,"End"]                                              the service has stopped
 * ```
 *
 * A client id stands there by its recorded name. `null` in the place of a digest says that the step has failed.
 */
import type * as Schema from "effect/Schema"
import type { Change } from "../core/Change.ts"
import type { Output } from "../core/Output.ts"
import type { Settings } from "../core/Settings.ts"

/** What a recording says of itself; one with another version is not read. */
export const format = "effect-bayeux recording 2"

/** What stands before a state. */
export interface Header {
  readonly format: typeof format
  /** Names the run of the service: what adjoins is of the same run. */
  readonly run: string
  /** How the process is called in its events. */
  readonly node: string
  /** When the state was as it is told, in milliseconds since the epoch. */
  readonly at: number
  readonly clientIds: "hashed" | "plain"
  readonly settings: Settings
  readonly connectionTypes: ReadonlyArray<string>
  readonly isShared: boolean
}

/** The change whose outcome stands in the same line, if the engine returns it: the only one that a step commits. */
export const onlyChange = (outputs: ReadonlyArray<Output>): Change | undefined => {
  let only: Change | undefined
  for (const output of outputs) {
    if (output._tag !== "Commit") continue
    if (only !== undefined) return undefined
    only = output.change
  }
  return only
}

/** A line as JSON has it. */
export type Line = readonly [number: number, tag: string, ...rest: ReadonlyArray<Schema.Json>]

/** A connection's kind and the two flags of a message, as one digit. */
const kinds = ["exchange", "socket", "stream"] as const

/** How a message came. */
export interface Way {
  readonly kind: (typeof kinds)[number]
  readonly local: boolean
  readonly mayBeHeld: boolean
}

/** The digit for a way. */
export const digit = ({ kind, local }: Omit<Way, "mayBeHeld">, mayBeHeld: boolean): number =>
  kinds.indexOf(kind) * 4 + (local ? 2 : 0) + (mayBeHeld ? 1 : 0)

/** The way behind a digit. */
export const way = (digit: number): Way => ({
  kind: kinds[digit >> 2] ?? "exchange",
  local: (digit & 2) !== 0,
  mayBeHeld: (digit & 1) !== 0
})

/** The line of a text; nothing if it is none. */
export const parse = (text: string): Line | undefined => {
  try {
    const line: unknown = JSON.parse(text)
    return Array.isArray(line) && typeof line[0] === "number" && typeof line[1] === "string"
      ? line as unknown as Line
      : undefined
  } catch {
    return undefined
  }
}
