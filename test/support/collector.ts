/** A collector of OpenTelemetry's, as far as tests need one: it listens on a port of 127.0.0.1 and keeps what it gets. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { atEnd } from "../transport/support.ts"

type Attributes = ReadonlyArray<{ readonly key: string; readonly value: { readonly [type: string]: unknown } }>

/** A span as it came over the wire, with attributes as an object. */
export interface CollectedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number
  readonly milliseconds: number
  readonly attributes: { readonly [name: string]: unknown }
}

interface TraceBody {
  readonly resourceSpans: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<
        Omit<CollectedSpan, "attributes" | "milliseconds"> & {
          readonly attributes: Attributes
          readonly startTimeUnixNano: string
          readonly endTimeUnixNano: string
        }
      >
    }>
  }>
}

interface Metric {
  readonly name: string
  readonly unit?: string
  readonly sum?: { readonly isMonotonic: boolean; readonly dataPoints: ReadonlyArray<Point> }
  readonly gauge?: { readonly dataPoints: ReadonlyArray<Point> }
  readonly histogram?: { readonly dataPoints: ReadonlyArray<Point & { readonly count: number }> }
}

interface Point {
  readonly attributes: Attributes
  readonly asDouble?: number
}

interface MetricsBody {
  readonly resourceMetrics: ReadonlyArray<{
    readonly resource: { readonly attributes: Attributes }
    readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<Metric> }>
  }>
}

export interface Collector {
  readonly url: string
  readonly spans: ReadonlyArray<CollectedSpan>
  /** The metrics of the last export. */
  readonly metrics: ReadonlyArray<Metric>
  readonly resource: { readonly [name: string]: unknown }
}

export const attributesOf = (attributes: Attributes): { readonly [name: string]: unknown } =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

const spansIn = ({ resourceSpans }: TraceBody): ReadonlyArray<CollectedSpan> =>
  resourceSpans.flatMap(({ scopeSpans }) => scopeSpans).flatMap(({ spans }) => spans).map((span) => ({
    ...span,
    attributes: attributesOf(span.attributes),
    milliseconds: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6
  }))

export const startCollector = async (): Promise<Collector> => {
  const collected = { url: "", spans: [] as Array<CollectedSpan>, metrics: [] as ReadonlyArray<Metric>, resource: {} }
  const take = (path: string | undefined, body: string): void => {
    if (path === "/v1/traces") collected.spans.push(...spansIn(JSON.parse(body) as TraceBody))
    if (path !== "/v1/metrics") return
    const [exported] = (JSON.parse(body) as MetricsBody).resourceMetrics
    collected.metrics = exported?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? []
    collected.resource = attributesOf(exported?.resource.attributes ?? [])
  }
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => body += text).on("end", () => {
      take(request.url, body)
      response.end("{}")
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  collected.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return collected
}
