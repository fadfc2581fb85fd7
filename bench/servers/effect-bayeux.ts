/**
 * effect-bayeux with all transports and the memory engine; `--monitors N` runs N consumers of all events, with `--stuck`
 * each of them takes one event and never another; `--page` serves the monitor page, `--metrics` counts what goes on,
 * `--record` records it to a temporary folder.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Bayeux, MemoryEngine, Metrics, Monitor, NodeServer, Transports } from "../../src/index.ts"
import * as MonitorPage from "../../src/page/MonitorPage.ts"
import * as Recorder from "../../src/recorder/Recorder.ts"
import { announce } from "./announce.ts"

const { values } = parseArgs({
  options: {
    monitors: { type: "string", default: "0" },
    stuck: { type: "boolean", default: false },
    page: { type: "boolean", default: false },
    metrics: { type: "boolean", default: false },
    record: { type: "boolean", default: false }
  }
})

const recorder = () => {
  const folder = mkdtempSync(join(tmpdir(), "bayeux-bench-"))
  process.on("exit", () => rmSync(folder, { recursive: true }))
  return Recorder.layer({ file: join(folder, "recording") })
}

const server = NodeServer.layer({ port: 0, mount: "/bayeux" }).pipe(
  Layer.provide(Transports.layer),
  Layer.provide(values.metrics ? Metrics.layer({ templates: ["/rooms/{room}"] }) : Layer.empty),
  Layer.provideMerge(Bayeux.layer({ timeout: "45 seconds" })),
  Layer.provide(values.record ? recorder() : Layer.empty),
  Layer.provideMerge(MemoryEngine.layer),
  Layer.provideMerge(Monitor.layer())
)

const program = Effect.gen(function*() {
  const { address } = yield* NodeServer.NodeServer
  const monitor = yield* Monitor.Monitor
  const counted = { events: 0 }
  const count = values.stuck ? Effect.never : Effect.sync(() => counted.events++)
  for (let i = 0; i < Number(values.monitors); i++) {
    yield* Effect.forkScoped(Stream.runForEach(monitor.events, () => count))
  }
  if (values.page) yield* Layer.build(MonitorPage.layer())
  announce(address.port)
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(Effect.provide(program, server)))
