/**
 * Decompression of the bodies of requests. Browsers do not compress requests, but programs do, and proxies pass that on.
 *
 * A body is decompressed as a whole, off the event loop, and to a limited length, which bounds compression bombs.
 */
import * as Zlib from "node:zlib"

/** Failure to decompress a body: the result is longer than the limit, or the bytes are not in the format. */
export type Failure = "TooLong" | "Broken"

type Callback = (error: Error | null, bytes: Buffer) => void
type Decoder = (bytes: Buffer, options: { readonly maxOutputLength: number }, done: Callback) => void

/** Decodes `deflate`, which is zlib's format; some programs send the raw one (RFC 9110, section 8.4.1.2). */
const deflate: Decoder = (bytes, options, done) =>
  ((bytes[0] ?? 0) & 0x0f) === 8 ? Zlib.inflate(bytes, options, done) : Zlib.inflateRaw(bytes, options, done)

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gzip", Zlib.gunzip],
  ["x-gzip", Zlib.gunzip],
  ["deflate", deflate],
  ["br", Zlib.brotliDecompress]
])

/** Names of the encodings, for `Accept-Encoding`. */
export const names: ReadonlyArray<string> = [...decoders.keys()].filter((name) => !name.startsWith("x-"))

/** Whether a `Content-Encoding` (in lower case) is supported. */
export const isKnown = (encoding: string): boolean => decoders.has(encoding)

/** Decompresses bytes to at most `limit` bytes. */
export const decode = (
  encoding: string,
  bytes: Buffer,
  limit: number,
  done: (decoded: Buffer | Failure) => void
): void => {
  const decoder = decoders.get(encoding)
  if (decoder === undefined) return done("Broken")
  decoder(bytes, { maxOutputLength: limit }, (error, decoded) => {
    if (error === null) done(decoded)
    else done("code" in error && error.code === "ERR_BUFFER_TOO_LARGE" ? "TooLong" : "Broken")
  })
}
