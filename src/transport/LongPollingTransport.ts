/**
 * Long-polling: messages come in the body of a POST, as JSON or as the form field `message`; the answer waits until
 * there is something to say (specification, "The long-polling Transport"). The path below the mount says nothing: CometD's
 * client appends the kind of message to it (`/bayeux/handshake`). The transport is offered under Faye's name for
 * requests from other origins as well, which CORS makes no different.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Options from "../base/Options.ts"
import { Bayeux } from "../service/Bayeux.ts"
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
  tooMany,
  withCors,
  withoutMark
} from "./Http.ts"
import { type Envelope, exchange } from "./HttpExchange.ts"

const HeaderName = Schema.String.check(
  Schema.isPattern(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, { expected: "the name of a header, such as \"X-Auth-Token\"" })
)

/** The options of {@link layer}. */
export const LongPollingOptions = Schema.Struct({
  /** The longest message in bytes; a longer one is refused with the error 413, the others of its batch are not. Default: 1 MiB. */
  maxMessage: Schema.optionalKey(Options.Count),
  /** The longest body in bytes; a longer one is answered with the status 413. Default: 16 MiB, or twice `maxMessage` if that is more. */
  maxBodyLength: Schema.optionalKey(Options.Count),
  /**
   * The headers that pages of other origins may send beside those of Bayeux's clients, by their names; `any` allows what
   * a page asks for. Default: `any`.
   */
  allowedHeaders: Schema.optionalKey(Schema.Union([Schema.Literal("any"), Schema.Array(HeaderName)]))
})
/** The options of {@link layer}. */
export type LongPollingOptions = typeof LongPollingOptions.Type

type AllowedHeaders = "any" | ReadonlyArray<string>

type Messages = Result.Result<ReadonlyArray<unknown>, HttpError>

/** A form may hold several `message` fields, each with a message or an array of them. */
const parseForm = (body: string, maxMessage: number): Messages => {
  if (body.split("&", maxMessages + 1).length > maxMessages) return tooMany
  const fields = new URLSearchParams(withoutMark(body)).getAll("message")
  if (fields.length === 0) {
    const sentence =
      "The form has no field \"message\": put an array of Bayeux messages there, or send it as application/json"
    return Result.fail({ status: 400, sentence })
  }
  return parseFields(fields, maxMessage)
}

const parse = (contentType: string, body: string, maxMessage: number): Messages => {
  switch (contentType.split(";", 1)[0]?.trim().toLowerCase()) {
    case "application/json":
      return parseMessages(body, maxMessage)
    case "application/x-www-form-urlencoded":
      return parseForm(body, maxMessage)
    // What browsers send when a page sets no type: Faye takes it for a form, CometD for JSON.
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

interface Limits {
  readonly maxMessage: number
  readonly maxBodyLength: number
}

const post = (call: HttpCall, { maxBodyLength, maxMessage }: Limits): void =>
  readBody(call.request, maxBodyLength, (body) => {
    const contentType = call.request.headers["content-type"] ?? ""
    const messages = Result.flatMap(body, (text) => parse(contentType, text, maxMessage))
    if (Result.isFailure(messages)) respondError(call, messages.failure)
    else exchange(call, messages.success, envelope)
  })

/** What Bayeux's clients send. */
const usualHeaders = ["Accept", "Authorization", "Content-Type", "Pragma", "X-Requested-With"]

/** The headers that a page may send, of those that it asks for. Who asks for none is told the usual ones. */
const allowed = ({ request }: HttpCall, headers: AllowedHeaders): string => {
  const asked = request.headers["access-control-request-headers"]
  const others = headers === "any"
    ? asked?.split(",").map((name) => name.trim()).filter((name) => name !== "")
    : headers
  const known = new Set(usualHeaders.map((name) => name.toLowerCase()))
  return [...usualHeaders, ...(others ?? []).filter((name) => !known.has(name.toLowerCase()))].join(", ")
}

/** Answers the question of a browser whether a page of another origin may send messages. */
const preflight = (call: HttpCall, headers: AllowedHeaders): void =>
  respond(
    call.response,
    200,
    withCors(call.request, {
      "Access-Control-Allow-Methods": "POST, GET",
      "Access-Control-Allow-Headers": allowed(call, headers),
      "Access-Control-Max-Age": "86400"
    }),
    ""
  )

/** Offers long-polling. */
export const layer = (options: LongPollingOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Bayeux> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { allowedHeaders = "any", maxMessage = defaultMaxMessage, maxBodyLength = hardLimit(maxMessage) } =
      yield* Options.decode(
        "LongPollingTransport.layer",
        LongPollingOptions,
        options
      )
    const bayeux = yield* Bayeux
    yield* bayeux.addTransport({
      connectionTypes: ["long-polling", "cross-origin-long-polling"],
      handle: (call) => {
        if (call.request.method === "OPTIONS") preflight(call, allowedHeaders)
        else if (call.request.method === "POST") post(call, { maxBodyLength, maxMessage })
        else return false
        return true
      }
    })
  }))
