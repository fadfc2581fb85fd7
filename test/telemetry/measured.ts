/** A server with metrics in a registry of its own, and a scraper. */
import { Layer, ManagedRuntime, Metric } from "effect"
import { Bayeux, MemoryEngine, Metrics, MetricsPage, Monitor, NodeServer, Transports } from "../../src/index.ts"
import { atEnd, request, type Server } from "../transport/support.ts"

export interface MeasuredOptions {
  readonly bayeux?: Bayeux.BayeuxOptions
  readonly metrics?: Metrics.MetricsOptions
}

/** The series of a scrape: name with labels, and value. */
export type Scrape = ReadonlyMap<string, number>

export interface Measured extends Server {
  readonly scrape: () => Promise<Scrape>
  /** The series whose name has this prefix, as an object. */
  readonly series: (prefix: string) => Promise<Record<string, number>>
}

/** Parses the text format of Prometheus. Other lines are errors. */
export const parse = (text: string): Scrape => {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  return new Map(lines.map((line) => {
    const match = /^([a-zA-Z_:][\w:]*(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)+\})?) (\S+)$/.exec(line)
    if (match?.[1] === undefined || Number.isNaN(Number(match[2]))) throw new Error(`Not a sample: ${line}`)
    return [match[1], Number(match[2])]
  }))
}

export const measuredLayer = ({ bayeux, metrics }: MeasuredOptions) =>
  Layer.mergeAll(MetricsPage.layer(), Transports.layer, Metrics.layer(metrics)).pipe(
    Layer.provideMerge(NodeServer.layer({ port: 0 })),
    Layer.provideMerge(Bayeux.layer(bayeux)),
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer())),
    Layer.provideMerge(Layer.succeed(Metric.MetricRegistry, new Map()))
  )

/** Starts a server on a free port of 127.0.0.1. */
export const serveMeasured = async (options: MeasuredOptions = {}): Promise<Measured> => {
  const runtime = ManagedRuntime.make(measuredLayer(options))
  let stopped: Promise<void> | undefined
  const stop = () => stopped ??= runtime.dispose()
  atEnd(stop)
  const { address, server, url } = await runtime.runPromise(NodeServer.NodeServer)
  const run: Server["run"] = (effect) => runtime.runPromise(effect)
  const sessions = () => run(Bayeux.Bayeux.use((bayeux) => bayeux.sessions))
  const scrape = async () => parse((await request(new URL("/metrics", url).href)).text)
  return {
    url,
    port: address.port,
    http: server,
    run,
    publish: (channel, data) => run(Bayeux.Bayeux.use((bayeux) => bayeux.publish(channel, data as string))),
    sessions,
    session: async (clientId) => (await sessions()).find((session) => session.clientId === clientId),
    stop,
    scrape,
    series: async (prefix) => Object.fromEntries([...await scrape()].filter(([name]) => name.startsWith(prefix)))
  }
}
