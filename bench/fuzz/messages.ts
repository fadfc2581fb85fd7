/** Bayeux messages: good ones, strange ones, and texts that were good before something was done to them. */
import type { Random } from "./Random.ts"

/** What a case knows of its sessions. */
export interface Known {
  readonly clientIds: ReadonlyArray<string>
}

const strings = [
  "",
  "/",
  "//",
  "/meta",
  "/meta/connect",
  "/**",
  "/*/a",
  "/a/",
  "__proto__",
  "constructor",
  "\u0000",
  "\u001b[2J",
  "\ud800",
  "\u2028",
  "\ufeff",
  "é".repeat(300),
  "a".repeat(5_000),
  "1.0",
  "-1",
  "NaN",
  "1e999"
]

const numbers = [0, -0, -1, 1, 0.1, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 5e-324]

/** Any JSON value. */
export const value = (random: Random, depth = 3): unknown => {
  switch (random.below(depth > 0 ? 8 : 6)) {
    case 0:
      return null
    case 1:
      return random.chance(0.5)
    case 2:
      return random.pick(numbers)
    case 3:
    case 4:
      return random.pick(strings)
    case 5:
      return random.bytes(40).toString("latin1")
    case 6:
      return random.many(5, () => value(random, depth - 1))
    default:
      return Object.fromEntries(random.many(5, () => [random.pick(strings), value(random, depth - 1)]))
  }
}

const channels = ["/a", "/a/b", "/a/b/c", "/b", "/service/x", "/fuzz/~!()$@_-1"]
const patterns = [...channels, "/**", "/a/*", "/a/**", "/fuzz/**"]
const types = ["websocket", "long-polling", "eventsource", "callback-polling", "cross-origin-long-polling", "iframe"]

const clientId = (random: Random, { clientIds }: Known): unknown =>
  random.chance(0.9) && clientIds.length > 0 ? random.pick(clientIds) : value(random, 1)

const good = (random: Random, known: Known): Record<string, unknown> => {
  const session = { clientId: clientId(random, known) }
  switch (random.below(20)) {
    case 0:
      return {
        channel: "/meta/handshake",
        version: "1.0",
        supportedConnectionTypes: random.chance(0.9) ? types : random.many(4, () => random.pick(types)),
        ...(random.chance(0.3) ? { ext: { ack: true } } : {})
      }
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return {
        channel: "/meta/connect",
        ...session,
        connectionType: random.pick(types),
        ...(random.chance(0.6) ? { advice: { timeout: random.pick([0, 0, 100, 1_000]) } } : {}),
        ...(random.chance(0.3) ? { ext: { ack: random.below(20) - 2 } } : {})
      }
    case 6:
    case 7:
    case 8:
      return {
        channel: "/meta/subscribe",
        ...session,
        subscription: random.chance(0.5) ? random.pick(patterns) : random.many(5, () => random.pick(patterns))
      }
    case 9:
      return { channel: "/meta/unsubscribe", ...session, subscription: random.pick(patterns) }
    case 10:
      return { channel: "/meta/disconnect", ...session }
    default:
      return { channel: random.pick(channels), ...(random.chance(0.5) ? session : {}), data: value(random) }
  }
}

const fields = [
  "channel",
  "clientId",
  "id",
  "data",
  "ext",
  "advice",
  "subscription",
  "version",
  "supportedConnectionTypes",
  "connectionType",
  "successful",
  "error",
  "__proto__"
]

/** A message, which may be a good one. */
const message = (random: Random, known: Known): unknown => {
  if (random.chance(0.05)) return value(random)
  const made = good(random, known)
  if (random.chance(0.6)) made["id"] = String(random.below(50))
  if (random.chance(0.15)) made[random.pick(fields)] = value(random)
  if (random.chance(0.05)) delete made[random.pick(fields)]
  return made
}

/** Messages, as one sends them. */
export const batch = (random: Random, known: Known): ReadonlyArray<unknown> => {
  const most = random.chance(0.02) ? 300 : 6
  return Array.from({ length: 1 + random.below(most) }, () => message(random, known))
}

const inserts = [
  "[",
  "]",
  "{",
  "}",
  "\"",
  "\\",
  ",",
  ":",
  "\u0000",
  "\\u",
  "\\ud800",
  "1e9999",
  "-",
  "[".repeat(200),
  "{\"a\":".repeat(150),
  "null",
  "[[],".repeat(50),
  "\"__proto__\":",
  " ".repeat(1_000)
]

/** A text to which something was done. */
export const mutate = (random: Random, text: string): string => {
  let mutated = text
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.below(mutated.length + 1)
    const end = Math.min(mutated.length, at + random.below(30))
    switch (random.below(5)) {
      case 0:
        mutated = mutated.slice(0, at) + mutated.slice(end)
        break
      case 1:
        mutated = mutated.slice(0, end) + mutated.slice(at)
        break
      case 2:
        mutated = mutated.slice(0, at) + random.pick(inserts) + mutated.slice(at)
        break
      case 3:
        mutated = mutated.slice(0, at) + String.fromCharCode(random.below(random.chance(0.8) ? 128 : 65_536)) +
          mutated.slice(at + 1)
        break
      default:
        mutated = mutated.slice(0, at)
    }
  }
  return mutated
}

/** A text for a body or a frame; some are good JSON. */
export const text = (random: Random, known: Known): string => {
  const messages = batch(random, known)
  const made = JSON.stringify(random.chance(0.1) ? messages[0] : messages)
  return random.chance(0.15) ? mutate(random, made) : made
}
