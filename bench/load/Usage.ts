/** What a process, and the machine, has used so far. */
import { cpus } from "node:os"

export interface Usage {
  /** When, in milliseconds of the process's own steady clock. */
  readonly at: number
  /** CPU time, user and system, in milliseconds. */
  readonly cpu: number
  /** Memory in bytes: all that is resident, the used heap, and buffers outside it. */
  readonly rss: number
  readonly heap: number
  readonly external: number
}

/** Of this process. */
export const now = (): Usage => {
  const { system, user } = process.cpuUsage()
  const { external, heapUsed, rss } = process.memoryUsage()
  return { at: performance.now(), cpu: (system + user) / 1_000, rss, heap: heapUsed, external }
}

/** The share of a core between two readings. */
export const cpuShare = (before: Usage, after: Usage): number => (after.cpu - before.cpu) / (after.at - before.at)

/** Milliseconds for which the cores of the machine have worked, for whomever. */
export const ofMachine = (): number => {
  let busy = 0
  for (const { times } of cpus()) busy += times.user + times.nice + times.sys + times.irq
  return busy
}
