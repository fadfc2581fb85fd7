/**
 * A row of the table: what is done, with which servers, and what effect-bayeux is to reach. Its `run` is carried out in
 * the generator; the rest is read by the program that prints the table.
 */
import type { Usage } from "../load/Usage.ts"
import type { Column, Name } from "../servers/Server.ts"

/** What a run is told. */
export interface Setting {
  readonly server: Name
  readonly port: number
  /** How long is measured. */
  readonly seconds: number
  /** How long the server runs warm before. */
  readonly warmUp: number
  /** How many sessions the scenario with idle ones opens. */
  readonly sessions: number
  /** What the server has used so far, on request after a garbage collection. */
  readonly usage: (options: { readonly gc: boolean }) => Promise<Usage>
}

/** What a run gives. Shares are of one core, latencies in milliseconds. */
export interface Figures {
  /** In the unit of the scenario. */
  readonly value: number
  readonly p50?: number | undefined
  readonly p99?: number | undefined
  readonly serverCpu: number
  readonly generatorCpu: number
  /** What other programs of the machine used meanwhile: with more than a little of it, a run says nothing. */
  readonly othersCpu: number
  /** What the server used before, right after all had come, and when it was quiet again, where it is about memory. */
  readonly usage?: { readonly before: Usage; readonly rush: Usage; readonly after: Usage }
}

/** What effect-bayeux is to reach, in the figures of the same rounds. */
export interface Target {
  readonly text: string
  /** The value, as a multiple of what stands in a column. */
  readonly ratio?: { readonly of: Column; readonly by: number }
  /** The value itself. */
  readonly atMost?: number
  /** The p50, as a multiple of that in a column. */
  readonly p50?: { readonly of: Column; readonly by: number }
}

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** Whether more or less of it is better. */
  readonly better: "more" | "less"
  readonly servers: ReadonlyArray<Name>
  readonly target: Target
  readonly run: (setting: Setting) => Promise<Figures>
}
