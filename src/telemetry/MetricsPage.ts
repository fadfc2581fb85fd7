/**
 * The metrics in the text format of Prometheus, on a path of a Node server. The page has the whole registry: the series
 * of the service and those of the application. In an `HttpRouter` Effect's own route does the same
 * (`PrometheusMetrics.layerHttp`).
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Options from "../base/Options.ts"
import { respond, respondError } from "../transport/Http.ts"
import { MountPath } from "../transport/Mount.ts"
import { type AnyServer, NodeServer, type PathHandler, servePath } from "../transport/NodeServer.ts"

/** The options of {@link layer} and {@link attach}. */
export const MetricsPageOptions = Schema.Struct({
  /** Path of the page. Default: `/metrics`. */
  path: Schema.optionalKey(MountPath)
})
/** The options of {@link layer} and {@link attach}. */
export type MetricsPageOptions = typeof MetricsPageOptions.Type

const contentType = "text/plain; version=0.0.4; charset=utf-8"

const page = (context: Context.Context<never>, path: string): PathHandler => (request, response, { below }) => {
  const call = { request, response }
  if (below !== "") {
    return respondError(call, { status: 404, sentence: `There is nothing here: the metrics are at ${path}` })
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return respondError(call, { status: 405, sentence: "Metrics can only be read: send a GET" }, { Allow: "GET, HEAD" })
  }
  respond(response, 200, { "Content-Type": contentType }, PrometheusMetrics.formatUnsafe(context))
}

/** Serves the page on an existing server while the scope is open. */
export const attach = Effect.fnUntraced(function*(
  server: AnyServer,
  options: MetricsPageOptions = {}
): Effect.fn.Return<void, Options.OptionsInvalid, Scope.Scope> {
  const { path = "/metrics" } = yield* Options.decode("MetricsPage.attach", MetricsPageOptions, options)
  yield* servePath(server, path, page(yield* Effect.context(), path))
})

/** Serves the page on the server of the service. It has no password: everybody who can reach the server can read it. */
export const layer = (options: MetricsPageOptions = {}): Layer.Layer<never, Options.OptionsInvalid, NodeServer> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { path = "/metrics" } = yield* Options.decode("MetricsPage.layer", MetricsPageOptions, options)
    const { server } = yield* NodeServer
    yield* servePath(server, path, page(yield* Effect.context(), path))
  }))
