import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Console, Effect, Stream } from "effect"
import { Bayeux, BayeuxServer, Monitor } from "effect-bayeux"
import * as RedisEngine from "effect-bayeux/RedisEngine"

const Engine = RedisEngine.layerConfig({
  url: Config.String("REDIS_URL").pipe(Config.withDefault("redis://127.0.0.1:6379"))
})

const Server = BayeuxServer.layer({ port: 8000, engine: Engine })

// The number of sessions in all processes, then their events in one order.
const program = Effect.gen(function*() {
  const bayeux = yield* Bayeux.Bayeux
  yield* Console.log("sessions of all processes:", (yield* bayeux.counts).sessions)
  yield* Stream.runForEach(Monitor.cluster(), Console.log)
})

program.pipe(Effect.provide(Server), NodeRuntime.runMain())
