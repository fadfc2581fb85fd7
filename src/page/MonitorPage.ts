/**
 * A live page of what goes on inside a server: sessions, subscriptions and messages over time, channels, events with
 * their causes, and each session with a button to end it. It shows the sessions of its process.
 *
 * It never shows a client id, which is a secret, but a keyed hash of it; and it shows what messages carry only if told
 * to. What is counted is in `page/PageModel`, who may see it in `page/Access`, the page itself in the folder `page` of the
 * package.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import * as Options from "../base/Options.ts"
import type { Engine } from "../engine/Engine.ts"
import type { Monitor } from "../monitor/Monitor.ts"
import { Bayeux } from "../service/Bayeux.ts"
import * as Mount from "../transport/Mount.ts"
import { type AnyServer, NodeServer, servePath } from "../transport/NodeServer.ts"
import * as Access from "./Access.ts"
import * as Assets from "./Assets.ts"
import * as PageRoutes from "./PageRoutes.ts"
import * as Watch from "./Watch.ts"

/** A secret of at least so many characters: it can be tried over the network. */
const shortestToken = 16

const Token = Schema.Redacted(Schema.String.check(Schema.isMinLength(shortestToken)))

/** The options of {@link layer} and {@link attach}; each may be left out. */
export const MonitorPageOptions = Schema.Struct({
  /** Where the page is found. Default: `/monitor`. */
  path: Schema.optionalKey(Mount.MountPath),
  /**
   * What one has to know to see the page, 16 characters at least. Without it the page is for the machine that it runs
   * on: requests must come to a loopback address, by a name of loopback, and through no proxy.
   */
  token: Schema.optionalKey(Token),
  /** The key of the hashes that stand for client ids: give one for several processes, or restarts, to show the same. */
  key: Schema.optionalKey(Schema.Redacted(Schema.NonEmptyString)),
  /** Shows the beginning of what messages carry. Default: false, only what kind of value it is. */
  showData: Schema.optionalKey(Schema.Boolean)
})
/** The options of {@link layer} and {@link attach}; each may be left out. */
export type MonitorPageOptions = typeof MonitorPageOptions.Type

const make = Effect.fnUntraced(function*(server: AnyServer, options: MonitorPageOptions) {
  const { path = "/monitor", showData = false, token } = options
  const bayeux = yield* Bayeux
  const runFork = yield* FiberSet.makeRuntime()
  const watch = yield* Watch.make({
    key: options.key ?? Redacted.make(randomBytes(32).toString("hex")),
    node: `${hostname()}:${process.pid}`,
    hasToken: token !== undefined,
    showData
  })
  const handler = PageRoutes.make({
    access: Access.make(token),
    assets: yield* Assets.read,
    watch,
    end: (clientId, reason, done) => {
      runFork(Effect.map(bayeux.disconnect(clientId, reason), done))
    }
  }, path)
  yield* servePath(server, path, handler)
})

/**
 * Serves the page on a Node server that exists, for as long as the scope is open. Without a token whoever does not sit
 * at this machine is answered with 403.
 */
export const attach = Effect.fn("MonitorPage.attach")(function*(
  server: AnyServer,
  options: MonitorPageOptions = {}
): Effect.fn.Return<void, Options.OptionsInvalid, Bayeux | Engine | Monitor | Scope.Scope> {
  yield* make(server, yield* Options.decode("MonitorPage.attach", MonitorPageOptions, options))
})

/** Whether an address, such as one that a server listens on, can be reached from its own machine alone. */
export const isLoopback: (address: string) => boolean = Access.isLoopback

/**
 * Serves the page on the server of `NodeServer.layer`. Where that listens for other machines, too, it fails with
 * `OptionsInvalid` unless there is a token.
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
        issue: `the server listens on ${host}, for others, too, and there is no token, so all of them could see the ` +
          "page and end sessions: give a token, or have the server listen on 127.0.0.1"
      })
    }
    yield* make(server, decoded)
  }))
