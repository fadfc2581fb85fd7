/**
 * A Bayeux service as routes of an Effect `HttpRouter`, on Node: beside the other routes of an application, on the port
 * of its `NodeHttpServer`.
 *
 * The transports get Node's own request and response: Effect's server leaves a response alone that has been ended.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Layer, Schema } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { IncomingMessage, ServerResponse } from "node:http"
import { Bayeux } from "../Bayeux.ts"
import * as Options from "../Options.ts"
import * as Mount from "./Mount.ts"

/** The options of {@link layer}. */
export const HttpRoutesOptions = Schema.Struct({
  /** Where the service is found, as the clients see it. Default: `/bayeux`. */
  mount: Schema.optionalKey(Mount.MountPath)
})
/** The options of {@link layer}. */
export type HttpRoutesOptions = typeof HttpRoutesOptions.Type

const whenClosed = (stream: { readonly once: (event: "close", listener: () => void) => unknown }) =>
  Effect.callback<HttpServerResponse.HttpServerResponse>((resume) => {
    stream.once("close", () => resume(Effect.succeed(HttpServerResponse.empty())))
  })

const isHttp1 = "The service cannot be reached by HTTP/2 through an HttpRouter: use HTTP/1.1\n"

const handle = (service: Mount.Mount) =>
  Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    if (!(incoming instanceof IncomingMessage)) return HttpServerResponse.text(isHttp1, { status: 505 })
    if (incoming.headers.upgrade !== undefined) {
      // A client may not send anything before the upgrade is accepted, so there is no head to hand on.
      service.upgrade(incoming, incoming.socket, Buffer.alloc(0))
      return yield* whenClosed(incoming.socket)
    }
    const response = NodeHttpServerRequest.toServerResponse(request)
    if (!(response instanceof ServerResponse)) return HttpServerResponse.text(isHttp1, { status: 505 })
    service.request(incoming, response)
    return yield* whenClosed(response)
  })

/**
 * Adds the routes. Effect's server waits at its end for open requests to end by themselves, for its
 * `gracefulShutdownTimeout` (20 seconds), before anything of ours is asked: where clients are to be answered and let go
 * at once, serve with `NodeServer`.
 */
export const layer = (
  options: HttpRoutesOptions = {}
): Layer.Layer<never, Options.OptionsInvalid, Bayeux | HttpRouter.HttpRouter> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { mount = "/bayeux" } = yield* Options.decode("HttpRoutes.layer", HttpRoutesOptions, options)
    const bayeux = yield* Bayeux
    const router = yield* HttpRouter.HttpRouter
    const service = Mount.make(bayeux, mount)
    // The router has the wildcard match the mount itself as well.
    for (const path of [`${mount}/*`, `${mount}.js`] as ReadonlyArray<`/${string}`>) {
      yield* router.add("*", path, handle(service))
    }
    yield* Effect.addFinalizer(() =>
      Effect.andThen(Effect.sync(() => service.drain()), bayeux.endConnections(service.owner))
    )
  }))
