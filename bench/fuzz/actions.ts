/** What a client does in a case: something over one of the transports, good or bad. */
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import type { Client } from "./Client.ts"
import { mutate, text, value } from "./messages.ts"
import type { Random } from "./Random.ts"

type Action = (random: Random, client: Client) => Promise<unknown>

const path = "/bayeux"
const jsonTypes = ["application/json", "application/json; charset=utf-8", "text/plain", "", "text/html", "multipart/x"]

const compress = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync }

/** Damages bytes, now and then. */
const damaged = (random: Random, bytes: Buffer, share: number): Buffer => {
  if (!random.chance(share) || bytes.length === 0) return bytes
  const copy = Buffer.from(bytes)
  for (let left = 1 + random.below(5); left > 0; left--) copy[random.below(copy.length)] = random.below(256)
  return random.chance(0.2) ? copy.subarray(0, random.below(copy.length)) : copy
}

const leaving = (random: Random) => random.chance(0.15) ? { leaveAfter: random.below(60) } : {}

const post: Action = (random, client) => {
  const body = Buffer.from(text(random, client.known))
  const encoding = random.chance(0.1) ? random.pick(["gzip", "deflate", "br"] as const) : undefined
  return client.request({
    method: "POST",
    path: random.chance(0.9) ? path : `${path}/${random.pick(["handshake", "connect", "x", "%", ".."])}`,
    headers: {
      "Content-Type": random.chance(0.8) ? "application/json" : random.pick(jsonTypes),
      ...(random.chance(0.1) ? { Origin: random.pick(["http://x.example", "null", "http://localhost:1"]) } : {}),
      ...(encoding === undefined ? {} : { "Content-Encoding": encoding })
    },
    body: damaged(random, encoding === undefined ? body : compress[encoding](body), 0.05),
    ...leaving(random)
  })
}

const form: Action = (random, client) => {
  const fields = new URLSearchParams()
  for (let left = 1 + random.below(3); left > 0; left--) {
    fields.append(random.chance(0.9) ? "message" : "m", text(random, client.known))
  }
  const body = random.chance(0.2) ? mutate(random, fields.toString()) : fields.toString()
  const headers = { "Content-Type": "application/x-www-form-urlencoded" }
  return client.request({ method: "POST", path, headers, body: Buffer.from(body), ...leaving(random) })
}

const jsonp: Action = (random, client) => {
  const callback = random.chance(0.8)
    ? "f"
    : random.pick(["", "a.b[0]", "alert(1)", "\u2028", "__proto__", "f".repeat(500)])
  const query = new URLSearchParams({ jsonp: callback, message: text(random, client.known).slice(0, 6_000) })
  return client.request({ method: "GET", path: `${path}?${query.toString()}`, ...leaving(random) })
}

const stream: Action = (random, client) => {
  const clientId = random.pick([...client.known.clientIds, "nobody"])
  return client.request({
    method: "GET",
    path: `${path}/${clientId}`,
    headers: { Accept: "text/event-stream", ...(random.chance(0.2) ? { "Last-Event-ID": "over" } : {}) },
    leaveAfter: random.below(150)
  })
}

const elsewhere = [
  "/",
  "/monitor",
  "/monitor/feed",
  "/metrics",
  "/bayeux.js",
  "/bayeux/health",
  "/x",
  "/bayeux/%00",
  "*"
]
const methods = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"]

const other: Action = (random, client) =>
  client.request({
    method: random.pick(methods),
    path: random.pick(elsewhere),
    headers: {
      ...(random.chance(0.3)
        ? { "Access-Control-Request-Headers": random.pick(["x", "x, y", ",,", "é".slice(1)]) }
        : {}),
      ...(random.chance(0.3) ? { "If-None-Match": random.pick(["*", "W/\"x\"", "\"", ","]) } : {})
    },
    leaveAfter: 300
  })

const head = (random: Random, body: string): Buffer => {
  const lines = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body) + (random.chance(0.1) ? random.below(9) - 4 : 0)}`,
    ...(random.chance(0.1) ? ["Transfer-Encoding: chunked"] : []),
    ...(random.chance(0.1) ? ["Expect: 100-continue"] : []),
    ...(random.chance(0.1) ? ["Connection: Upgrade", "Upgrade: h2c"] : []),
    ...(random.chance(0.1) ? [`X: ${random.bytes(30).toString("latin1")}`] : []),
    "",
    body
  ]
  return damaged(random, Buffer.from(lines.join("\r\n")), 0.3)
}

/** Requests one behind the other on one connection, in pieces. */
const pipelined: Action = async (random, client) => {
  const bytes = Buffer.concat(
    Array.from({ length: 1 + random.below(4) }, () => head(random, text(random, client.known)))
  )
  const cut = random.below(bytes.length)
  client.look({ status: 0, text: await client.raw([bytes.subarray(0, cut), bytes.subarray(cut)], random.below(200)) })
}

const upgrade = (random: Random): Buffer =>
  damaged(
    random,
    Buffer.from(
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
    0.03
  )

const lengthBytes = (length: number): ReadonlyArray<number> => {
  if (length < 126) return [0x80 | length]
  return length < 65_536
    ? [0xfe, length >> 8, length & 255]
    : [0xff, 0, 0, 0, 0, ...[24, 16, 8, 0].map((n) => (length >> n) & 255)]
}

/** A frame with a mask of zeroes; now and then nothing of the kind. */
const frame = (random: Random, payload: Buffer, opcode: number, isFinal = true): Buffer => {
  const first = (isFinal ? 0x80 : 0) | opcode | (random.chance(0.01) ? 0x40 : 0)
  return damaged(random, Buffer.from([first, ...lengthBytes(payload.length), 0, 0, 0, 0, ...payload]), 0.04)
}

const frames = (random: Random, client: Client): ReadonlyArray<Buffer> => {
  switch (random.below(8)) {
    case 0:
      return [frame(random, random.bytes(125), random.pick([0x8, 0x9, 0xa]))]
    case 1:
      return [frame(random, random.bytes(300), random.pick([0x0, 0x2, 0x3, 0x7, 0xb]))]
    case 2: {
      const bytes = Buffer.from(text(random, client.known))
      const cut = random.below(bytes.length)
      return [
        frame(random, bytes.subarray(0, cut), 0x1, false),
        ...(random.chance(0.3) ? [frame(random, Buffer.alloc(0), 0x9)] : []),
        frame(random, bytes.subarray(cut), 0x0)
      ]
    }
    default:
      return [frame(random, Buffer.from(text(random, client.known)), 0x1)]
  }
}

const webSocket: Action = async (random, client) => {
  const parts = [upgrade(random), ...Array.from({ length: 1 + random.below(10) }, () => frames(random, client)).flat()]
  client.look({ status: 0, text: await client.raw(parts, 20 + random.below(300)) })
}

const garbage: Action = (random, client) => client.raw([random.bytes(2_000)], random.below(100))

/** A large message, or many of them. */
const large: Action = (random, client) => {
  const data = random.pick([
    () => "x".repeat(random.below(1_500_000)),
    () => "é\u2028".repeat(random.below(100_000)),
    () => Array.from({ length: random.below(50_000) }, () => []),
    () => Array.from({ length: random.below(3_000) }, () => value(random, 1))
  ])()
  const body = Buffer.from(JSON.stringify([{ channel: "/large", data }]))
  return client.request({
    method: "POST",
    path,
    headers: { "Content-Type": "application/json" },
    body,
    ...leaving(random)
  })
}

const weighted: ReadonlyArray<readonly [weight: number, action: Action]> = [
  [30, post],
  [8, form],
  [8, jsonp],
  [6, stream],
  [4, other],
  [6, pipelined],
  [20, webSocket],
  [2, garbage],
  [1, large]
]

const deck = weighted.flatMap(([weight, action]) => Array.from({ length: weight }, () => action))

/** Does something. */
export const act: Action = (random, client) => random.pick(deck)(random, client)

const say = (client: Client, message: object): Promise<unknown> => {
  const body = Buffer.from(JSON.stringify([message]))
  return client.request({ method: "POST", path, headers: { "Content-Type": "application/json" }, body })
}

/** Shakes hands and subscribes to everything, so that there is a session to begin with. */
export const begin = async (client: Client): Promise<void> => {
  const supportedConnectionTypes = ["websocket", "long-polling", "eventsource"]
  await say(client, { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes })
  await say(client, { channel: "/meta/subscribe", clientId: client.known.clientIds[0], subscription: "/**" })
}
