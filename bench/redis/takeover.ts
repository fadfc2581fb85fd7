/**
 * `npm run bench -- redis takeover`: a process that owns 10,000 sessions is killed while others publish to them. How
 * long until another one has them all, and for how long at a stretch does that one do nothing else?
 */
import { Effect } from "effect"
import { once } from "node:events"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"
import type { Bayeux } from "../../src/index.ts"
import type { RedisServer } from "../../test/support/redis.ts"
import * as Child from "../harness/Child.ts"
import * as Text from "../harness/Text.ts"
import { withService } from "./service.ts"

const sessions = 10_000
const rooms = 100
const perSecond = 1_000

/** Starts a process that owns so many sessions, with so many subscriptions each. */
export const startOwner = async (redis: RedisServer, sessions: number, subscriptions: number): Promise<Child.Child> => {
  const owner = Child.start("redis/owner.ts", { args: [redis.port, sessions, subscriptions].map(String) })
  const ended = once(owner.process, "exit").then(() => {
    throw new Error(`The owner ended: ${owner.complaints()}`)
  })
  ended.catch(() => undefined)
  await Promise.race([once(owner.process.stdout ?? owner.process, "data"), ended])
  return owner
}

/** Publishes to one room after the other; gives what ends it. */
const publish = (bayeux: Bayeux.Bayeux["Service"]): () => void => {
  const began = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    for (const due = (performance.now() - began) * perSecond / 1_000; sent < due; sent++) {
      Effect.runFork(Effect.ignore(bayeux.publish(`/rooms/${sent % rooms}`, "x".repeat(100))))
    }
  }, 5)
  return () => clearInterval(timer)
}

const here = (bayeux: Bayeux.Bayeux["Service"]) => Effect.runPromise(bayeux.sessions)

const measure = async (bayeux: Bayeux.Bayeux["Service"], owner: Child.Child): Promise<string> => {
  const stop = publish(bayeux)
  await sleep(2_000)
  owner.process.kill("SIGKILL")
  const killed = performance.now()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  let first = 0
  for (let count = 0; count < sessions; await sleep(20)) {
    count = (await here(bayeux)).length
    if (first === 0 && count > 0) first = performance.now()
  }
  const last = performance.now()
  delay.disable()
  stop()
  const waiting = (await here(bayeux)).reduce((sum, { queueLength }) => sum + queueLength, 0)
  return [
    `${Text.number(sessions)} sessions, ${Text.number(perSecond)} publishes a second to ${rooms} rooms`,
    `first session there ${Text.number(first - killed)} ms after the process was killed`,
    `last session there ${Text.number(last - first)} ms later; ${
      Text.number(waiting / sessions)
    } messages waited for each`,
    `longest time without a turn of the event loop: ${Text.number(delay.max / 1e6)} ms`
  ].join("\n")
}

export const takeover = async (redis: RedisServer): Promise<string> => {
  const owner = await startOwner(redis, sessions, 1)
  return withService(redis.port, (bayeux) => measure(bayeux, owner))
}
