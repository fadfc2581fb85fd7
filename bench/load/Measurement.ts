/** A run: warm up, measure, and wait until the last message has arrived. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Setting } from "../scenarios/Scenario.ts"
import type { Deliveries } from "./Deliveries.ts"
import type { Load } from "./Load.ts"
import type { Pace } from "./Pace.ts"
import * as Usage from "./Usage.ts"

/** What a run showed. Shares are of one core, latencies in milliseconds. */
export interface Measurement {
  readonly deliveredPerSecond: number
  readonly donePerSecond: number
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly serverCpu: number
  readonly generatorCpu: number
  readonly othersCpu: number
}

/** How long nothing may arrive before what is missing counts as lost. */
const patience = 10_000

const snapshot = <A>(count: () => A) => ({ count: count(), own: Usage.now(), machine: Usage.ofMachine() })

/** How long, and what the server has used. */
export type Span = Pick<Setting, "seconds" | "warmUp" | "usage">

/** Warms up, then counts for the time of the setting, and takes what everybody uses meanwhile. */
export const during = async <A>(setting: Span, reset: () => void, count: () => A) => {
  await sleep(setting.warmUp * 1_000)
  const serverBefore = await setting.usage({ gc: false })
  reset()
  const before = snapshot(count)
  await sleep(setting.seconds * 1_000)
  const after = snapshot(count)
  const serverAfter = await setting.usage({ gc: false })
  const serverCpu = Usage.cpuShare(serverBefore, serverAfter)
  const generatorCpu = Usage.cpuShare(before.own, after.own)
  const millis = after.own.at - before.own.at
  const machineCpu = (after.machine - before.machine) / millis
  const shares = { serverCpu, generatorCpu, othersCpu: Math.max(0, machineCpu - serverCpu - generatorCpu) }
  return { before: before.count, after: after.count, seconds: millis / 1_000, shares }
}

/** Waits until all that was published has arrived. */
const drain = async ({ deliveries, isAnswered }: Load): Promise<void> => {
  const missing = () => deliveries.outstanding + (isAnswered ? deliveries.published - deliveries.answered : 0)
  let progress = -1
  let progressAt = performance.now()
  while (missing() > 0) {
    const now = deliveries.delivered + deliveries.answered
    if (now !== progress) progressAt = performance.now()
    else if (performance.now() - progressAt > patience) throw lost(deliveries, isAnswered)
    progress = now
    await sleep(20)
  }
  // What was doubled at the very end gets the time to arrive, and to be noticed.
  await sleep(50)
}

const lost = (deliveries: Deliveries, isAnswered: boolean): Error => {
  const { answered, done, published } = deliveries
  const answers = isAnswered ? `, ${answered} were answered` : ""
  return new Error(
    `${published} messages were published, ${done} reached all of their subscribers${answers}; ` +
      `then nothing came for ${patience / 1_000} seconds: the rest is lost`
  )
}

/** Publishes at this pace and measures. */
export const run = async (setting: Span, load: Load, pace: Pace): Promise<Measurement> => {
  const { deliveries } = load
  const stop = pace(load)
  const measured = await during(
    setting,
    () => deliveries.latency.reset(),
    () => ({ delivered: deliveries.delivered, done: deliveries.done })
  )
  const latencies = { p50: deliveries.latency.percentile(0.5), p99: deliveries.latency.percentile(0.99) }
  stop()
  await drain(load)
  const { after, before, seconds, shares } = measured
  return {
    deliveredPerSecond: (after.delivered - before.delivered) / seconds,
    donePerSecond: (after.done - before.done) / seconds,
    ...latencies,
    ...shares
  }
}
