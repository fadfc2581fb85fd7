/**
 * The metrics of a service in Effect's registry, for all its readers: Effect's Prometheus route, its OTLP exporter, a
 * {@link MetricsPage}. The document `docs/metrics.md` describes each of them.
 *
 * Gauges (sessions, queues, …) are read from the state at collection (`Gauges`); counters grow as things happen
 * (`MessageCounters`). Without the layer nothing is counted and nothing is registered.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Options from "../base/Options.ts"
import * as Channel from "../core/Channel.ts"
import { Monitor } from "../monitor/Monitor.ts"
import { Bayeux } from "../service/Bayeux.ts"
import { Connections } from "../service/Connections.ts"
import type { Gauges } from "../service/Gauges.ts"
import * as ConsumerSeries from "./ConsumerSeries.ts"
import * as EventLoopDelay from "./EventLoopDelay.ts"
import * as Latency from "./Latency.ts"
import { MessageCounters } from "./MessageCounters.ts"
import * as Series from "./Series.ts"
import { Template } from "./Templates.ts"

/** The options of {@link layer}. */
export const MetricsOptions = Schema.Struct({
  /**
   * Channel templates, such as `/rooms/{room}`. The label `template` of a message is the first one that matches its
   * channel, or `other`. Default: none.
   */
  templates: Schema.optionalKey(Schema.Array(Template))
})
/** The options of {@link layer}. */
export type MetricsOptions = typeof MetricsOptions.Type

const registerGauges = (series: Series.Series, read: () => Gauges): void => {
  series.gauge(
    { name: "bayeux_sessions", description: "Sessions of this process" },
    () => read().sessions
  )
  series.gauge(
    { name: "bayeux_subscriptions", description: "Subscriptions of the sessions of this process" },
    () => read().subscriptions
  )
  series.gauge(
    { name: "bayeux_connects_held", description: "Requests to /meta/connect that are held" },
    () => read().connectsHeld
  )
  series.gauge(
    { name: "bayeux_queue_messages", description: "Messages that wait for their sessions, or to be acknowledged" },
    () => read().queuedMessages
  )
}

const registerMessages = (series: Series.Series, counters: MessageCounters): void => {
  counters.templates.forEach((template, at) => {
    const attributes = { template }
    const description = "Messages that have arrived, from clients and from the application"
    series.counter(
      { name: "bayeux_messages_received_total", description, attributes },
      () => counters.messagesReceived[at] ?? 0
    )
  })
  counters.templates.forEach((template, at) => {
    const attributes = { template }
    const description = "Messages that were written to the connection of a session, each for each session"
    if (Channel.isMeta(template)) return
    series.counter(
      { name: "bayeux_messages_delivered_total", description, attributes },
      () => counters.messagesDelivered[at] ?? 0
    )
  })
}

/** Registers losses, ends of sessions, and latency. */
const registerLosses = (series: Series.Series, { ends, latency, losses }: MessageCounters): void => {
  for (const reason of Object.keys(losses) as ReadonlyArray<keyof typeof losses>) {
    const description = "Messages that were not delivered, each for each session"
    const attributes = { reason }
    series.counter({ name: "bayeux_messages_dropped_total", description, attributes }, () => losses[reason])
  }
  for (const cause of Object.keys(ends) as ReadonlyArray<keyof typeof ends>) {
    const description = "Sessions that have ended"
    series.counter({ name: "bayeux_session_ends_total", description, attributes: { cause } }, () => ends[cause])
  }
  const description = "From the arrival of a message in this process to when it was written to a connection"
  const attributes = { unit: "s" }
  series.histogram(
    { name: "bayeux_delivery_latency_seconds", description, attributes },
    Latency.boundaries,
    () => latency.state
  )
}

const registerProcess = (
  series: Series.Series,
  eventLoopDelay: EventLoopDelay.EventLoopDelay,
  isUp: () => boolean
): void => {
  for (const share of [0.5, 0.99, 1]) {
    const description = "How late the event loop was within the last minute"
    const attributes = { quantile: `${share}`, unit: "s" }
    series.gauge(
      { name: "bayeux_event_loop_delay_seconds", description, attributes },
      () => eventLoopDelay(share)
    )
  }
  const description = "Whether the engine can do its work: 1, or 0"
  series.gauge({ name: "bayeux_engine_up", description }, () => Number(isUp()))
}

/** Synchronous reads of the health of the engine and of the consumers. */
const isUp = (bayeux: Bayeux["Service"]) => (): boolean => Effect.runSync(bayeux.health).status === "up"
const lags = (monitor: Monitor["Service"]) => () => Effect.runSync(monitor.consumers)

const make = Effect.fnUntraced(function*(input: unknown) {
  const { templates = [] } = yield* Options.decode("Metrics.layer", MetricsOptions, input)
  const bayeux = yield* Bayeux
  const connections = yield* Connections
  const monitor = yield* Monitor
  const counters = new MessageCounters(templates)
  yield* connections.addProbe(counters)
  const series = yield* Series.make
  registerGauges(series, connections.gauges)
  registerMessages(series, counters)
  registerLosses(series, counters)
  registerProcess(series, yield* EventLoopDelay.make, isUp(bayeux))
  ConsumerSeries.register(series, lags(monitor))
})

/**
 * Registers the metrics of the service in the current registry (`Metric.MetricRegistry`) for the life of the layer. Two
 * services in one registry need different `Metric.CurrentMetricAttributes`.
 */
export const layer = (
  options: MetricsOptions = {}
): Layer.Layer<never, Options.OptionsInvalid, Bayeux | Connections | Monitor> => Layer.effectDiscard(make(options))
