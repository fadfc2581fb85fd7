/**
 * Access to the monitor page: by its token or, if it has none, from this machine only.
 *
 * Without a token a request must come to a loopback address under a loopback name, and without headers of a proxy. This
 * excludes foreign pages whose name resolves to this machine (DNS rebinding), and clients of proxies. Requests that
 * change something must come from the page itself, with a token or without.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { HttpError } from "../transport/Http.ts"

/** Whether an address is a loopback address. */
export const isLoopback = (address: string | undefined): boolean =>
  address === "::1" || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/.test(address ?? "")

const loopbackName = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i

const proxyHeaders = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]

const isLocal = ({ headers, socket }: IncomingMessage): boolean =>
  isLoopback(socket.localAddress) && loopbackName.test(headers.host ?? "") &&
  !proxyHeaders.some((name) => headers[name] !== undefined)

const notLocal: HttpError = {
  status: 403,
  sentence:
    "Without a token the monitor page is served to this machine only, under the name localhost: give it a token to " +
    "open it to others"
}
const tokenRequired: HttpError = {
  status: 401,
  sentence: "The monitor page requires its token: log in with its form, or send it as a bearer token"
}
const crossOrigin: HttpError = { status: 403, sentence: "Only the monitor page itself may send this request" }

/** Compares in constant time. */
const isSame = (a: string, b: string): boolean => {
  const digest = (text: string) => createHash("sha256").update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

const cookieName = "bayeux_monitor"

const cookieIn = ({ headers }: IncomingMessage): string | undefined =>
  headers.cookie?.split("; ").find((pair) => pair.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1)

/** Whether a request comes from a page of this server, or from no page at all, by headers that pages cannot set. */
const isSameOrigin = ({ headers }: IncomingMessage): boolean => {
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site === "same-origin" || site === "none"
  const { host, origin } = headers
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host)
}

/** Access checks of the page. */
export interface Access {
  readonly hasToken: boolean
  /** Checks whether a request may open the page. Failure: 401 or 403. */
  readonly authorize: (request: IncomingMessage) => Result.Result<void, HttpError>
  /** Checks a request that only the page itself may send. Failure: 401 or 403. */
  readonly authorizeOwn: (request: IncomingMessage) => Result.Result<void, HttpError>
  /** Whether a request comes from a page of this server, or from no page at all. */
  readonly isSameOrigin: (request: IncomingMessage) => boolean
  /** Returns the `Set-Cookie` for the token, undefined if it is wrong; without a token one that deletes the cookie. */
  readonly cookie: (request: IncomingMessage, token?: string) => string | undefined
}

/** Value of the cookie: a keyed hash, which does not reveal the token. It is the same after a restart and in all processes. */
const cookieValue = (token: string): string =>
  createHmac("sha256", token).update("effect-bayeux monitor page").digest("hex")

const isEncrypted = ({ headers, socket }: IncomingMessage): boolean =>
  "encrypted" in socket || headers["x-forwarded-proto"] === "https"

const cookie = (request: IncomingMessage, rest: string): string =>
  `${cookieName}=${rest}; HttpOnly; SameSite=Strict${isEncrypted(request) ? "; Secure" : ""}`

/** Creates the checks, with a token or without. */
export const make = (token: Redacted.Redacted | undefined): Access => {
  const secret = token && Redacted.value(token)
  const granted = Result.succeed(undefined)
  const isAuthorized = (request: IncomingMessage, secret: string): boolean => {
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1]
    if (bearer !== undefined) return isSame(bearer, secret)
    const value = cookieIn(request)
    return value !== undefined && isSame(value, cookieValue(secret))
  }
  const authorize: Access["authorize"] = (request) => {
    if (secret === undefined) return isLocal(request) ? granted : Result.fail(notLocal)
    return isAuthorized(request, secret) ? granted : Result.fail(tokenRequired)
  }
  return {
    hasToken: secret !== undefined,
    isSameOrigin,
    authorize,
    authorizeOwn: (request) => isSameOrigin(request) ? authorize(request) : Result.fail(crossOrigin),
    cookie: (request, given) => {
      if (given === undefined) return cookie(request, "; Max-Age=0")
      return secret !== undefined && isSame(given, secret) ? cookie(request, cookieValue(secret)) : undefined
    }
  }
}
