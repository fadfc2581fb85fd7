/**
 * Lines of a recording. Each is a JSON array that begins with the number of a step and a tag. Every few lines are followed by
 * the checksum of their bytes.
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
 * Client ids are written by their recorded names. The digest of a step that failed is `null`.
 */
import type * as Schema from "effect/Schema"
import type { Change } from "../core/Change.ts"
import type { Output } from "../core/Output.ts"
import type { Settings } from "../core/Settings.ts"

/** Format of a recording. Recordings of another format are not read. */
export const format = "effect-bayeux recording 2"

/** Header of a state. */
export interface Header {
  readonly format: typeof format
  /** Name of the run of the service: both files of a recording have the same. */
  readonly run: string
  /** Name of the process in its events. */
  readonly node: string
  /** Time of the state, in milliseconds since the epoch. */
  readonly at: number
  readonly clientIds: "hashed" | "plain"
  readonly settings: Settings
  readonly connectionTypes: ReadonlyArray<string>
  readonly isShared: boolean
}

/** Returns the change of a step whose outcome stands in the same line if the engine returns it: the only one that it commits. */
export const onlyChange = (outputs: ReadonlyArray<Output>): Change | undefined => {
  let only: Change | undefined
  for (const output of outputs) {
    if (output._tag !== "Commit") continue
    if (only !== undefined) return undefined
    only = output.change
  }
  return only
}

/** Line in JSON. */
export type Line = readonly [number: number, tag: string, ...rest: ReadonlyArray<Schema.Json>]

/** Kinds of connections, by their numbers in a digit. */
const kinds = ["exchange", "socket", "stream"] as const

/** Way on which a message came. */
export interface Way {
  readonly kind: (typeof kinds)[number]
  readonly local: boolean
  readonly mayBeHeld: boolean
}

/** Writes a way as a digit. */
export const digit = ({ kind, local }: Omit<Way, "mayBeHeld">, mayBeHeld: boolean): number =>
  kinds.indexOf(kind) * 4 + (local ? 2 : 0) + (mayBeHeld ? 1 : 0)

/** Reads a way from a digit. */
export const way = (digit: number): Way => ({
  kind: kinds[digit >> 2] ?? "exchange",
  local: (digit & 2) !== 0,
  mayBeHeld: (digit & 1) !== 0
})

/** Reads a line. Returns undefined if the text is none. */
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
