/**
 * How client ids are shown outside of the process: as keyed hashes. Who knows a client id can act as its client; who knows
 * its hash can tell two clients apart, and no more.
 */
import * as Redacted from "effect/Redacted"
import { createHmac } from "node:crypto"

/** The hash of a client id: HMAC-SHA-256, 64 hexadecimal digits. The same key gives the same hash in every process. */
export const hash = (clientId: string, key: Redacted.Redacted): string =>
  createHmac("sha256", Redacted.value(key)).update(clientId).digest("hex")

/** What is in the place of a client id on a page: short enough to be read, 64 bits of its hash. */
export type Name = string

/** The short form of {@link hash}, 16 hexadecimal digits. */
export const name = (clientId: string, key: Redacted.Redacted): Name => hash(clientId, key).slice(0, 16)

/** Client ids as the service makes them: 40 hexadecimal digits. */
const clientIds = /[0-9a-f]{40}/g

/**
 * A text of somebody else's with every client id in it named instead, cut to `limit` characters. No part of a client id
 * stays at the cut.
 */
export const text = (whole: string, limit: number, nameOf: (clientId: string) => Name): string => {
  const kept = whole.length <= limit ? whole : `${whole.slice(0, limit).replace(/[0-9a-f]+$/, "")}…`
  return kept.length < 40 ? kept : kept.replace(clientIds, nameOf)
}
