/** One attack on a fresh server: what it does, and what becomes of the server and of the canary. */
import { loadavg } from "node:os"
import { setTimeout as sleep } from "node:timers/promises"
import type { Attack } from "./Attack.ts"
import { Attacker } from "./Attacker.ts"
import type { CanaryReport, Heap } from "./Protocol.ts"
import { Canary, Victim } from "./Victim.ts"

/** How long the canary is listened to after an attack (milliseconds). */
const afterwards = 2_000

export interface Measured {
  readonly name: string
  readonly title: string
  readonly lives: boolean
  readonly note: string
  /** Seconds. */
  readonly took: number
  readonly sent: number
  readonly received: number
  readonly before: Heap | undefined
  /** While the attacker is still there. */
  readonly after: Heap | undefined
  /** The most memory that was resident, in mebibytes. */
  readonly peak: number
  /** Milliseconds. */
  readonly longestTurn: number
  readonly canary: CanaryReport
  /** How many processes wanted to run, over the last minute. */
  readonly load: number
}

/** Never longer than the attack may take. */
const attempt = async (attack: Attack, attacker: Attacker, victim: Victim): Promise<string> => {
  const over = new Promise<string>((resolve) =>
    attacker.signal.addEventListener("abort", () => resolve("not finished"))
  )
  const done = attack.run(attacker, victim).catch((error: unknown) => String(error))
  // What was on its way when the server ended has a moment to say how far it has come.
  return Promise.race([done, over.then((late) => Promise.race([done, sleep(500, late)]))])
}

export const measure = async (attack: Attack, heap: number): Promise<Measured> => {
  const victim = await Victim.start(heap, attack.flags ?? [])
  let canary: Canary | undefined
  let attacker: Attacker | undefined
  try {
    canary = await Canary.start(victim.port)
    await sleep(1_000)
    const before = await victim.collect()
    victim.reset()
    canary.begin()
    const start = performance.now()
    const signal = AbortSignal.any([victim.ended, AbortSignal.timeout(attack.seconds * 1_000)])
    attacker = new Attacker({ port: victim.port, signal })
    const said = await attempt(attack, attacker, victim)
    const took = (performance.now() - start) / 1_000
    const traffic = attacker.traffic
    await sleep(afterwards)
    const report = await canary.report()
    const longestTurn = victim.longestTurn
    const after = await victim.collect()
    return {
      name: attack.name,
      title: attack.title,
      lives: victim.lives,
      note: victim.lives ? said : `${said}; ${victim.lastWords}`,
      took,
      ...traffic,
      before,
      after,
      peak: victim.peak,
      longestTurn: Math.max(longestTurn, victim.longestTurn),
      canary: report,
      load: loadavg()[0] ?? 0
    }
  } finally {
    attacker?.close()
    await canary?.stop()
    await victim.stop()
  }
}
