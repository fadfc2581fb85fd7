/**
 * The server under test: all transports, the memory engine, on a port of 127.0.0.1. Whoever starts it stops it.
 */
import { Layer, ManagedRuntime } from "effect"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "../../src/index.ts"

export interface ServerOptions {
  /** Default: a free one. */
  readonly port?: number
  /** How long a connect is held, in milliseconds. Default: 45,000. */
  readonly timeout?: number
  /** How long a session lives without a connect, in milliseconds. Default: twice `timeout`. */
  readonly sessionTimeout?: number
  /** How long a client is to wait between two connects, in milliseconds. Default: 0. */
  readonly interval?: number
}

export interface TestServer {
  /** Where clients go: `http://127.0.0.1:port/bayeux`. */
  readonly url: string
  readonly origin: string
  readonly port: number
  /** Ends a session, as the application may. */
  readonly disconnect: (clientId: string, reason: string) => Promise<boolean>
  /** Ends it in good order; done when the port is free. */
  readonly stop: () => Promise<void>
}

export const startServer = async (
  { interval = 0, port = 0, timeout = 45_000, sessionTimeout = 2 * timeout }: ServerOptions = {}
): Promise<TestServer> => {
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(NodeServer.layer({ port, mount: "/bayeux" }), Transports.layer).pipe(
      Layer.provideMerge(Bayeux.layer({ timeout, sessionTimeout, interval })),
      Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
    )
  )
  const { address } = await runtime.runPromise(NodeServer.NodeServer)
  const origin = `http://127.0.0.1:${address.port}`
  const disconnect = (clientId: string, reason: string) =>
    runtime.runPromise(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(clientId, reason)))
  return { url: `${origin}/bayeux`, origin, port: address.port, disconnect, stop: () => runtime.dispose() }
}
