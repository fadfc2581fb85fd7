/**
 * The HTTP requests at and below the path of the monitor page: the page and its files, the feed, log-in and log-out, and
 * the end of a session. Access is checked by `Access`, the feeds are served by `PageUpdates`.
 */
import * as Result from "effect/Result"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Asset from "../transport/Asset.ts"
import { type HttpError, readBody, respond } from "../transport/Http.ts"
import type { PathHandler } from "../transport/NodeServer.ts"
import type { Access } from "./Access.ts"
import type * as Assets from "./Assets.ts"
import * as Filter from "./Filter.ts"
import type { PageUpdates } from "./PageUpdates.ts"

/** Parts that the routes need. */
export interface PageServices {
  readonly access: Access
  readonly assets: Assets.Assets
  readonly updates: PageUpdates
  /** Ends a session. `ended` says whether it existed. */
  readonly end: (clientId: string, reason: string, done: (ended: boolean) => void) => void
}

/** Security headers: content from this server only, no frames, no referrer. */
const security = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
    "base-uri 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Frame-Options": "DENY"
}

/** Longest body of a POST in bytes: a token or a reason. */
const maxBody = 4_096

interface PageCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: string
}

const refuse = ({ request, response }: PageCall, { sentence, status }: HttpError, headers = {}): void => {
  request.resume()
  const bearer = status === 401 ? { "WWW-Authenticate": "Bearer" } : {}
  respond(response, status, { "Content-Type": "text/plain; charset=utf-8", ...bearer, ...headers }, `${sentence}\n`)
}

const notFound: HttpError = { status: 404, sentence: "There is nothing here: the page is one level up" }

const redirect = ({ request, response }: PageCall, location: string, headers = {}): void => {
  request.resume()
  respond(response, 303, { Location: location, ...headers }, "")
}

// ---------------------------------------------------------------------------------------------------------------------
// reading

const servePage = ({ access, assets }: PageServices, call: PageCall): void => {
  const allowed = access.authorize(call.request)
  if (Result.isSuccess(allowed)) return serveFile(assets, call, "index.html")
  if (allowed.failure.status !== 401) return refuse(call, allowed.failure)
  serveLogin(assets, call, "")
}

const serveLogin = (assets: Assets.Assets, { response }: PageCall, complaint: string): void => {
  const html = assets.get("login.html")?.body.toString("utf8") ?? ""
  const headers = { "Content-Type": "text/html; charset=utf-8", "WWW-Authenticate": "Bearer" }
  respond(response, 401, headers, html.replace("<!-- complaint -->", complaint))
}

const serveFile = (assets: Assets.Assets, call: PageCall, name: string): void => {
  const asset = assets.get(name)
  if (asset === undefined) refuse(call, notFound)
  else Asset.serve(call.request, call.response, asset)
}

const feed = ({ access, updates }: PageServices, call: PageCall): void => {
  const allowed = access.authorizeOwn(call.request)
  if (Result.isFailure(allowed)) return refuse(call, allowed.failure)
  if (!updates.open(call.response, Filter.parse(new URLSearchParams(call.query)))) {
    refuse(call, { status: 503, sentence: "Too many pages are open: close one" })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// writing

/** Reads the body of a POST. Another content type fails with 415. */
const readPosted = (
  { request }: PageCall,
  type: string,
  done: (body: Result.Result<string, HttpError>) => void
): void => {
  if (request.headers["content-type"]?.split(";")[0] === type) return readBody(request, maxBody, done)
  done(Result.fail({ status: 415, sentence: `Send ${type}` }))
}

const logIn = ({ access, assets }: PageServices, call: PageCall): void => {
  if (!access.isSameOrigin(call.request)) return refuse(call, { status: 403, sentence: "Log in on the page itself" })
  readPosted(call, "application/x-www-form-urlencoded", (body) => {
    if (Result.isFailure(body)) return refuse(call, body.failure)
    const cookie = access.cookie(call.request, new URLSearchParams(body.success).get("token") ?? "")
    if (cookie === undefined) return serveLogin(assets, call, "The token is wrong.")
    redirect(call, "./", { "Set-Cookie": cookie })
  })
}

const logOut = ({ access }: PageServices, call: PageCall): void => {
  const allowed = access.authorizeOwn(call.request)
  if (Result.isFailure(allowed)) return refuse(call, allowed.failure)
  redirect(call, "./", { "Set-Cookie": access.cookie(call.request) })
}

const reasonIn = (json: string): string | undefined => {
  try {
    const { reason } = JSON.parse(json) as { readonly reason?: unknown }
    return typeof reason === "string" && reason !== "" ? reason : undefined
  } catch {
    return undefined
  }
}

const endSession = ({ access, end, updates }: PageServices, call: PageCall, name: string): void => {
  const allowed = access.authorizeOwn(call.request)
  if (Result.isFailure(allowed)) return refuse(call, allowed.failure)
  readPosted(call, "application/json", (body) => {
    if (Result.isFailure(body)) return refuse(call, body.failure)
    const reason = reasonIn(body.success)
    if (reason === undefined) return refuse(call, { status: 400, sentence: "Give a reason: {\"reason\":\"why\"}" })
    const answer = (ended: boolean) =>
      ended
        ? respond(call.response, 200, { "Content-Type": "application/json" }, "{\"ended\":true}")
        : refuse(call, { status: 404, sentence: "This process has no such session" })
    const clientId = updates.clientIdOf(name)
    if (clientId === undefined) answer(false)
    else end(clientId, reason, answer)
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// routes

const isRead = ({ method }: IncomingMessage): boolean => method === "GET" || method === "HEAD"

const get = (services: PageServices, call: PageCall, below: string): void => {
  if (below === "/") return servePage(services, call)
  if (below === "/feed" && call.request.method === "GET") return feed(services, call)
  // The HTML is served behind the access check only. The other files are public.
  if (below.endsWith(".html")) return refuse(call, notFound)
  serveFile(services.assets, call, below.slice(1))
}

const post = (services: PageServices, call: PageCall, below: string): void => {
  if (below === "/login") return logIn(services, call)
  if (below === "/logout") return logOut(services, call)
  const name = /^\/sessions\/([0-9a-f]+)\/end$/.exec(below)?.[1]
  if (name === undefined) return refuse(call, notFound)
  endSession(services, call, name)
}

/** Creates the handler for requests at `path`. */
export const make = (services: PageServices, path: string): PathHandler => (request, response, { below, query }) => {
  const call = { request, response, query }
  for (const [name, value] of Object.entries(security)) response.setHeader(name, value)
  // The end of a broken connection is handled; the error adds nothing.
  request.on("error", () => {})
  response.on("error", () => {})
  // The addresses in the page are relative to its path with a slash, so it can be served under any path.
  if (below === "") return redirect(call, `${path.slice(path.lastIndexOf("/") + 1)}/`)
  if (isRead(request)) return get(services, call, below)
  if (request.method === "POST") return post(services, call, below)
  refuse(call, { status: 405, sentence: `${request.method} is not understood here` }, { Allow: "GET, HEAD, POST" })
}
