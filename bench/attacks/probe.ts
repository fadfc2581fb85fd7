/**
 * Runs within the server that is attacked (`node --import`): tells the longest turn of its event loop and the size of its
 * heap. It tells the turns all the time, because a server that has died cannot be asked.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"
import type { Heap, ToHarness } from "./Protocol.ts"

/** How often the delay is taken (milliseconds); it is part of what is taken. */
const resolution = 5

const mebibytes = (bytes: number): number => bytes / (1 << 20)

const delay = monitorEventLoopDelay({ resolution })
delay.enable()

const send = (message: ToHarness): void => {
  if (process.connected) process.send?.(message)
}

const collected = (): Heap => {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  return { heap: mebibytes(heapUsed), buffers: mebibytes(arrayBuffers), rss: mebibytes(rss) }
}

const longestTurn = (): number => Math.max(0, delay.max / 1e6 - resolution)

process.on("message", (message) => {
  if (message === "reset") return delay.reset()
  // The collections that are asked for are no turns of the server's.
  const turn = longestTurn()
  send({ _tag: "Collected", turn, ...collected() })
})
setInterval(() => send({ _tag: "Beat", turn: longestTurn(), rss: mebibytes(process.memoryUsage.rss()) }), 50).unref()
// The server ends as it would without this.
process.channel?.unref()
