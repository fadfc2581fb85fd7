/** The options of the command. */
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Variables from "../base/Variables.ts"

/** Adds the variable of an option: `BAYEUX_LOG_EVENTS` for `--log-events`. */
const fromEnvironment = <A>(config: Config.Config<A>) => Flag.withFallbackConfig(Config.nested(config, "BAYEUX"))

/** The URL of the collector, as the environment says. */
const collector: Config.Config<string> = Config.orElse(
  Config.nested(Config.String("OTLP"), "BAYEUX"),
  () => Config.String("OTEL_EXPORTER_OTLP_ENDPOINT")
)

/** The options of `effect-bayeux`. */
export const flags = {
  host: Flag.String("host").pipe(
    Flag.withDescription("Address to listen on; 0.0.0.0 means all addresses of the machine (default: 127.0.0.1)"),
    Flag.withFallbackConfig(Variables.host),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("Port to listen on; 0 takes a free one (default: 8000)"),
    Flag.withFallbackConfig(Variables.port),
    Flag.withDefault(8000)
  ),
  socket: Flag.String("socket").pipe(
    Flag.withDescription("Path of a Unix socket to listen on, instead of --host and --port"),
    Flag.withFallbackConfig(Variables.socket),
    Flag.optional
  ),
  socketMode: Flag.String("socket-mode").pipe(
    Flag.withDescription(
      "Permissions of the Unix socket (default: 660, user and group of this process may connect)"
    ),
    Flag.withFallbackConfig(Variables.socketMode),
    Flag.withDefault("660"),
    Flag.filter(
      (mode) => /^[0-7]{3}$/.test(mode),
      (mode) => `"${mode}" is not a mode: give three digits from 0 to 7, such as 660`
    ),
    Flag.map((mode) => parseInt(mode, 8))
  ),
  mount: Flag.String("mount").pipe(
    Flag.withDescription("Path of the service (default: /bayeux)"),
    Flag.withFallbackConfig(Variables.mount),
    Flag.withDefault("/bayeux")
  ),
  origin: Flag.String("origin").pipe(
    Flag.withDescription(
      "Origins of pages that may use the service, with commas; any, or loopback for pages of this machine (default: loopback on a loopback address, any on others)"
    ),
    Flag.withFallbackConfig(Variables.origin),
    Flag.optional
  ),
  trustedProxies: Flag.String("trusted-proxies").pipe(
    Flag.withDescription(
      "Proxies that name the address of a client, with commas: 10.0.0.1, 10.0.0.0/8, loopback, unix (default: none)"
    ),
    Flag.withFallbackConfig(Variables.trustedProxies),
    Flag.optional
  ),
  jsonp: Flag.Boolean("jsonp").pipe(
    Flag.withDescription("Serve callback-polling (JSONP) as well, for very old browsers"),
    fromEnvironment(Config.Boolean("JSONP")),
    Flag.withDefault(false)
  ),
  faye: Flag.Boolean("faye").pipe(
    Flag.withDescription("Be as open as Faye's server: pages of any origin, JSONP, messages of up to 64 MiB"),
    fromEnvironment(Config.Boolean("FAYE")),
    Flag.withDefault(false)
  ),
  timeout: Flag.Finite("timeout").pipe(
    Flag.withDescription(
      "Seconds that a connect is held (default: 45)"
    ),
    Flag.withFallbackConfig(Variables.timeout),
    Flag.withDefault(45)
  ),
  sessionTimeout: Flag.Finite("session-timeout").pipe(
    Flag.withDescription(
      "Seconds that a session stays after its last connect and the end of its socket (default: twice --timeout)"
    ),
    Flag.withFallbackConfig(Variables.sessionTimeout),
    Flag.optional
  ),
  interval: Flag.Finite("interval").pipe(
    Flag.withDescription("Milliseconds that a client waits before it connects again (default: 0)"),
    Flag.withFallbackConfig(Variables.interval),
    Flag.withDefault(0)
  ),
  ping: Flag.Finite("ping").pipe(
    Flag.withDescription("Seconds between two pings of an open socket (default: 20)"),
    fromEnvironment(Config.Finite("PING")),
    Flag.withDefault(20)
  ),
  maxMessage: Flag.Int("max-message").pipe(
    Flag.withDescription("Longest message in bytes; longer ones are refused (default: 1048576)"),
    fromEnvironment(Config.Int("MAX_MESSAGE")),
    Flag.optional
  ),
  engine: Flag.String("engine").pipe(
    Flag.withDescription(
      "Store of sessions: memory, or redis://host:port for several processes; ?namespace=name separates services (default: memory)"
    ),
    Flag.withFallbackConfig(Variables.engine),
    Flag.withDefault("memory")
  ),
  lease: Flag.Finite("lease").pipe(
    Flag.withDescription(
      "Seconds without a sign of life after which other processes take over the sessions of a process, with Redis (default: 5)"
    ),
    Flag.withFallbackConfig(Variables.lease),
    Flag.withDefault(5)
  ),
  monitorToken: Flag.Redacted("monitor-token").pipe(
    Flag.withDescription(
      "Token required to open the page at /monitor; without a token the page is served on loopback addresses only"
    ),
    Flag.withFallbackConfig(Variables.monitorToken),
    Flag.optional
  ),
  logEvents: Flag.Boolean("log-events").pipe(
    Flag.withDescription("Print each monitoring event as a line of JSON to standard output"),
    fromEnvironment(Config.Boolean("LOG_EVENTS")),
    Flag.withDefault(false)
  ),
  metrics: Flag.Boolean("metrics").pipe(
    Flag.withDescription("Serve metrics for Prometheus at /metrics, without a password"),
    fromEnvironment(Config.Boolean("METRICS")),
    Flag.withDefault(false)
  ),
  otlp: Flag.String("otlp").pipe(
    Flag.withDescription(
      "Send metrics and traces to this OpenTelemetry collector, such as http://127.0.0.1:4318; OTEL_… variables configure the rest"
    ),
    Flag.withFallbackConfig(collector),
    Flag.optional
  ),
  record: Flag.String("record").pipe(
    Flag.withDescription(
      "Record all inputs to this file and FILE.1, for effect-bayeux replay and inspect"
    ),
    fromEnvironment(Config.NonEmptyString("RECORD")),
    Flag.withDefault("")
  ),
  recordSize: Flag.Finite("record-size").pipe(
    Flag.withDescription("Megabytes that both files may take together (default: 64)"),
    fromEnvironment(Config.Finite("RECORD_SIZE")),
    Flag.withDefault(64)
  ),
  recordPlain: Flag.Boolean("record-plain").pipe(
    Flag.withDescription("Record client ids, which are secrets, instead of their keyed hashes"),
    fromEnvironment(Config.Boolean("RECORD_PLAIN")),
    Flag.withDefault(false)
  ),
  recordRedact: Flag.Boolean("record-redact").pipe(
    Flag.withDescription("Record only kind and length of published data"),
    fromEnvironment(Config.Boolean("RECORD_REDACT")),
    Flag.withDefault(false)
  )
}

/** Values of the options. Times are in seconds, `interval` in milliseconds. */
export interface ServeFlags {
  readonly host: string
  readonly port: number
  readonly socket: Option.Option<string>
  readonly socketMode: number
  readonly mount: string
  readonly origin: Option.Option<string>
  readonly trustedProxies: Option.Option<string>
  readonly jsonp: boolean
  readonly faye: boolean
  readonly timeout: number
  readonly sessionTimeout: Option.Option<number>
  readonly interval: number
  readonly ping: number
  readonly maxMessage: Option.Option<number>
  readonly engine: string
  readonly lease: number
  readonly monitorToken: Option.Option<Redacted.Redacted>
  readonly logEvents: boolean
  readonly metrics: boolean
  readonly otlp: Option.Option<string>
  readonly record: string
  readonly recordSize: number
  readonly recordPlain: boolean
  readonly recordRedact: boolean
}
