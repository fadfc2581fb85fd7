/**
 * Long-polling: messages come in the body of a POST, as JSON or as the form field `message`; the answer to a connect is
 * held until there are messages (specification, "The long-polling Transport"). The path below the mount is ignored:
 * CometD's client appends the kind of message (`/bayeux/handshake`). Faye's `cross-origin-long-polling` is the same
 * transport, with CORS.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Options from "../base/Options.ts"
import { Connections } from "../service/Connections.ts"
import type { HttpCall } from "../service/Transport.ts"
import {
  defaultMaxMessage,
  hardLimit,
  type HttpError,
  maxMessages,
  parseFields,
  parseMessages,
  readBody,
  respond,
  respondError,
  tooManyMessages,
  withCors,
  withoutByteOrderMark
} from "./Http.ts"
import { type Envelope, exchange } from "./HttpExchange.ts"

const HeaderName = Schema.String.check(
  Schema.isPattern(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { expected: "the name of a header, such as \"X-Auth-Token\"" })
)

/** The options of {@link layer}. */
export const LongPollingOptions = Schema.Struct({
  /** Longest message in bytes; longer ones are refused with the error 413, without the rest of their batch. Default: 1 MiB. */
  maxMessage: Schema.optionalKey(Options.Count),
  /** Longest body in bytes; longer ones are answered with the status 413. Default: 16 MiB, or twice `maxMessage` if that is more. */
  maxBodyLength: Schema.optionalKey(Options.Count),
  /**
   * Names of headers that pages of other origins may send, in addition to those of Bayeux clients; `any` allows all that
   * a page requests. Default: `any`.
   */
  allowedHeaders: Schema.optionalKey(Schema.Union([Schema.Literal("any"), Schema.Array(HeaderName)]))
})
/** The options of {@link layer}. */
export type LongPollingOptions = typeof LongPollingOptions.Type

type AllowedHeaders = "any" | ReadonlyArray<string>

type ParsedMessages = Result.Result<ReadonlyArray<unknown>, HttpError>

/** Parses a form. It may have several fields `message`, each with a message or an array of them. */
const parseForm = (body: string, maxMessage: number): ParsedMessages => {
  if (body.split("&", maxMessages + 1).length > maxMessages) return tooManyMessages
  const fields = new URLSearchParams(withoutByteOrderMark(body)).getAll("message")
  if (fields.length === 0) {
    const sentence =
      "The form has no field \"message\": put an array of Bayeux messages there, or send it as application/json"
    return Result.fail({ status: 400, sentence })
  }
  return parseFields(fields, maxMessage)
}

const parse = (contentType: string, body: string, maxMessage: number): ParsedMessages => {
  switch (contentType.split(";", 1)[0]?.trim().toLowerCase()) {
    case "application/json":
      return parseMessages(body, maxMessage)
    case "application/x-www-form-urlencoded":
      return parseForm(body, maxMessage)
    // The type that browsers send if a page sets none. Faye's server takes it for a form, CometD's for JSON.
    case undefined:
    case "":
    case "text/plain":
      return /^\s*[[{]/.test(body) ? parseMessages(body, maxMessage) : parseForm(body, maxMessage)
    default: {
      const sentence =
        `The type "${contentType}" is not understood: send application/json or application/x-www-form-urlencoded`
      return Result.fail({ status: 415, sentence })
    }
  }
}

const envelope: Envelope = {
  connectionType: "long-polling",
  headers: { "Content-Type": "application/json; charset=utf-8" },
  body: (frame) => frame.text
}

interface SizeLimits {
  readonly maxMessage: number
  readonly maxBodyLength: number
}

const post = (call: HttpCall, { maxBodyLength, maxMessage }: SizeLimits): void =>
  readBody(call.request, maxBodyLength, (body) => {
    const contentType = call.request.headers["content-type"] ?? ""
    const messages = Result.flatMap(body, (text) => parse(contentType, text, maxMessage))
    if (Result.isFailure(messages)) respondError(call, messages.failure)
    else exchange(call, messages.success, envelope)
  })

/** Headers of Bayeux clients. */
const clientHeaders = ["Accept", "Authorization", "Content-Type", "Pragma", "X-Requested-With"]

/** Returns the value of `Access-Control-Allow-Headers`: the headers of Bayeux clients, and other allowed ones. */
const allowList = ({ request }: HttpCall, headers: AllowedHeaders): string => {
  const requested = request.headers["access-control-request-headers"]
  const others = headers === "any"
    ? requested?.split(",").map((name) => name.trim()).filter((name) => name !== "")
    : headers
  const known = new Set(clientHeaders.map((name) => name.toLowerCase()))
  return [...clientHeaders, ...(others ?? []).filter((name) => !known.has(name.toLowerCase()))].join(", ")
}

/** Answers a CORS preflight request. */
const preflight = (call: HttpCall, headers: AllowedHeaders): void =>
  respond(
    call.response,
    200,
    withCors(call.request, {
      "Access-Control-Allow-Methods": "POST, GET",
      "Access-Control-Allow-Headers": allowList(call, headers),
      "Access-Control-Max-Age": "86400"
    }),
    ""
  )

/** Adds long-polling to the service. */
export const layer = (options: LongPollingOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Connections> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { allowedHeaders = "any", maxMessage = defaultMaxMessage, maxBodyLength = hardLimit(maxMessage) } =
      yield* Options.decode(
        "LongPollingTransport.layer",
        LongPollingOptions,
        options
      )
    const { addTransport } = yield* Connections
    yield* addTransport({
      connectionTypes: ["long-polling", "cross-origin-long-polling"],
      handle: (call) => {
        if (call.request.method === "OPTIONS") preflight(call, allowedHeaders)
        else if (call.request.method === "POST") post(call, { maxBodyLength, maxMessage })
        else return false
        return true
      }
    })
  }))
