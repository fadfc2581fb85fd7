/** The options of the command. */
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"

/** Each option can be set in the environment, too: `--log-events` is `BAYEUX_LOG_EVENTS`. */
const fromEnvironment = <A>(config: Config.Config<A>) => Flag.withFallbackConfig(Config.nested(config, "BAYEUX"))

/** The URL of the collector, as the environment says. */
const collector: Config.Config<string> = Config.orElse(
  Config.nested(Config.String("OTLP"), "BAYEUX"),
  () => Config.String("OTEL_EXPORTER_OTLP_ENDPOINT")
)

/** The options of `effect-bayeux`. */
export const flags = {
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on; 0.0.0.0 is every address of the machine (default: 127.0.0.1)"),
    fromEnvironment(Config.NonEmptyString("HOST")),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("The port to listen on; 0 takes a free one (default: 8000)"),
    fromEnvironment(Config.Int("PORT")),
    Flag.withDefault(8000)
  ),
  socket: Flag.String("socket").pipe(
    Flag.withDescription("The path of a Unix socket to listen on, in place of --host and --port"),
    fromEnvironment(Config.NonEmptyString("SOCKET")),
    Flag.optional
  ),
  socketMode: Flag.String("socket-mode").pipe(
    Flag.withDescription(
      "The permissions of the Unix socket: who may connect (default: 660, the user and the group of this process)"
    ),
    fromEnvironment(Config.String("SOCKET_MODE")),
    Flag.withDefault("660"),
    Flag.filter(
      (mode) => /^[0-7]{3}$/.test(mode),
      (mode) => `"${mode}" is no permissions: give three digits from 0 to 7, such as 660`
    ),
    Flag.map((mode) => parseInt(mode, 8))
  ),
  mount: Flag.String("mount").pipe(
    Flag.withDescription("The path of the service (default: /bayeux)"),
    fromEnvironment(Config.String("MOUNT")),
    Flag.withDefault("/bayeux")
  ),
  origin: Flag.String("origin").pipe(
    Flag.withDescription(
      "Origins of pages that may use the service, with commas; any, or loopback for pages of this machine (default: loopback on a loopback address, any on others)"
    ),
    fromEnvironment(Config.NonEmptyString("ORIGIN")),
    Flag.optional
  ),
  jsonp: Flag.Boolean("jsonp").pipe(
    Flag.withDescription("Serve callback-polling (JSONP) as well, for browsers of long ago"),
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
      "How many seconds a connect is held (default: 45)"
    ),
    fromEnvironment(Config.Finite("TIMEOUT")),
    Flag.withDefault(45)
  ),
  sessionTimeout: Flag.Finite("session-timeout").pipe(
    Flag.withDescription(
      "How many seconds a session outlives its last connect and its socket (default: twice --timeout)"
    ),
    fromEnvironment(Config.Finite("SESSION_TIMEOUT")),
    Flag.optional
  ),
  interval: Flag.Finite("interval").pipe(
    Flag.withDescription("How many milliseconds a client waits before it connects again (default: 0)"),
    fromEnvironment(Config.Finite("INTERVAL")),
    Flag.withDefault(0)
  ),
  ping: Flag.Finite("ping").pipe(
    Flag.withDescription("How many seconds pass between two pings of an open socket (default: 20)"),
    fromEnvironment(Config.Finite("PING")),
    Flag.withDefault(20)
  ),
  maxMessage: Flag.Int("max-message").pipe(
    Flag.withDescription("How many bytes a message may have; one that is longer is refused (default: 1048576)"),
    fromEnvironment(Config.Int("MAX_MESSAGE")),
    Flag.optional
  ),
  engine: Flag.String("engine").pipe(
    Flag.withDescription(
      "Where sessions are kept: memory, or redis://host:port for several processes; ?namespace=name keeps services apart (default: memory)"
    ),
    fromEnvironment(Config.String("ENGINE")),
    Flag.withDefault("memory")
  ),
  lease: Flag.Finite("lease").pipe(
    Flag.withDescription(
      "How many seconds a process may be silent before others go on with its sessions, with Redis (default: 5)"
    ),
    fromEnvironment(Config.Finite("LEASE")),
    Flag.withDefault(5)
  ),
  monitorToken: Flag.Redacted("monitor-token").pipe(
    Flag.withDescription(
      "What one has to know to see the page at /monitor; without one it is served on a loopback address only"
    ),
    fromEnvironment(Config.Redacted("MONITOR_TOKEN")),
    Flag.optional
  ),
  logEvents: Flag.Boolean("log-events").pipe(
    Flag.withDescription("Print each monitoring event as a line of JSON on standard output"),
    fromEnvironment(Config.Boolean("LOG_EVENTS")),
    Flag.withDefault(false)
  ),
  metrics: Flag.Boolean("metrics").pipe(
    Flag.withDescription("Show metrics for Prometheus at /metrics, to whoever reaches the server"),
    fromEnvironment(Config.Boolean("METRICS")),
    Flag.withDefault(false)
  ),
  otlp: Flag.String("otlp").pipe(
    Flag.withDescription(
      "Send metrics and traces to this collector of OpenTelemetry, such as http://127.0.0.1:4318; OTEL_… variables say more"
    ),
    Flag.withFallbackConfig(collector),
    Flag.optional
  ),
  record: Flag.String("record").pipe(
    Flag.withDescription(
      "Record everything that happens to this file and FILE.1, for effect-bayeux replay and inspect"
    ),
    fromEnvironment(Config.NonEmptyString("RECORD")),
    Flag.withDefault("")
  ),
  recordSize: Flag.Finite("record-size").pipe(
    Flag.withDescription("How many megabytes both files may take together (default: 64)"),
    fromEnvironment(Config.Finite("RECORD_SIZE")),
    Flag.withDefault(64)
  ),
  recordPlain: Flag.Boolean("record-plain").pipe(
    Flag.withDescription("Record client ids as they are, and not keyed hashes of them: they are secrets"),
    fromEnvironment(Config.Boolean("RECORD_PLAIN")),
    Flag.withDefault(false)
  ),
  recordRedact: Flag.Boolean("record-redact").pipe(
    Flag.withDescription("Record the kind and length of what is published, and not the data"),
    fromEnvironment(Config.Boolean("RECORD_REDACT")),
    Flag.withDefault(false)
  )
}

/** What was asked for. Times are seconds, but for `interval`, which is milliseconds. */
export interface ServeFlags {
  readonly host: string
  readonly port: number
  readonly socket: Option.Option<string>
  readonly socketMode: number
  readonly mount: string
  readonly origin: Option.Option<string>
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
