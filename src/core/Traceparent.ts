/**
 * The trace context that a publisher gives its message along in `ext.traceparent`, as the W3C writes it: which span, of
 * which trace, has made the message. It goes with the message unchanged, as OpenTelemetry asks of whoever stands between
 * producers and consumers ("creation context").
 */
import type * as Brand from "effect/Brand"

/** `00-{trace}-{span}-{flags}`, all in lower-case hexadecimal digits. */
export type Traceparent = string & Brand.Brand<"Traceparent">

const grammar = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** The trace context of a span; nothing checks what its tracer has called it. */
export const make = (
  { sampled, spanId, traceId }: { readonly traceId: string; readonly spanId: string; readonly sampled: boolean }
): string => `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`

/** What a peer says is a trace context, if it can be one. */
export const parse = (value: unknown): Traceparent | undefined =>
  typeof value === "string" && grammar.test(value) ? value as Traceparent : undefined

/** Whether its trace is recorded: if not, nobody else is to record a part of it. */
export const isSampled = (self: Traceparent): boolean => (Number.parseInt(self.slice(-2), 16) & 1) === 1

/** The trace, as 32 hexadecimal digits. */
export const traceId = (self: Traceparent): string => self.slice(3, 35)

/** The span, as 16 hexadecimal digits. */
export const spanId = (self: Traceparent): string => self.slice(36, 52)
