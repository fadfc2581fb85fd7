/**
 * Trace context that a publisher gives its message along in `ext.traceparent`, as the W3C writes it: the trace and the
 * span in which the message was made. It goes with the message unchanged, as OpenTelemetry asks of intermediaries
 * between producers and consumers ("creation context").
 */
import type * as Brand from "effect/Brand"

/** Text `00-{trace}-{span}-{flags}`, all in lower-case hexadecimal digits. */
export type Traceparent = string & Brand.Brand<"Traceparent">

const grammar = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** Creates the trace context of a span, of whose ids nothing is checked. */
export const make = (
  { sampled, spanId, traceId }: { readonly traceId: string; readonly spanId: string; readonly sampled: boolean }
): string => `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`

/** Parses the trace context of a peer; nothing if it cannot be one. */
export const parse = (value: unknown): Traceparent | undefined =>
  typeof value === "string" && grammar.test(value) ? value as Traceparent : undefined

/** Whether its trace is recorded: if not, nobody else is to record a part of it. */
export const isSampled = (self: Traceparent): boolean => (Number.parseInt(self.slice(-2), 16) & 1) === 1

/** Trace, as 32 hexadecimal digits. */
export const traceId = (self: Traceparent): string => self.slice(3, 35)

/** Span, as 16 hexadecimal digits. */
export const spanId = (self: Traceparent): string => self.slice(36, 52)
