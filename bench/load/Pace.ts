/** When publishes are sent. Each pace starts at once and gives a function that ends it. */
import type { Load } from "./Load.ts"

export type Pace = (load: Load) => () => void

/** Keeps this many publishes of each stream on their way: a new one follows when one is done. */
export const inFlight = (perStream: number): Pace => (load) => {
  let isRunning = true
  load.deliveries.onDone = (stream) => {
    if (isRunning) load.publish(stream)
  }
  for (let stream = 0; stream < load.streams; stream++) {
    for (let i = 0; i < perStream; i++) load.publish(stream)
  }
  return () => {
    isRunning = false
  }
}

/** Sends this many publishes a second, over all streams in turn, however many are on their way. */
export const steady = (perSecond: number): Pace => (load) => {
  const startedAt = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = Math.floor((performance.now() - startedAt) * perSecond / 1_000)
    for (; sent < due; sent++) load.publish(sent % load.streams)
  }, 1)
  return () => clearInterval(timer)
}
