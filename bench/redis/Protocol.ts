/** What the program says to processes that carry a part of the load, and they to it. */
import type { Measurement } from "../load/Measurement.ts"
import type { Usage } from "../load/Usage.ts"

/** The subscribers and publishers of a process. */
export interface Part {
  /** Where the servers listen; none if the subscribers are within the server. */
  readonly ports: ReadonlyArray<number>
  readonly subscribers: number
  /** How many sessions stand behind each subscriber. */
  readonly sessions: number
  /** The streams that it publishes, each with a publisher of its own. */
  readonly streams: ReadonlyArray<number>
  /** Of each publisher. */
  readonly inFlight: number
  readonly seconds: number
  readonly warmUp: number
}

export type ToPart =
  | { readonly _tag: "Open"; readonly part: Part }
  | { readonly _tag: "Go" }
  | { readonly _tag: "Usage"; readonly usage: Usage }

export type FromPart =
  | { readonly _tag: "Ready" }
  /** It begins, or ends, to measure, and wants to know what the servers have used so far. */
  | { readonly _tag: "UsageAsked" }
  | { readonly _tag: "Done"; readonly measurement: Measurement }
  | { readonly _tag: "Failed"; readonly reason: string }
