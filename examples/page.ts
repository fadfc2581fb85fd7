import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Option } from "effect"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "effect-bayeux"
import * as MonitorPage from "effect-bayeux/MonitorPage"

const Server = NodeServer.layer({ port: 8000 }).pipe(
  Layer.provide(Transports.layer),
  Layer.provideMerge(Bayeux.layer()),
  Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

// http://127.0.0.1:8000/monitor: for this machine only, or with the token in MONITOR_TOKEN.
const Page = Layer.unwrap(Effect.gen(function*() {
  const token = yield* Config.option(Config.Redacted("MONITOR_TOKEN"))
  return MonitorPage.layer(Option.match(token, { onNone: () => ({}), onSome: (token) => ({ token }) }))
}))

NodeRuntime.runMain(Layer.launch(Page.pipe(Layer.provide(Server))))
