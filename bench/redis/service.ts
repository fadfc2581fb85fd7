/** The service of effect-bayeux on Redis, without a server in front of it. */
import { Effect, Layer } from "effect"
import * as RedisEngine from "../../src/engine/redis/RedisEngine.ts"
import { Bayeux, Monitor } from "../../src/index.ts"
import { Connections } from "../../src/service/Connections.ts"

export const namespace = "bench"

const layerTransport = Layer.effectDiscard(
  Connections.use(({ addTransport }) => addTransport({ connectionTypes: ["websocket", "long-polling"] }))
)

export const service = (port: number) =>
  layerTransport.pipe(
    Layer.provideMerge(Bayeux.layer({ timeout: "2 minutes" })),
    Layer.provide(RedisEngine.layer({ url: `redis://127.0.0.1:${port}`, namespace })),
    Layer.provideMerge(Monitor.layer())
  )

/** Runs something with a service of its own in this process. */
export const withService = <A>(port: number, use: (bayeux: Bayeux.Bayeux["Service"]) => Promise<A>): Promise<A> =>
  Effect.runPromise(Effect.scoped(Effect.provide(
    Bayeux.Bayeux.use((bayeux) => Effect.promise(() => use(bayeux))),
    service(port)
  )))
