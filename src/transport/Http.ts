/**
 * What the HTTP transports share: reading a body, reading messages out of text, answering.
 *
 * Everything a peer can get wrong here ends in a status and a plain sentence that says what was wrong.
 */
import * as Result from "effect/Result"
import { isUtf8 } from "node:buffer"
import { createHash } from "node:crypto"
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http"
import * as LongText from "../service/LongText.ts"
import type { CloseReason } from "../service/Transport.ts"
import * as ContentEncoding from "./ContentEncoding.ts"

/** Why a request was refused: a status and what to do about it, in words and, where there are such, in headers. */
export interface HttpError {
  readonly status: number
  readonly sentence: string
  readonly headers?: OutgoingHttpHeaders
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
  Unavailable: stopping,
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

/** Whether a browser's EventSource asks. It never asks again where it gets anything but a stream. */
export const asksForStream = ({ headers, method }: IncomingMessage): boolean =>
  method === "GET" && headers.accept?.includes("text/event-stream") === true

/** Begins a stream of events. When it has ended or broken, a browser opens it again in a second. */
export const beginStream = (request: IncomingMessage, response: ServerResponse): void => {
  const headers = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-store",
    "X-Accel-Buffering": "no"
  }
  response.writeHead(200, withCors(request, headers))
  response.write("retry: 1000\r\n\r\n")
}

const lingerTimeout = 5_000

/**
 * Lets a body that nobody wants run into the void, for a while: a server that hangs up on a peer that is still sending
 * takes its answer from it.
 */
const discard = (request: IncomingMessage): void => {
  // @effect-diagnostics-next-line globalTimers:off -- the network's time, not the protocol's; there is no effect here
  const timer = setTimeout(() => request.socket.destroy(), lingerTimeout)
  request.on("close", () => clearTimeout(timer)).resume()
}

/** Answers with a sentence. */
export const respondError = (
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  error: HttpError,
  headers: OutgoingHttpHeaders = {}
): void => {
  if (response.headersSent || response.destroyed) return
  if (!request.complete) discard(request)
  const type = { "Content-Type": "text/plain; charset=utf-8" }
  respond(response, error.status, { ...withCors(request, type), ...error.headers, ...headers }, `${error.sentence}\n`)
}

/** A file that is served as it is. */
export interface Asset {
  readonly body: Buffer
  readonly type: string
  readonly etag: string
}

/** A file, with a tag that stands for its bytes. */
export const asset = (body: Buffer, type: string): Asset => ({
  body,
  type,
  etag: `"${createHash("sha256").update(body).digest("hex").slice(0, 32)}"`
})

/** Whether the peer has what the tag stands for. Proxies that compress make tags weak (RFC 9110, section 13.1.2). */
const isKnown = (request: IncomingMessage, etag: string): boolean =>
  request.headers["if-none-match"]?.split(",").some((given) => {
    const tag = given.trim()
    return tag === "*" || tag === etag || tag === `W/${etag}`
  }) === true

/** Answers with a file, or with 304 if the peer has it. */
export const respondAsset = (request: IncomingMessage, response: ServerResponse, { body, etag, type }: Asset): void => {
  const headers = { "Content-Type": type, "Cache-Control": "no-cache", "ETag": etag }
  if (!isKnown(request, etag)) return respond(response, 200, headers, body)
  response.writeHead(304, headers)
  response.end()
}

const tooLarge = (limit: number) =>
  fail(413, `The body is longer than ${limit} bytes, the most that is accepted: send fewer or smaller messages at once`)

type Body = Result.Result<Buffer, HttpError>

/** Reads the bytes of a body as they were sent. */
const readBytes = (request: IncomingMessage, limit: number, done: (body: Body) => void): void => {
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
  const onEnd = () => done(Result.succeed(chunks.length === 1 ? chunks[0] as Buffer : Buffer.concat(chunks)))
  request.on("data", onData).on("end", onEnd)
}

const notUnderstood = (encoding: string) =>
  Result.fail<HttpError>({
    status: 415,
    sentence: `The encoding "${encoding}" is not understood: send the body as it is, or in ${
      ContentEncoding.names.join(", ")
    }`,
    headers: { "Accept-Encoding": ContentEncoding.names.join(", ") }
  })

/** What was compressed, as it was before; that is bounded, too. */
const inflate = (
  request: IncomingMessage,
  encoding: string,
  { bytes, limit }: { readonly bytes: Buffer; readonly limit: number },
  done: (body: Body) => void
): void =>
  ContentEncoding.decode(encoding, bytes, limit, (decoded) => {
    if (request.socket.destroyed) return
    if (decoded instanceof Buffer) return done(Result.succeed(decoded))
    const sentence = `The body is not what its encoding "${encoding}" says: it cannot be read`
    done(decoded === "TooLong" ? tooLarge(limit) : fail(400, sentence))
  })

const decodeText = (bytes: Buffer): Result.Result<string, HttpError> =>
  isUtf8(bytes) ? Result.succeed(bytes.toString("utf8")) : fail(400, "The body is not UTF-8: send JSON in UTF-8")

/**
 * Reads a body in UTF-8 of at most `limit` bytes, before and after it was compressed. Nothing is called when the peer
 * leaves before its end.
 */
export const readBody = (
  request: IncomingMessage,
  limit: number,
  done: (body: Result.Result<string, HttpError>) => void
): void => {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? ""
  const finish = (body: Body) => done(Result.flatMap(body, decodeText))
  if (encoding === "" || encoding === "identity") return readBytes(request, limit, finish)
  if (!ContentEncoding.isKnown(encoding)) return done(notUnderstood(encoding))
  readBytes(request, limit, (body) =>
    Result.isFailure(body)
      ? finish(body)
      : inflate(request, encoding, { bytes: body.success, limit }, finish))
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
      i = LongText.endOfString(text, i)
      continue
    }
    if (code === 91 || code === 123) depth += 1
    else if (code === 93 || code === 125) depth -= 1
    if (depth > maxDepth) return true
  }
  return false
}

/** The most messages of a batch: each of them gets an answer that may be longer than itself. */
export const maxMessages = 10_000

/** The longest message in bytes, if nobody says otherwise. */
export const defaultMaxMessage = 1 << 20

/** The longest body or frame in bytes, if nobody says otherwise: enough to tell whose messages are too long. */
export const hardLimit = (maxMessage: number): number => Math.max(1 << 24, 2 * maxMessage)

/** The answer to a batch that is too long. */
export const tooMany = fail(400, `There are more than ${maxMessages} messages: send them in several requests`)

/** The messages in the fields of a form or query, each of which holds one or an array of them. */
export const parseFields = (
  fields: ReadonlyArray<string>,
  maxMessage = Infinity
): Result.Result<ReadonlyArray<unknown>, HttpError> => {
  const all: Array<unknown> = []
  for (const field of fields) {
    const messages = parseMessages(field, maxMessage)
    if (Result.isFailure(messages)) return messages
    if (all.length + messages.success.length > maxMessages) return tooMany
    for (const message of messages.success) all.push(message)
  }
  return Result.succeed(all)
}

/** A text without the byte order mark that some programs put before it (RFC 8259, section 8.1). */
export const withoutMark = (text: string): string => text.charCodeAt(0) === 0xfeff ? text.slice(1) : text

const tooDeep = fail(400, `The messages are nested deeper than ${maxDepth} levels: flatten their data`)
const notJson = fail(400, "The messages are not JSON: send an array of Bayeux messages")

/**
 * The messages in a JSON text: an array of them, or a single one (specification, "Messages"). In a text that is longer
 * than a message may be each message is looked at by itself; in the place of one that is too long there is a `TooLong`.
 */
export const parseMessages = (
  given: string,
  maxMessage = Infinity
): Result.Result<ReadonlyArray<unknown>, HttpError> => {
  const text = withoutMark(given)
  if (isLonger(text, maxMessage)) return parseEach(text, maxMessage)
  if (isTooDeep(text)) return tooDeep
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return notJson
  }
  if (Array.isArray(json)) return json.length > maxMessages ? tooMany : Result.succeed(json)
  if (typeof json === "object" && json !== null) return Result.succeed([json])
  return fail(400, "The messages are neither an array nor an object: send an array of Bayeux messages")
}

/** Whether a text is longer than so many bytes in UTF-8, which has three for a character of one unit at the most. */
const isLonger = (text: string, bytes: number): boolean => text.length > bytes / 3 && Buffer.byteLength(text) > bytes

const parseEach = (text: string, maxMessage: number): Result.Result<ReadonlyArray<unknown>, HttpError> => {
  const opening = /^\s*([[{])/.exec(text)?.[1]
  if (opening === undefined) return notJson
  if (opening === "{") return Result.succeed([LongText.tooLong(text, maxMessage)])
  const messages: Array<unknown> = []
  try {
    const flaw = LongText.visitParts(text, maxDepth, (start, end) => {
      const message = text.slice(start, end)
      messages.push(isLonger(message, maxMessage) ? LongText.tooLong(message, maxMessage) : JSON.parse(message))
      return messages.length <= maxMessages
    })
    if (flaw !== undefined) return flaw === "TooDeep" ? tooDeep : notJson
  } catch {
    return notJson
  }
  return messages.length > maxMessages ? tooMany : Result.succeed(messages)
}
