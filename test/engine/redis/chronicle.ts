/** A consumer of the events of a whole cluster, which is interrupted now and then and goes on behind what it has. */
import { Effect, Fiber, ManagedRuntime, Stream } from "effect"
import type { OptionsInvalid } from "../../../src/base/Options.ts"
import type { ClusterEvent, Engine, EngineError } from "../../../src/engine/Engine.ts"
import * as RedisEngine from "../../../src/engine/redis/RedisEngine.ts"
import * as Monitor from "../../../src/monitor/Monitor.ts"
import type { RedisServer } from "../../support/redis.ts"
import { atEnd } from "../../transport/support.ts"
import { namespace } from "./setting.ts"

export class Chronicle {
  readonly #runtime: ManagedRuntime.ManagedRuntime<Engine, EngineError | OptionsInvalid>
  readonly #events: Array<ClusterEvent> = []
  #position: string
  #reading: Fiber.Fiber<void, unknown>

  private constructor(redis: RedisServer, position: string) {
    this.#runtime = ManagedRuntime.make(RedisEngine.layer({ url: redis.url, namespace }))
    this.#position = position
    this.#reading = this.#read()
    atEnd(() => this.#runtime.dispose())
  }

  /** Begins behind what has happened so far. */
  static async begin(redis: RedisServer): Promise<Chronicle> {
    return new Chronicle(redis, `${String(await redis.command("GET", `{${namespace}}:pos`))}.0`)
  }

  get events(): ReadonlyArray<ClusterEvent> {
    return this.#events
  }

  /** Is interrupted, and goes on. */
  async restart(): Promise<void> {
    await this.#runtime.runPromise(Fiber.interrupt(this.#reading))
    this.#reading = this.#read()
  }

  #read(): Fiber.Fiber<void, unknown> {
    const write = (event: ClusterEvent) =>
      Effect.sync(() => {
        this.#events.push(event)
        this.#position = event.position
      })
    return this.#runtime.runFork(Stream.runForEach(Monitor.cluster({ from: this.#position }), write))
  }
}
