/**
 * The environment variables of the command, all with the prefix `BAYEUX_`, as `Config`: for the flags of the command and for
 * the layers that take their options from the configuration.
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"

const nested = <A>(config: Config.Config<A>): Config.Config<A> => Config.nested(config, "BAYEUX")

/** `BAYEUX_HOST` */
export const host = nested(Config.NonEmptyString("HOST"))
/** `BAYEUX_PORT` */
export const port = nested(Config.Int("PORT"))
/** `BAYEUX_SOCKET` */
export const socket = nested(Config.NonEmptyString("SOCKET"))
/** `BAYEUX_SOCKET_MODE`, octal digits. */
export const socketMode = nested(Config.String("SOCKET_MODE"))
/** `BAYEUX_MOUNT` */
export const mount = nested(Config.String("MOUNT"))
/** `BAYEUX_ORIGIN` */
export const origin = nested(Config.NonEmptyString("ORIGIN"))
/** `BAYEUX_TRUSTED_PROXIES`, a list with commas. */
export const trustedProxies = nested(Config.NonEmptyString("TRUSTED_PROXIES"))
/** `BAYEUX_TIMEOUT`, in seconds. */
export const timeout = nested(Config.Finite("TIMEOUT"))
/** `BAYEUX_SESSION_TIMEOUT`, in seconds. */
export const sessionTimeout = nested(Config.Finite("SESSION_TIMEOUT"))
/** `BAYEUX_INTERVAL`, in milliseconds. */
export const interval = nested(Config.Finite("INTERVAL"))
/** `BAYEUX_ENGINE` */
export const engine = nested(Config.String("ENGINE"))
/** `BAYEUX_LEASE`, in seconds. */
export const lease = nested(Config.Finite("LEASE"))
/** `BAYEUX_MONITOR_TOKEN` */
export const monitorToken = nested(Config.Redacted("MONITOR_TOKEN"))

/** Elements of a list with commas. */
export const parseList = (text: string): ReadonlyArray<string> => text.split(",").map((element) => element.trim())

/** Origins as the command takes them: `any`, `loopback`, or a list with commas. */
export const parseOrigins = (origin: string): "any" | "loopback" | ReadonlyArray<string> =>
  origin === "any" || origin === "loopback" ? origin : parseList(origin)

/** Options of a layer, each from a variable. Options whose variable is not set are left out. */
export const options = <A extends object>(
  variables: { readonly [K in keyof A]-?: Config.Config<Exclude<A[K], undefined>> }
): Config.Config<A> => {
  const known: { readonly [name: string]: Config.Config<unknown> } = variables
  const all: { [name: string]: Config.Config<Option.Option<unknown>> } = {}
  for (const [name, variable] of Object.entries(known)) all[name] = Config.option(variable)
  return Config.map(Config.all(all), (found) => {
    const given: { [name: string]: unknown } = {}
    for (const [name, value] of Object.entries(found)) if (Option.isSome(value)) given[name] = value.value
    return given as A
  })
}
