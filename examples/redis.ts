import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { Bayeux, Monitor, NodeServer, Transports } from "effect-bayeux"
import * as RedisEngine from "effect-bayeux/RedisEngine"

const Engine = RedisEngine.layerConfig(Config.all({
  url: Config.String("REDIS_URL").pipe(Config.withDefault("redis://127.0.0.1:6379"))
}))

const Server = NodeServer.layer({ port: 8000 }).pipe(
  Layer.provide(Transports.layer),
  Layer.provideMerge(Bayeux.layer()),
  Layer.provideMerge(Layer.mergeAll(Engine, Monitor.layer()))
)

// The number of sessions in all processes, then their events in one order.
const program = Effect.gen(function*() {
  const bayeux = yield* Bayeux.Bayeux
  yield* Console.log("sessions of all processes:", (yield* bayeux.counts).sessions)
  yield* Stream.runForEach(Monitor.cluster(), Console.log)
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain())
