import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, HashMap, Stream } from "effect"
import { Bayeux, BayeuxServer, Monitor, Snapshot } from "effect-bayeux"

const Server = BayeuxServer.layer({ port: 8000 })

// A snapshot, then every event: the folded state is right at any time, also after lost events.
const program = Effect.gen(function*() {
  const bayeux = yield* Bayeux.Bayeux
  const monitor = yield* Monitor.Monitor
  yield* monitor.watch().pipe(
    Stream.scan(() => Snapshot.empty, Snapshot.fold),
    Stream.map(({ sessions }) => HashMap.size(sessions)),
    Stream.changes,
    Stream.runForEach((count) =>
      Effect.gen(function*() {
        const subscribers = yield* bayeux.subscribers("/news/today")
        yield* Console.log(`${count} sessions, ${subscribers.length} of them would get a message on /news/today`)
      })
    )
  )
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain())
