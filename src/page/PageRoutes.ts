/** What is found at and below the path of the monitor page, and what each request to it is answered. */
import * as Result from "effect/Result"
import type { IncomingMessage, ServerResponse } from "node:http"
import { type HttpError, readBody, respond, respondAsset } from "../transport/Http.ts"
import type { PathHandler } from "../transport/NodeServer.ts"
import type { Access } from "./Access.ts"
import type * as Assets from "./Assets.ts"
import * as Filter from "./Filter.ts"
import type { Watch } from "./Watch.ts"

/** What the page is made of. */
export interface Parts {
  readonly access: Access
  readonly assets: Assets.Assets
  readonly watch: Watch
  /** Ends a session; says whether there was one. */
  readonly end: (clientId: string, reason: string, done: (ended: boolean) => void) => void
}

/** No script, style or connection but of this server; in nobody's frame; nobody is told where a link was followed. */
const security = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
    "base-uri 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Frame-Options": "DENY"
}

/** Bytes of what is posted: a token, or a reason. */
const maxBody = 4_096

interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: string
}

const refuse = ({ request, response }: Call, { sentence, status }: HttpError, headers = {}): void => {
  request.resume()
  const bearer = status === 401 ? { "WWW-Authenticate": "Bearer" } : {}
  respond(response, status, { "Content-Type": "text/plain; charset=utf-8", ...bearer, ...headers }, `${sentence}\n`)
}

const nothingHere: HttpError = { status: 404, sentence: "There is nothing here: the page is one level up" }

const redirect = ({ request, response }: Call, location: string, headers = {}): void => {
  request.resume()
  respond(response, 303, { Location: location, ...headers }, "")
}

// ---------------------------------------------------------------------------------------------------------------------
// reading

const showPage = ({ access, assets }: Parts, call: Call): void => {
  const allowed = access.open(call.request)
  if (Result.isSuccess(allowed)) return showFile(assets, call, "index.html")
  if (allowed.failure.status !== 401) return refuse(call, allowed.failure)
  showLogin(assets, call, "")
}

const showLogin = (assets: Assets.Assets, { response }: Call, complaint: string): void => {
  const html = assets.get("login.html")?.body.toString("utf8") ?? ""
  const headers = { "Content-Type": "text/html; charset=utf-8", "WWW-Authenticate": "Bearer" }
  respond(response, 401, headers, html.replace("<!-- complaint -->", complaint))
}

const showFile = (assets: Assets.Assets, call: Call, name: string): void => {
  const asset = assets.get(name)
  if (asset === undefined) refuse(call, nothingHere)
  else respondAsset(call.request, call.response, asset)
}

const feed = ({ access, watch }: Parts, call: Call): void => {
  const allowed = access.use(call.request)
  if (Result.isFailure(allowed)) return refuse(call, allowed.failure)
  if (!watch.open(call.response, Filter.parse(new URLSearchParams(call.query)))) {
    refuse(call, { status: 503, sentence: "There are too many pages open: close one" })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// writing

/** Reads what is posted, if it is of that type and comes from the page. */
const posted = ({ request }: Call, type: string, done: (body: Result.Result<string, HttpError>) => void): void => {
  if (request.headers["content-type"]?.split(";")[0] === type) return readBody(request, maxBody, done)
  done(Result.fail({ status: 415, sentence: `Send ${type}` }))
}

const logIn = ({ access, assets }: Parts, call: Call): void => {
  if (!access.isOwn(call.request)) return refuse(call, { status: 403, sentence: "Log in on the page itself" })
  posted(call, "application/x-www-form-urlencoded", (body) => {
    if (Result.isFailure(body)) return refuse(call, body.failure)
    const cookie = access.cookie(call.request, new URLSearchParams(body.success).get("token") ?? "")
    if (cookie === undefined) return showLogin(assets, call, "That is not the token.")
    redirect(call, "./", { "Set-Cookie": cookie })
  })
}

const logOut = ({ access }: Parts, call: Call): void => {
  const allowed = access.use(call.request)
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

const endSession = ({ access, end, watch }: Parts, call: Call, name: string): void => {
  const allowed = access.use(call.request)
  if (Result.isFailure(allowed)) return refuse(call, allowed.failure)
  posted(call, "application/json", (body) => {
    if (Result.isFailure(body)) return refuse(call, body.failure)
    const reason = reasonIn(body.success)
    if (reason === undefined) return refuse(call, { status: 400, sentence: "Give a reason: {\"reason\":\"why\"}" })
    const answer = (ended: boolean) =>
      ended
        ? respond(call.response, 200, { "Content-Type": "application/json" }, "{\"ended\":true}")
        : refuse(call, { status: 404, sentence: "There is no such session with this process" })
    const clientId = watch.clientIdOf(name)
    if (clientId === undefined) answer(false)
    else end(clientId, reason, answer)
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// which is which

const isRead = ({ method }: IncomingMessage): boolean => method === "GET" || method === "HEAD"

const get = (parts: Parts, call: Call, below: string): void => {
  if (below === "/") return showPage(parts, call)
  if (below === "/feed" && call.request.method === "GET") return feed(parts, call)
  // The page is for those who may see it; the rest of its files is the same everywhere.
  if (below.endsWith(".html")) return refuse(call, nothingHere)
  showFile(parts.assets, call, below.slice(1))
}

const post = (parts: Parts, call: Call, below: string): void => {
  if (below === "/login") return logIn(parts, call)
  if (below === "/logout") return logOut(parts, call)
  const name = /^\/sessions\/([0-9a-f]+)\/end$/.exec(below)?.[1]
  if (name === undefined) return refuse(call, nothingHere)
  endSession(parts, call, name)
}

/** Serves the page at `path`. */
export const make = (parts: Parts, path: string): PathHandler => (request, response, { below, query }) => {
  const call = { request, response, query }
  for (const [name, value] of Object.entries(security)) response.setHeader(name, value)
  // A broken connection is seen by its end; the error itself tells nothing more.
  request.on("error", () => {})
  response.on("error", () => {})
  // The page's own addresses are relative, so that it may be served under any path: they begin behind the slash.
  if (below === "") return redirect(call, `${path.slice(path.lastIndexOf("/") + 1)}/`)
  if (isRead(request)) return get(parts, call, below)
  if (request.method === "POST") return post(parts, call, below)
  refuse(call, { status: 405, sentence: `${request.method} is not understood here` }, { Allow: "GET, HEAD, POST" })
}
