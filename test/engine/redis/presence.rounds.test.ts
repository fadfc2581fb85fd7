/**
 * Who is there, on real processes that die and come back, with clients that go from one to another: all processes tell
 * the same, each change once, and are right in the end. One that lives all the time is the measure.
 */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import type { PrintedEvent } from "../../support/command.ts"
import { Exchange, type Route, Session } from "../../support/roaming.ts"
import { limit, seeds } from "../../support/seeds.ts"
import { random, releaseAll, until } from "../../transport/support.ts"
import { assertNoSessions, begin, lasting, lease, type Setting } from "./setting.ts"

afterEach(releaseAll)

const program = new URL("../../support/attendant.ts", import.meta.url)
const people = ["alice", "bob", "carol", "dave"] as const

/** The process that nobody kills. */
const immortal = 2

/** Who is there by what a process has told since it began; each change has to be one. */
const known = (told: ReadonlyArray<PrintedEvent>): ReadonlyArray<string> => {
  const found = new Set<unknown>()
  for (const { _tag, identity, members } of told) {
    if (_tag === "Present") { for (const member of members as ReadonlyArray<string>) found.add(member) }
    else if (_tag === "Leave") assert.isTrue(found.delete(identity), `${String(identity)} left twice`)
    else assert.isFalse(found.has(identity) || !found.add(identity), `${String(identity)} joined twice`)
  }
  return [...found].map(String).sort()
}

class World {
  readonly #setting: Setting
  readonly #random: ReturnType<typeof random>
  readonly #sessions = new Map<Session, string>()

  constructor(setting: Setting, seed: number) {
    this.#setting = setting
    this.#random = random(seed)
  }

  get #cluster() {
    return this.#setting.cluster
  }

  /** What a process has told since it was started. */
  told(place: number): ReadonlyArray<PrintedEvent> {
    const stdout = this.#cluster.members[place]?.command.stdout ?? ""
    return stdout.split("\n").slice(0, -1).map((line) => JSON.parse(line) as PrintedEvent)
  }

  /** Goes to the next process when one is gone. */
  #route(): Route {
    let place = this.#random.below(3)
    return {
      next: (hasFailed) => this.#cluster.urls[(hasFailed ? ++place : place) % 3] ?? "",
      patience: 12_000
    }
  }

  async begin(user: string): Promise<void> {
    const route = this.#route()
    const session = await until(
      "a handshake",
      () => Session.begin(new Exchange(route), { user }).catch(() => undefined)
    )
    this.#sessions.set(session, user)
    session.attend(this.#random.pick(["websocket", "long-polling"]), route)
  }

  async end(session: Session): Promise<void> {
    this.#sessions.delete(session)
    await session.disconnect(new Exchange(this.#route()))
  }

  /** Something happens: a session begins, ends, or a page is changed; or a process is killed and started again. */
  async act(): Promise<void> {
    const all = [...this.#sessions]
    const [session, user] = all[this.#random.below(all.length)] ?? []
    const what = this.#random.below(10)
    if (what === 0) {
      const place = this.#random.below(2)
      await this.#cluster.kill(place)
      await lasting(this.#random.below(200))
      await this.#cluster.start(place)
    } else if (session === undefined || user === undefined || what < 4) await this.begin(this.#random.pick(people))
    else if (what < 7) await this.end(session)
    else {
      await this.end(session)
      await lasting(this.#random.below(1_500))
      await this.begin(user)
    }
  }

  get expected(): ReadonlyArray<string> {
    for (const { clientId, forgotten } of this.#sessions.keys()) assert.isUndefined(forgotten, clientId)
    return [...new Set(this.#sessions.values())].sort()
  }

  /** All processes agree with what the test knows. */
  async settle(): Promise<void> {
    for (const place of [0, 1, 2]) {
      const shown = () => `${place} to know ${this.expected.join()}; it has told ${JSON.stringify(this.told(place))}`
      await until(shown, () => this.told(place).length > 0 && known(this.told(place)).join() === this.expected.join())
    }
  }

  async finish(): Promise<void> {
    for (const session of [...this.#sessions.keys()]) await this.end(session)
    await this.settle()
  }
}

describe.skipIf(inject("redis") === "")("Presence on several processes", () => {
  it("is the same everywhere and right, whoever dies", { timeout: limit(180_000) }, async () => {
    const setting = await begin({ program, lease, timeout: 8 })
    const [seed = 0] = seeds(1)
    console.log(`Presence on several processes: seed ${seed}`)
    const world = new World(setting, seed)
    await until("the beginning", () => [0, 1, 2].every((place) => world.told(place).length > 0))
    for (let i = 0; i < 60; i++) {
      await world.act()
      if (i % 10 === 9) await world.settle()
    }
    await world.finish()
    const changes = world.told(immortal).slice(1)
    assert.isAbove(changes.length, 10)
    for (const { _tag, cause } of changes) {
      if (_tag === "Leave") assert.deepStrictEqual(cause, { _tag: "ClientRequest" })
    }
    for (const place of [0, 1]) {
      const [first, ...later] = world.told(place)
      assert(first !== undefined)
      const isBefore = changes.length - later.length
      assert.deepStrictEqual(later, changes.slice(isBefore), `process ${place} has told the same, to the millisecond`)
      const before = world.told(immortal).slice(0, isBefore + 1)
      assert.deepStrictEqual(known([first]), known(before), `process ${place} has begun with who was there`)
    }
    await assertNoSessions(setting)
  })
})
