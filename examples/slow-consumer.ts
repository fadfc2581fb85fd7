import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import { Bayeux, MemoryEngine, Monitor } from "effect-bayeux"

const Service = Bayeux.layer().pipe(
  Layer.provide(MemoryEngine.layer),
  Layer.provideMerge(Monitor.layer())
)

const program = Effect.gen(function*() {
  const bayeux = yield* Bayeux.Bayeux
  const monitor = yield* Monitor.Monitor

  // Three consumers that never read. They delay nobody.
  const newest = yield* monitor.subscribe({ name: "newest", capacity: 3, strategy: "sliding" })
  const oldest = yield* monitor.subscribe({ name: "oldest", capacity: 3, strategy: "dropping" })
  const sample = yield* monitor.subscribe({ name: "sample", capacity: 3, strategy: "sampling" })

  for (let n = 1; n <= 12; n++) yield* bayeux.publish("/news", n)
  for (const { behind, missed, name } of yield* monitor.consumers) {
    yield* Console.log(`${name}: ${behind} behind, ${missed} missed`)
  }
  for (const stream of [newest, oldest, sample]) {
    const told = yield* Stream.runCollect(Stream.takeUntil(stream, isLast))
    yield* Console.log(told.map((event) => event._tag === "Lagged" ? `(${event.from}-${event.to})` : event.sequence))
  }
})

const isLast = (event: { readonly sequence: number } | { readonly to: number }): boolean =>
  ("to" in event ? event.to : event.sequence) === 12

program.pipe(Effect.scoped, Effect.provide(Service), NodeRuntime.runMain())
