/**
 * What the HTTP transports share: reading a body, reading messages out of text, answering.
 *
 * Everything a peer can get wrong here ends in a status and a plain sentence that says what was wrong.
 */
import { Result } from "effect"
import { isUtf8 } from "node:buffer"
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http"
import type { CloseReason } from "./Transport.ts"

/** Why a request was refused: a status and what to do about it. */
export interface HttpError {
  readonly status: number
  readonly sentence: string
}

const stopping: HttpError = { status: 503, sentence: "The server stops: try again in a moment" }

/** What a request is told that the service closes before it has an answer. */
export const closeErrors: { readonly [reason in CloseReason]: HttpError } = {
  SessionEnded: stopping,
  SessionMoved: stopping,
  UnknownClient: stopping,
  StreamRefused: {
    status: 409,
    sentence: "The session acknowledges its messages: it gets them with the answers to its connects, not as a stream"
  },
  Shutdown: stopping,
  ServerError: { status: 500, sentence: "The server has failed with this request" }
}

const fail = (status: number, sentence: string): Result.Result<never, HttpError> => Result.fail({ status, sentence })

/**
 * The headers by which pages of other origins may talk to the server, with their cookies. A Bayeux server decides by
 * `clientId` and extensions who may do what, not by where a page came from; an extension can check the origin.
 */
export const withCors = (request: IncomingMessage, headers: OutgoingHttpHeaders): OutgoingHttpHeaders => {
  const { origin } = request.headers
  return origin === undefined ? headers : {
    ...headers,
    "Access-Control-Allow-Origin": origin,
    "Access-Control-Allow-Credentials": "true",
    "Vary": "Origin"
  }
}

/** Answers with a whole body. */
export const respond = (
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: string | Buffer
): void => {
  response.writeHead(status, {
    "Cache-Control": "no-cache, no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Length": Buffer.byteLength(body),
    ...headers
  })
  response.end(body)
}

const patience = 5_000

/**
 * Lets a body that nobody wants run into the void, for a while: a server that hangs up on a peer that is still sending
 * takes its answer from it.
 */
const discard = (request: IncomingMessage): void => {
  // @effect-diagnostics-next-line globalTimers:off -- the network's time, not the protocol's; there is no effect here
  const timer = setTimeout(() => request.socket.destroy(), patience)
  request.on("close", () => clearTimeout(timer)).resume()
}

/** Answers with a sentence. */
export const respondError = (
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  { sentence, status }: HttpError,
  headers: OutgoingHttpHeaders = {}
): void => {
  if (response.headersSent || response.destroyed) return
  if (!request.complete) discard(request)
  const type = { "Content-Type": "text/plain; charset=utf-8" }
  respond(response, status, { ...withCors(request, type), ...headers }, `${sentence}\n`)
}

const tooLarge = (limit: number) =>
  fail(413, `The body is longer than ${limit} bytes, the most that is accepted: send fewer or smaller messages at once`)

/** Reads a body in UTF-8 of at most `limit` bytes. Nothing is called when the peer leaves before its end. */
export const readBody = (
  request: IncomingMessage,
  limit: number,
  done: (body: Result.Result<string, HttpError>) => void
): void => {
  if (Number(request.headers["content-length"] ?? 0) > limit) return done(tooLarge(limit))
  const chunks: Array<Buffer> = []
  let length = 0
  const onData = (chunk: Buffer) => {
    length += chunk.length
    if (length <= limit) return void chunks.push(chunk)
    chunks.length = 0
    request.off("data", onData).off("end", onEnd)
    done(tooLarge(limit))
  }
  const onEnd = () => {
    const body = chunks.length === 1 ? chunks[0] as Buffer : Buffer.concat(chunks)
    done(isUtf8(body) ? Result.succeed(body.toString("utf8")) : fail(400, "The body is not UTF-8: send JSON in UTF-8"))
  }
  request.on("data", onData).on("end", onEnd)
}

/** The deepest nesting of arrays and objects that is accepted: more could exhaust the stack when it is written again. */
export const maxDepth = 100

/** Whether a text has more than `most` of a character; it looks no further than that. */
const hasMoreThan = (text: string, character: string, most: number): boolean => {
  let at = -1
  for (let left = most; left >= 0; left--) {
    at = text.indexOf(character, at + 1)
    if (at < 0) return false
  }
  return true
}

/**
 * Whether a JSON text nests deeper than {@link maxDepth}; brackets in strings do not count. A text that has few brackets
 * anywhere, as nearly each has, need not be read for that.
 */
const isTooDeep = (text: string): boolean => {
  if (!hasMoreThan(text, "[", maxDepth / 2) && !hasMoreThan(text, "{", maxDepth / 2)) return false
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 34) {
      i = endOfString(text, i)
      continue
    }
    if (code === 91 || code === 123) depth += 1
    else if (code === 93 || code === 125) depth -= 1
    if (depth > maxDepth) return true
  }
  return false
}

const endOfString = (text: string, start: number): number => {
  for (let i = start + 1;; i++) {
    const end = text.indexOf("\"", i)
    if (end < 0) return text.length
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === 92) backslashes++
    if (backslashes % 2 === 0) return end
    i = end
  }
}

/** The most messages of a batch: each of them gets an answer that may be longer than itself. */
export const maxMessages = 10_000

/** The answer to a batch that is too long. */
export const tooMany = fail(400, `There are more than ${maxMessages} messages: send them in several requests`)

/** The messages in the fields of a form or query, each of which holds one or an array of them. */
export const parseFields = (fields: ReadonlyArray<string>): Result.Result<ReadonlyArray<unknown>, HttpError> => {
  const all: Array<unknown> = []
  for (const field of fields) {
    const messages = parseMessages(field)
    if (Result.isFailure(messages)) return messages
    if (all.length + messages.success.length > maxMessages) return tooMany
    for (const message of messages.success) all.push(message)
  }
  return Result.succeed(all)
}

/** The messages in a JSON text: an array of them, or a single one (specification, "Messages"). */
export const parseMessages = (text: string): Result.Result<ReadonlyArray<unknown>, HttpError> => {
  if (isTooDeep(text)) return fail(400, `The messages are nested deeper than ${maxDepth} levels: flatten their data`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return fail(400, "The messages are not JSON: send an array of Bayeux messages")
  }
  if (Array.isArray(json)) return json.length > maxMessages ? tooMany : Result.succeed(json)
  if (typeof json === "object" && json !== null) return Result.succeed([json])
  return fail(400, "The messages are neither an array nor an object: send an array of Bayeux messages")
}
