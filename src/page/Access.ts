/**
 * Who may see the monitor page: whoever has its token; or, if it has none, whoever sits at this machine.
 *
 * Without a token the connection must have come to a loopback address under a loopback name, so that neither a page of
 * somebody else's that has been given the name of this machine (DNS rebinding) nor a proxy that says whom it speaks for
 * gets in. What changes something must come from the page itself, with a token or without.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { HttpError } from "../transport/Http.ts"

/** Whether an address is of this machine alone. */
export const isLoopback = (address: string | undefined): boolean =>
  address === "::1" || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/.test(address ?? "")

const loopbackName = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i

const forwarding = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]

const isFromHere = ({ headers, socket }: IncomingMessage): boolean =>
  isLoopback(socket.localAddress) && loopbackName.test(headers.host ?? "") &&
  !forwarding.some((name) => headers[name] !== undefined)

const elsewhere: HttpError = {
  status: 403,
  sentence:
    "The monitor page is for the machine that it runs on, by the name of localhost: give it a token to open it " +
    "to others"
}
const tokenNeeded: HttpError = { status: 401, sentence: "The monitor page needs its token, as a bearer or by its form" }
const foreign: HttpError = { status: 403, sentence: "This can only be asked for by the monitor page itself" }

/** Compares in a time that says nothing of where they differ. */
const isSame = (a: string, b: string): boolean => {
  const digest = (text: string) => createHash("sha256").update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

const cookieName = "bayeux_monitor"

const cookieIn = ({ headers }: IncomingMessage): string | undefined =>
  headers.cookie?.split("; ").find((pair) => pair.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1)

/** Whether a request comes from a page of this server, or from no page at all. Browsers say so, and pages cannot. */
const isOwn = ({ headers }: IncomingMessage): boolean => {
  const site = headers["sec-fetch-site"]
  if (site !== undefined) return site === "same-origin" || site === "none"
  const { host, origin } = headers
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host)
}

/** What is behind the page's door. */
export interface Access {
  readonly hasToken: boolean
  /** Whether a request may open the page. */
  readonly open: (request: IncomingMessage) => Result.Result<void, HttpError>
  /** Whether a request may have what the page alone may have, from itself. */
  readonly use: (request: IncomingMessage) => Result.Result<void, HttpError>
  /** Whether a request comes from a page of this server, or from no page at all. */
  readonly isOwn: (request: IncomingMessage) => boolean
  /** The cookie for who knows the token; without one, the cookie that takes it away. */
  readonly cookie: (request: IncomingMessage, token?: string) => string | undefined
}

/** The cookie stands for the token, and does not tell it: it is the same after a restart and in every process. */
const pass = (token: string): string => createHmac("sha256", token).update("effect-bayeux monitor page").digest("hex")

const isEncrypted = ({ headers, socket }: IncomingMessage): boolean =>
  "encrypted" in socket || headers["x-forwarded-proto"] === "https"

const cookie = (request: IncomingMessage, rest: string): string =>
  `${cookieName}=${rest}; HttpOnly; SameSite=Strict${isEncrypted(request) ? "; Secure" : ""}`

/** The door, with a token or without. */
export const make = (token: Redacted.Redacted | undefined): Access => {
  const secret = token && Redacted.value(token)
  const granted = Result.succeed(undefined)
  const isKnown = (request: IncomingMessage, secret: string): boolean => {
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1]
    if (bearer !== undefined) return isSame(bearer, secret)
    const shown = cookieIn(request)
    return shown !== undefined && isSame(shown, pass(secret))
  }
  const open: Access["open"] = (request) => {
    if (secret === undefined) return isFromHere(request) ? granted : Result.fail(elsewhere)
    return isKnown(request, secret) ? granted : Result.fail(tokenNeeded)
  }
  return {
    hasToken: secret !== undefined,
    isOwn,
    open,
    use: (request) => isOwn(request) ? open(request) : Result.fail(foreign),
    cookie: (request, given) => {
      if (given === undefined) return cookie(request, "; Max-Age=0")
      return secret !== undefined && isSame(given, secret) ? cookie(request, pass(secret)) : undefined
    }
  }
}
