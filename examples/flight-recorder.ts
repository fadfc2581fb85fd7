import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
import { Bayeux, MemoryEngine, Monitor } from "effect-bayeux"
import { Recorder, Replay, Timeline, TimelineText } from "effect-bayeux/recorder"
import { tmpdir } from "node:os"
import { join } from "node:path"

const file = join(tmpdir(), `flight-recorder-${process.pid}`)

const Service = Bayeux.layer().pipe(
  Layer.provide(Recorder.layer({ file, maxBytes: 16_000_000, redact: (_channel, data) => typeof data })),
  Layer.provide(MemoryEngine.layer),
  Layer.provideMerge(Monitor.layer())
)

// A service that runs for a moment.
const flight = Effect.gen(function*() {
  const bayeux = yield* Bayeux.Bayeux
  const news = yield* bayeux.subscription("/news/*")
  yield* bayeux.publish("/news/today", "a secret")
  yield* Stream.runDrain(Stream.take(news, 1))
}).pipe(Effect.scoped, Effect.provide(Service))

// Replays it without a server: all events, then the timeline of the message.
const investigation = Effect.gen(function*() {
  yield* Replay.run(file).pipe(
    Stream.flatMap((told) => Stream.fromIterable(told._tag === "Step" ? told.events : [])),
    Stream.runForEach(({ _tag, sequence }) => Console.log(sequence, _tag))
  )
  yield* Timeline.run(file, { sequence: 3 }).pipe(
    Stream.runForEach((told) => Console.log(TimelineText.print(told)))
  )
})

Effect.andThen(flight, investigation).pipe(NodeRuntime.runMain())
