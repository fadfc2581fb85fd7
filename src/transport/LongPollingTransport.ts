/**
 * Long-polling: messages come in the body of a POST, as JSON or as the form field `message`; the answer waits until
 * there is something to say (specification, "The long-polling Transport"). The path below the mount says nothing: CometD's
 * client appends the kind of message to it (`/bayeux/handshake`). The transport is offered under Faye's name for
 * requests from other origins as well, which CORS makes no different.
 */
import { Effect, Layer, Result, Schema } from "effect"
import { Bayeux } from "../Bayeux.ts"
import * as Options from "../Options.ts"
import {
  type HttpError,
  maxMessages,
  parseFields,
  parseMessages,
  readBody,
  respond,
  respondError,
  tooMany,
  withCors
} from "./Http.ts"
import { type Envelope, exchange } from "./HttpExchange.ts"
import type { HttpCall } from "./Transport.ts"

/** The options of {@link layer}. */
export const LongPollingOptions = Schema.Struct({
  /** The longest body in bytes; a longer one is answered with 413. Default: 1 MiB. */
  maxBodyLength: Schema.optionalKey(Options.Count)
})
/** The options of {@link layer}. */
export type LongPollingOptions = typeof LongPollingOptions.Type

type Messages = Result.Result<ReadonlyArray<unknown>, HttpError>

/** A form may hold several `message` fields, each with a message or an array of them. */
const parseForm = (body: string): Messages => {
  if (body.split("&", maxMessages + 1).length > maxMessages) return tooMany
  const fields = new URLSearchParams(body).getAll("message")
  if (fields.length === 0) {
    const sentence =
      "The form has no field \"message\": put an array of Bayeux messages there, or send it as application/json"
    return Result.fail({ status: 400, sentence })
  }
  return parseFields(fields)
}

const parse = (contentType: string, body: string): Messages => {
  switch (contentType.split(";", 1)[0]?.trim().toLowerCase()) {
    case "application/json":
      return parseMessages(body)
    case "application/x-www-form-urlencoded":
      return parseForm(body)
    // What browsers send when a page sets no type: Faye takes it for a form, CometD for JSON.
    case undefined:
    case "":
    case "text/plain":
      return /^\s*[[{]/.test(body) ? parseMessages(body) : parseForm(body)
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

const post = (call: HttpCall, maxBodyLength: number): void =>
  readBody(call.request, maxBodyLength, (body) => {
    const contentType = call.request.headers["content-type"] ?? ""
    const messages = Result.flatMap(body, (text) => parse(contentType, text))
    if (Result.isFailure(messages)) respondError(call, messages.failure)
    else exchange(call, messages.success, envelope)
  })

/** Answers the question of a browser whether a page of another origin may send messages. */
const preflight = ({ request, response }: HttpCall): void =>
  respond(
    response,
    200,
    withCors(request, {
      "Access-Control-Allow-Methods": "POST, GET",
      "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, Pragma, X-Requested-With",
      "Access-Control-Max-Age": "86400"
    }),
    ""
  )

/** Offers long-polling. */
export const layer = (options: LongPollingOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Bayeux> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { maxBodyLength = 1 << 20 } = yield* Options.decode("LongPollingTransport.layer", LongPollingOptions, options)
    const bayeux = yield* Bayeux
    yield* bayeux.addTransport({
      connectionTypes: ["long-polling", "cross-origin-long-polling"],
      handle: (call) => {
        if (call.request.method === "OPTIONS") preflight(call)
        else if (call.request.method === "POST") post(call, maxBodyLength)
        else return false
        return true
      }
    })
  }))
