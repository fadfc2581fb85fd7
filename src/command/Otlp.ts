/**
 * Export of metrics and traces to an OpenTelemetry collector (`--otlp`), by Effect's exporters. Headers, intervals and
 * attributes of the service come from OpenTelemetry's own `OTEL_…` variables.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Options from "../base/Options.ts"

/** Defaults for the environment. Effect's exporters send nothing unless they are named. */
const defaults = ConfigProvider.fromUnknown({
  OTEL_SERVICE_NAME: "effect-bayeux",
  OTEL_METRICS_EXPORTER: ["otlp"],
  OTEL_TRACES_EXPORTER: ["otlp"]
})

const configProvider = (url: string) =>
  Effect.map(
    ConfigProvider.ConfigProvider,
    (environment) =>
      ConfigProvider.fromUnknown({ OTEL_EXPORTER_OTLP_ENDPOINT: url }).pipe(
        ConfigProvider.orElse(environment),
        ConfigProvider.orElse(defaults)
      )
  )

const invalid = (url: string) =>
  Layer.effectDiscard(Effect.fail(
    new Options.OptionsInvalid({
      owner: "effect-bayeux",
      issue: `there is no collector "${url}": give --otlp or BAYEUX_OTLP a URL such as http://127.0.0.1:4318`
    })
  ))

const exporters = (url: string) =>
  Layer.mergeAll(OtlpMetrics.layerFromConfig(), OtlpTracer.layerFromConfig()).pipe(
    Layer.provide(OtlpSerialization.layerJson),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(ConfigProvider.layer(configProvider(url)))
  )

/** Provides Effect's exporters to the collector at this URL. A URL that is not HTTP fails with `OptionsInvalid`. */
export const layer = (url: string): Layer.Layer<never, Options.OptionsInvalid> =>
  URL.canParse(url) && /^https?:/.test(url) ? exporters(url) : invalid(url)
