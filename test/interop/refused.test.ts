/**
 * The real clients when an extension refuses them for a while: how often they ask, and that they come back. Their own
 * waiting times count here, so the extension counts and time passes as it does.
 */
import { CometD } from "cometd"
import { adapt } from "cometd-nodejs-client"
import { Effect, Layer, ManagedRuntime } from "effect"
import { Client as Faye } from "faye"
import { describe, it } from "vitest"
import { Bayeux, BayeuxError, Extension, MemoryEngine, Monitor, NodeServer, Transports } from "../../src/index.ts"
import { type Client, openCometd, openFaye, type OpenOptions } from "../support/clients.ts"

adapt()

/** What becomes of the first requests on a channel: they are refused, or pass as all later ones do. */
interface Fates {
  readonly [channel: string]: ReadonlyArray<Effect.Effect<never, Extension.Refusal> | undefined>
}

const pass = undefined
const no = Extension.refuse("Not you")
const unknown = Extension.refuse(BayeuxError.clientUnknown(""))
const away = Effect.die("The database is away")

/** When requests came on each channel. */
class Log {
  readonly #times = new Map<string, Array<number>>()
  readonly #waiting = new Set<() => void>()

  take(channel: string): number {
    const times = this.of(channel)
    this.#times.set(channel, times)
    const count = times.push(performance.now())
    for (const look of this.#waiting) look()
    return count
  }

  of(channel: string): Array<number> {
    return this.#times.get(channel) ?? []
  }

  until(channel: string, count: number): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (this.of(channel).length < count) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  pauses(channel: string): ReadonlyArray<number> {
    const times = this.of(channel)
    return times.slice(1).map((at, i) => at - (times[i] ?? 0))
  }
}

const withServer = async (fates: Fates, body: (url: string, log: Log) => Promise<void>) => {
  const log = new Log()
  const refusing: Extension.Extension = {
    name: "refusing",
    incoming: (message) =>
      Effect.suspend(() => {
        const { channel } = message
        if (typeof channel !== "string") return Effect.succeed(message)
        const count = log.take(channel)
        return fates[channel]?.[count - 1] ?? Effect.succeed(message)
      })
  }
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(NodeServer.layer({ port: 0 }), Transports.layer, Bayeux.layerExtensions(refusing)).pipe(
      Layer.provideMerge(Bayeux.layer()),
      Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
    )
  )
  const { url } = await runtime.runPromise(NodeServer.NodeServer)
  try {
    await body(url, log)
  } finally {
    await runtime.dispose()
  }
}

const opened = async (
  open: (options: OpenOptions) => Promise<Client>,
  options: OpenOptions,
  use: (client: Client) => Promise<void>
) => {
  const client = await open(options)
  try {
    await use(client)
  } finally {
    await client.close()
  }
}

const clients: { readonly [name: string]: (options: OpenOptions) => Promise<Client> } = {
  "Faye's client": (options) => openFaye(Faye, options),
  "CometD's client": (options) => openCometd(CometD, options)
}

for (const [name, open] of Object.entries(clients)) {
  for (const transport of ["websocket", "long-polling"]) {
    describe.concurrent(`${name} over ${transport}`, () => {
      it(
        "comes back a second after its connect is refused, five seconds after that failed, and is served",
        async ({ expect }) => {
          await withServer(
            { "/meta/connect": [unknown, no, away] },
            (url, log) =>
              opened(open, { url, transport, retry: 1_000 }, async (client) => {
                expect(await client.subscribe("/a")).toBe("accepted")
                await log.until("/meta/connect", 4)
                const [first = 0, second = 0, third = 0] = log.pauses("/meta/connect")
                expect(Math.min(first, second)).toBeGreaterThan(950)
                expect(third).toBeGreaterThan(4_950)
                expect(log.of("/meta/handshake").length).toBe(3)
                expect(await client.publish("/a", 1)).toBe("accepted")
                expect((await client.transcript({ heard: "/a" })).delivered.length).toBe(1)
              })
          )
        }
      )

      it(
        "repeats a handshake that is refused, once each time, also when its session was taken from it",
        async ({ expect }) => {
          await withServer(
            { "/meta/connect": [unknown], "/meta/handshake": [pass, no, no, no] },
            (url, log) =>
              opened(open, { url, transport, retry: 1_700 }, async (client) => {
                expect(await client.subscribe("/a")).toBe("accepted")
                await log.until("/meta/connect", 2)
                expect(log.of("/meta/handshake").length).toBe(5)
                expect(Math.min(...log.pauses("/meta/handshake"))).toBeGreaterThan(950)
              })
          )
        }
      )
    })
  }
}
