/**
 * Spans of Effect's tracer for messages whose publisher has a trace: the publisher puts its trace context into
 * `ext.traceparent` of the message (W3C Trace Context). The message keeps it, so a subscriber can continue the trace. The
 * service adds two spans:
 *
 * - `publish {template}`, kind `server`: from the arrival of the message to when the engine has accepted it.
 * - `deliver {template}`, kind `internal`: the writing of the message, once for all sessions that get it in a turn.
 *
 * Both are children of the publisher's span. Names and attributes follow OpenTelemetry's conventions for messaging; the
 * kinds `producer` and `consumer` are left to publisher and subscriber.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as Options from "../base/Options.ts"
import type { Outcome } from "../core/Change.ts"
import type { Delivery, Id, Incoming } from "../core/Message.ts"
import * as Traceparent from "../core/Traceparent.ts"
import { Connections } from "../service/Connections.ts"
import type { Frame } from "../service/Frame.ts"
import type { Probe } from "../service/Probe.ts"
import { Template, Templates } from "./Templates.ts"

/** The options of {@link layer}. */
export const TracingOptions = Schema.Struct({
  /** Channel templates, such as `/rooms/{room}`. The name of a span has the first one that matches. Default: none. */
  templates: Schema.optionalKey(Schema.Array(Template))
})
/** The options of {@link layer}. */
export type TracingOptions = typeof TracingOptions.Type

/** Highest number of `deliver` spans of a message, which sessions may collect in different turns. */
const maxDeliverySpans = 10

const external = (traceparent: Traceparent.Traceparent): Tracer.ExternalSpan =>
  Tracer.externalSpan({
    traceId: Traceparent.traceId(traceparent),
    spanId: Traceparent.spanId(traceparent),
    sampled: Traceparent.isSampled(traceparent)
  })

/** The publisher's span of a message with a trace: parent or link for spans of the application. */
export const publisher = ({ ext }: Delivery): Option.Option<Tracer.ExternalSpan> =>
  Option.map(Option.fromUndefinedOr(ext), ({ traceparent }) => external(traceparent))

/** Returns the trace context if its trace is recorded. */
const recorded = (traceparent: Traceparent.Traceparent | undefined): Traceparent.Traceparent | undefined =>
  traceparent !== undefined && Traceparent.isSampled(traceparent) ? traceparent : undefined

interface Operation {
  readonly name: "publish" | "deliver"
  readonly kind: Tracer.SpanKind
  readonly traceparent: Traceparent.Traceparent
  readonly startTime: bigint
  readonly message: { readonly channel: string; readonly id?: Id }
  readonly attributes: { readonly [name: string]: unknown }
}

/** Delivery of a message in this turn: its beginning in nanoseconds, and the number of sessions so far. */
interface OngoingDelivery {
  readonly startTime: bigint
  sessions: number
}

class TraceProbe implements Probe {
  readonly keepsTraces = true
  readonly #tracer: Tracer.Tracer
  readonly #clock: Clock.Clock
  readonly #templates: Templates
  readonly #arrivals = new WeakMap<Incoming, bigint>()
  readonly #ongoing = new Map<Delivery, OngoingDelivery>()
  readonly #delivered = new WeakMap<Delivery, number>()

  constructor(tracer: Tracer.Tracer, clock: Clock.Clock, templates: ReadonlyArray<string>) {
    this.#tracer = tracer
    this.#clock = clock
    this.#templates = new Templates(templates)
  }

  turnBegan(): void {}

  dropped(): void {}

  received(message: Incoming): void {
    if (message._tag !== "Publish" || recorded(message.traceparent) === undefined) return
    this.#arrivals.set(message, this.#clock.currentTimeNanosUnsafe())
  }

  happened(outcome: Outcome): void {
    if (outcome._tag !== "Published" || outcome.change.origin === undefined) return
    const { origin, traceparent, ...message } = outcome.change
    const startTime = this.#arrivals.get(origin.request)
    if (startTime === undefined || traceparent === undefined) return
    this.#record({ name: "publish", kind: "server", traceparent, startTime, message, attributes: {} })
  }

  sent({ deliveries }: Pick<Frame, "deliveries">): void {
    for (const message of deliveries) if (message.ext !== undefined) this.#sent(message)
  }

  #sent(message: Delivery): void {
    if (recorded(message.ext?.traceparent) === undefined) return
    const ongoing = this.#ongoing.get(message)
    if (ongoing !== undefined) ongoing.sessions++
    else this.#ongoing.set(message, { startTime: this.#clock.currentTimeNanosUnsafe(), sessions: 1 })
  }

  turnEnded(): void {
    if (this.#ongoing.size === 0) return
    for (const [message, ongoing] of this.#ongoing) this.#recordDelivery(message, ongoing)
    this.#ongoing.clear()
  }

  #recordDelivery(message: Delivery, { sessions, startTime }: OngoingDelivery): void {
    const traceparent = message.ext?.traceparent
    const before = this.#delivered.get(message) ?? 0
    if (traceparent === undefined || before === maxDeliverySpans) return
    this.#delivered.set(message, before + 1)
    const attributes = { "messaging.bayeux.sessions": sessions }
    this.#record({ name: "deliver", kind: "internal", traceparent, startTime, message, attributes })
  }

  #record({ attributes, kind, message: { channel, id }, name, startTime, traceparent }: Operation): void {
    const template = this.#templates.of(channel)
    const span = this.#tracer.span({
      name: template === undefined ? name : `${name} ${template}`,
      parent: Option.some(external(traceparent)),
      annotations: Context.empty(),
      links: [],
      startTime,
      kind,
      root: false,
      sampled: true
    })
    span.attribute("messaging.system", "bayeux")
    span.attribute("messaging.operation.name", name)
    span.attribute("messaging.destination.name", channel)
    if (template !== undefined) span.attribute("messaging.destination.template", template)
    if (id !== undefined) span.attribute("messaging.message.id", String(id))
    for (const [key, value] of Object.entries(attributes)) span.attribute(key, value)
    span.end(this.#clock.currentTimeNanosUnsafe(), Exit.void)
  }
}

/**
 * Traces with the current tracer (such as Effect's `OtlpTracer`) for the life of the layer. A message without a
 * `traceparent`, or with one that is not sampled, has no span.
 */
export const layer = (options: TracingOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Connections> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { templates = [] } = yield* Options.decode("Tracing.layer", TracingOptions, options)
    const connections = yield* Connections
    yield* connections.addProbe(new TraceProbe(yield* Tracer.Tracer, yield* Clock.Clock, templates))
  }))
