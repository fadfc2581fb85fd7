import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Config, Effect, Layer, Option } from "effect"
import { BayeuxServer } from "effect-bayeux"
import * as MonitorPage from "effect-bayeux/MonitorPage"

const Server = BayeuxServer.layer({ port: 8000 })

// http://127.0.0.1:8000/monitor: for this machine only, or with the token in MONITOR_TOKEN.
const Page = Layer.unwrap(Effect.gen(function*() {
  const token = yield* Config.option(Config.Redacted("MONITOR_TOKEN"))
  return MonitorPage.layer(Option.match(token, { onNone: () => ({}), onSome: (token) => ({ token }) }))
}))

NodeRuntime.runMain(Layer.launch(Page.pipe(Layer.provide(Server))))
