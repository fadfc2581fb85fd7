import { NodeRuntime } from "@effect/platform-node"
import { Config, Effect, Layer, Option } from "effect"
import { Bayeux, MemoryEngine, Monitor, MonitorPage, NodeServer, Transports } from "effect-bayeux"

const Server = NodeServer.layer({ port: 8000 }).pipe(
  Layer.provide(Transports.layer),
  Layer.provideMerge(Bayeux.layer()),
  Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

// http://127.0.0.1:8000/monitor: for this machine, or with MONITOR_TOKEN for whoever knows the token.
const Page = Layer.unwrap(Effect.gen(function*() {
  const token = yield* Config.option(Config.Redacted("MONITOR_TOKEN"))
  return MonitorPage.layer(Option.match(token, { onNone: () => ({}), onSome: (token) => ({ token }) }))
}))

NodeRuntime.runMain(Layer.launch(Page.pipe(Layer.provide(Server))))
