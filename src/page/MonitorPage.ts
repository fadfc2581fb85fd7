/**
 * The monitor page: a live view of the sessions, subscriptions and messages of a process over time, its channels, its
 * events with their causes, and each session with a button that ends it.
 *
 * It shows keyed hashes instead of client ids, which are secrets, and data of messages only with `showData`. Counts are
 * in `PageModel`, access in `Access`, requests in `PageRoutes`; the browser's part is the folder `page` of the package.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Options from "../base/Options.ts"
import * as Variables from "../base/Variables.ts"
import type { Engine } from "../engine/Engine.ts"
import type { Monitor } from "../monitor/Monitor.ts"
import { Bayeux } from "../service/Bayeux.ts"
import * as Mount from "../transport/Mount.ts"
import { type AnyServer, NodeServer, servePath } from "../transport/NodeServer.ts"
import * as Access from "./Access.ts"
import * as Assets from "./Assets.ts"
import * as PageRoutes from "./PageRoutes.ts"
import * as PageUpdates from "./PageUpdates.ts"

/** Shortest token, in characters: tokens can be guessed over the network. */
const minTokenLength = 16

const Token = Schema.Redacted(Schema.String.check(Schema.isMinLength(minTokenLength)))

/** The options of {@link layer} and {@link attach}; each may be left out. */
export const MonitorPageOptions = Schema.Struct({
  /** Path of the page. Default: `/monitor`. */
  path: Schema.optionalKey(Mount.MountPath),
  /**
   * Token required to see the page, at least 16 characters. Without it the page is served to this machine only: requests
   * must come to a loopback address under a loopback name, and not through a proxy.
   */
  token: Schema.optionalKey(Token),
  /** Key of the hashes that replace client ids: the same key gives the same hashes in all processes and after a restart. Default: random. */
  key: Schema.optionalKey(Schema.Redacted(Schema.NonEmptyString)),
  /** Whether the beginning of the data of messages is shown. Default: false, only its type. */
  showData: Schema.optionalKey(Schema.Boolean)
})
/** The options of {@link layer} and {@link attach}; each may be left out. */
export type MonitorPageOptions = typeof MonitorPageOptions.Type

const make = Effect.fnUntraced(function*(server: AnyServer, options: MonitorPageOptions) {
  const { path = "/monitor", showData = false, token } = options
  const bayeux = yield* Bayeux
  const runFork = yield* FiberSet.makeRuntime()
  const updates = yield* PageUpdates.make({
    key: options.key ?? Redacted.make(randomBytes(32).toString("hex")),
    hasToken: token !== undefined,
    showData
  })
  const handler = PageRoutes.make({
    access: Access.make(token),
    assets: yield* Assets.read,
    updates,
    end: (clientId, reason, done) => {
      runFork(Effect.map(bayeux.disconnect(clientId, reason), done))
    }
  }, path)
  yield* servePath(server, path, handler)
})

/**
 * Serves the page on an existing Node server while the scope is open. Without a token, requests from other machines are
 * refused with 403.
 */
export const attach = Effect.fn("MonitorPage.attach")(function*(
  server: AnyServer,
  options: MonitorPageOptions = {}
): Effect.fn.Return<void, Options.OptionsInvalid, Bayeux | Engine | Monitor | Scope.Scope> {
  yield* make(server, yield* Options.decode("MonitorPage.attach", MonitorPageOptions, options))
})

/** Whether an address, such as the one that a server listens on, can be reached from its own machine only. */
export const isLoopback: (address: string) => boolean = Access.isLoopback

/**
 * Serves the page on the server of `NodeServer.layer`. Fails with `OptionsInvalid` if that server listens for other
 * machines and there is no token.
 */
export const layer = (
  options: MonitorPageOptions = {}
): Layer.Layer<never, Options.OptionsInvalid, Bayeux | Engine | Monitor | NodeServer> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const decoded = yield* Options.decode("MonitorPage.layer", MonitorPageOptions, options)
    const { address: { host }, server } = yield* NodeServer
    if (decoded.token === undefined && !isLoopback(host)) {
      return yield* new Options.OptionsInvalid({
        owner: "MonitorPage.layer",
        issue:
          `the server listens on ${host}, so without a token other machines could see the page and end sessions: ` +
          "give a token, or let the server listen on 127.0.0.1"
      })
    }
    yield* make(server, decoded)
  }))

/** Options from the variable of the command, `BAYEUX_MONITOR_TOKEN`. */
export const config: Config.Config<MonitorPageOptions> = Variables.options<Pick<MonitorPageOptions, "token">>({
  token: Variables.monitorToken
})

/** The page with options from the configuration; by default from the variable of the command ({@link config}). */
export const layerConfig = (
  options: Config.Wrap<MonitorPageOptions> = config
): Layer.Layer<
  never,
  Config.ConfigError | Options.OptionsInvalid,
  Bayeux | Engine | Monitor | NodeServer
> => Layer.unwrap(Effect.map(Config.unwrap(options), layer))
