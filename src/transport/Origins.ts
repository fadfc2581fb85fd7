/**
 * Origins of pages (RFC 6454) that may use a service, for all transports alike: CORS does not cover WebSockets, scripts
 * and forms, so the server checks the origin itself, before any message.
 *
 * Browsers name the origin of the page in POST, WebSocket and EventSource requests to other origins. In requests for
 * scripts (JSONP) and within an origin they send `Sec-Fetch-Site` instead. Programs send neither and are admitted.
 *
 * The clients of Faye and CometD send requests with credentials and ignore an answer without the header that allows them.
 * So pages of any origin get that header; but credentials that browsers add by themselves (cookies and passwords) are
 * removed from the request unless the origin is listed or the server's own.
 */
import * as Schema from "effect/Schema"
import type { IncomingMessage } from "node:http"

const Origin = Schema.String.check(
  Schema.isPattern(/^(?:[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+|null)$/, {
    expected: "an origin such as \"https://app.example\", with a port unless it is the usual one, and without a path"
  })
)

/**
 * `"any"`: pages of every origin, without cookies and passwords if they are not the server's own. `"loopback"`: pages of
 * this machine. An array: pages of these origins, and of the server's own. `"null"` stands for files and sandboxes.
 */
export const Origins = Schema.Union([Schema.Literals(["any", "loopback"]), Schema.Array(Origin)])
/** The origins that may use a service. */
export type Origins = typeof Origins.Type

const loopbackHost = /^(?:localhost|(?:[a-z0-9-]+\.)*localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i

const hostOf = (url: string | undefined): string | undefined =>
  url !== undefined && URL.canParse(url) ? new URL(url).host : undefined

const originOf = (url: string | undefined): string | undefined =>
  url !== undefined && URL.canParse(url) ? new URL(url).origin : undefined

/** Whether a browser has sent a request within an origin, or by hand. */
const isSameOrigin = ({ headers: { host, origin, "sec-fetch-site": site } }: IncomingMessage): boolean =>
  origin === undefined ? site === undefined || site === "same-origin" || site === "none" : hostOf(origin) === host

/** Whether a request comes from a program: it names neither an origin nor a site. */
const isProgram = ({ headers }: IncomingMessage): boolean =>
  headers.origin === undefined && headers["sec-fetch-site"] === undefined

/** The origin of the page, which a script's request shows in its referrer only. */
const pageOf = ({ headers }: IncomingMessage): string | undefined => headers.origin ?? originOf(headers.referer)

const isLoopback = (request: IncomingMessage): boolean => {
  const page = pageOf(request)
  if (page !== undefined) return loopbackHost.test(hostOf(page) ?? "")
  // A page whose name has been pointed at this machine (DNS rebinding) may hide its name, but asks for it.
  return isSameOrigin(request) && loopbackHost.test(request.headers.host ?? "")
}

const isListed = (request: IncomingMessage, origins: ReadonlyArray<string>): boolean => {
  const page = pageOf(request)
  return isSameOrigin(request) || (page !== undefined && origins.includes(page))
}

/** Schemes of `Authorization` that browsers add by themselves. Others, such as `Bearer`, are set by the page. */
const ambient = /^(?:basic|digest|negotiate|ntlm)\b/i

const removeCredentials = ({ headers }: IncomingMessage): void => {
  delete headers.cookie
  if (ambient.test(headers.authorization ?? "")) delete headers.authorization
}

/** Whether a request is admitted. Removes the browser's credentials if the page is of a foreign origin. */
export const admit = (request: IncomingMessage, origins: Origins): boolean => {
  if (isProgram(request)) return true
  if (origins === "loopback") return isLoopback(request)
  if (origins !== "any") return isListed(request, origins)
  if (!isSameOrigin(request)) removeCredentials(request)
  return true
}

/** Answer to pages of an origin that is not allowed. It does not name the allowed ones. */
export const sentence =
  "Pages of this origin are not allowed: add it to the option \"origins\" of the server, or to --origin of the command"
