/** The messages between the harness and the processes it starts. */

/** Sizes in mebibytes, after collection. */
export interface Heap {
  readonly heap: number
  readonly buffers: number
  readonly rss: number
}

/** From the server: a sign of life, or the answer to `"collect"`. Turns are in milliseconds, since `"reset"`. */
export type ToHarness =
  | { readonly _tag: "Beat"; readonly turn: number; readonly rss: number }
  | ({ readonly _tag: "Collected"; readonly turn: number } & Heap)

/** From the canary: it is there, or the answer to `"report"`. Times are in milliseconds, since `"begin"`. */
export type FromCanary = { readonly _tag: "Ready" } | ({ readonly _tag: "Report" } & CanaryReport)

/** Latencies of the canary's publishes. Those that have not come yet count with their age. */
export interface CanaryReport {
  readonly published: number
  readonly missing: number
  readonly sessions: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}
