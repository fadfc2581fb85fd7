/**
 * Compressed bodies of requests. No browser compresses what it sends, but programs do, and proxies hand it on.
 *
 * A body is decompressed as a whole, off the event loop, and never to more than the limit: what a few bytes can be blown
 * up to is known only afterwards.
 */
import * as Zlib from "node:zlib"

/** Why a body could not be decompressed: it is longer than the limit, or it is not what it says. */
export type Failure = "TooLong" | "Broken"

type Callback = (error: Error | null, bytes: Buffer) => void
type Decoder = (bytes: Buffer, options: { readonly maxOutputLength: number }, done: Callback) => void

/** `deflate` is zlib's format; some programs send the bare one (RFC 9110, section 8.4.1.2). */
const deflate: Decoder = (bytes, options, done) =>
  ((bytes[0] ?? 0) & 0x0f) === 8 ? Zlib.inflate(bytes, options, done) : Zlib.inflateRaw(bytes, options, done)

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gzip", Zlib.gunzip],
  ["x-gzip", Zlib.gunzip],
  ["deflate", deflate],
  ["br", Zlib.brotliDecompress]
])

/** The encodings that are offered. */
export const names: ReadonlyArray<string> = [...decoders.keys()].filter((name) => !name.startsWith("x-"))

/** Whether a `Content-Encoding` in small letters is understood. */
export const isKnown = (encoding: string): boolean => decoders.has(encoding)

/** Decompresses bytes to at most `limit` of them. */
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
