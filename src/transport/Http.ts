/**
 * Functions that the HTTP transports share: reading bodies, parsing messages, answering. Errors of a peer are values
 * (`HttpError`): a status and a sentence for the answer.
 */
import * as Result from "effect/Result"
import { isUtf8 } from "node:buffer"
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http"
import * as LongText from "../service/LongText.ts"
import type { CloseReason } from "../service/Transport.ts"
import * as ContentEncoding from "./ContentEncoding.ts"

/** Error of a request: the status, and a sentence and headers that say what to do about it. */
export interface HttpError {
  readonly status: number
  readonly sentence: string
  readonly headers?: OutgoingHttpHeaders
}

const stopping: HttpError = { status: 503, sentence: "The server stops: try again in a moment" }

/** Answers to requests that the service closes without an answer of its own. */
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
 * Adds the CORS headers that allow requests of other origins, with cookies. Access in Bayeux depends on the `clientId`
 * and extensions, not on the origin of a page; an extension can check the origin.
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

/** Whether a request comes from a browser's EventSource. Any answer but a stream ends its attempts for good. */
export const isStreamRequest = ({ headers, method }: IncomingMessage): boolean =>
  method === "GET" && headers.accept?.includes("text/event-stream") === true

/** Begins a stream of server-sent events. The browser reopens it a second after its end. */
export const beginStream = (request: IncomingMessage, response: ServerResponse): void => {
  const headers = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-store",
    "X-Accel-Buffering": "no"
  }
  response.writeHead(200, withCors(request, headers))
  response.write("retry: 1000\r\n\r\n")
}

/** Time for which the rest of a refused body is read, in milliseconds. */
const lingerTimeout = 5_000

/**
 * Reads and discards the rest of a body, for a while. If the server closed the connection while the peer still sends, the
 * peer might not get the answer (RFC 9112, section 9.6).
 */
const discard = (request: IncomingMessage): void => {
  // @effect-diagnostics-next-line globalTimers:off -- the network's time, not the protocol's; there is no effect here
  const timer = setTimeout(() => request.socket.destroy(), lingerTimeout)
  request.on("close", () => clearTimeout(timer)).resume()
}

/** Answers with the sentence of an error. */
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

const tooLarge = (limit: number) =>
  fail(413, `The body is longer than ${limit} bytes, the most that is accepted: send fewer or smaller messages at once`)

type Body = Result.Result<Buffer, HttpError>

/** Reads the bytes of a body without decoding. */
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

const unsupportedEncoding = (encoding: string) =>
  Result.fail<HttpError>({
    status: 415,
    sentence: `The encoding "${encoding}" is not understood: send the body as it is, or in ${
      ContentEncoding.names.join(", ")
    }`,
    headers: { "Accept-Encoding": ContentEncoding.names.join(", ") }
  })

/** Decompresses a body to at most `limit` bytes. */
const decompress = (
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
 * Reads a body in UTF-8. `limit` in bytes applies before and after decompression. `done` is not called if the peer
 * disconnects before the end of the body.
 */
export const readBody = (
  request: IncomingMessage,
  limit: number,
  done: (body: Result.Result<string, HttpError>) => void
): void => {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? ""
  const finish = (body: Body) => done(Result.flatMap(body, decodeText))
  if (encoding === "" || encoding === "identity") return readBytes(request, limit, finish)
  if (!ContentEncoding.isKnown(encoding)) return done(unsupportedEncoding(encoding))
  readBytes(request, limit, (body) =>
    Result.isFailure(body)
      ? finish(body)
      : decompress(request, encoding, { bytes: body.success, limit }, finish))
}

/** Deepest nesting of arrays and objects that is accepted. Deeper values could exhaust the stack when they are encoded. */
export const maxDepth = 100

/** Whether a text has more than `most` of a character. Stops as soon as that is known. */
const hasMoreThan = (text: string, character: string, most: number): boolean => {
  let at = -1
  for (let left = most; left >= 0; left--) {
    at = text.indexOf(character, at + 1)
    if (at < 0) return false
  }
  return true
}

/**
 * Whether a JSON text is nested deeper than {@link maxDepth}. Brackets in strings do not count. Texts with few brackets,
 * nearly all of them, are recognised without a scan.
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

/** Highest number of messages in a batch. Each of them gets an answer, which may be longer than the message. */
export const maxMessages = 10_000

/** Default of the longest message, in bytes. */
export const defaultMaxMessage = 1 << 20

/** Default of the longest body or frame, in bytes: longer than `maxMessage`, to refuse messages that are too long by id. */
export const hardLimit = (maxMessage: number): number => Math.max(1 << 24, 2 * maxMessage)

/** Error for a batch with too many messages. */
export const tooManyMessages = fail(400, `There are more than ${maxMessages} messages: send them in several requests`)

/** Parses the messages in the fields of a form or query, each of which has one or an array of them. */
export const parseFields = (
  fields: ReadonlyArray<string>,
  maxMessage = Infinity
): Result.Result<ReadonlyArray<unknown>, HttpError> => {
  const all: Array<unknown> = []
  for (const field of fields) {
    const messages = parseMessages(field, maxMessage)
    if (Result.isFailure(messages)) return messages
    if (all.length + messages.success.length > maxMessages) return tooManyMessages
    for (const message of messages.success) all.push(message)
  }
  return Result.succeed(all)
}

/** Removes the byte order mark that some programs put before a text (RFC 8259, section 8.1). */
export const withoutByteOrderMark = (text: string): string => text.charCodeAt(0) === 0xfeff ? text.slice(1) : text

const tooDeep = fail(400, `The messages are nested deeper than ${maxDepth} levels: flatten their data`)
const notJson = fail(400, "The messages are not JSON: send an array of Bayeux messages")

/**
 * Parses a JSON text: an array of messages, or a single one (specification, "Messages"). If the text is longer than
 * `maxMessage`, each message is parsed by itself, and a `TooLong` takes the place of those that are too long.
 */
export const parseMessages = (
  input: string,
  maxMessage = Infinity
): Result.Result<ReadonlyArray<unknown>, HttpError> => {
  const text = withoutByteOrderMark(input)
  if (isLonger(text, maxMessage)) return parseEach(text, maxMessage)
  if (isTooDeep(text)) return tooDeep
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return notJson
  }
  if (Array.isArray(json)) return json.length > maxMessages ? tooManyMessages : Result.succeed(json)
  if (typeof json === "object" && json !== null) return Result.succeed([json])
  return fail(400, "The messages are neither an array nor an object: send an array of Bayeux messages")
}

/** Whether a text is longer than this in UTF-8, which has at most three bytes for a UTF-16 unit. */
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
  return messages.length > maxMessages ? tooManyMessages : Result.succeed(messages)
}
