/**
 * Keyed hashes that stand for client ids outside of the process. A client id is a secret: it is enough to act as its
 * client. Its hash is enough only to tell clients apart.
 */
import * as Redacted from "effect/Redacted"
import { createHmac } from "node:crypto"

/** Hash of a client id: HMAC-SHA-256, 64 hexadecimal digits. The same key gives the same hash in every process. */
export const hash = (clientId: string, key: Redacted.Redacted): string =>
  createHmac("sha256", Redacted.value(key)).update(clientId).digest("hex")

/** Pseudonym of a client id on a page: the first 64 bits of its hash in hexadecimal digits. */
export type Name = string

/** Short form of {@link hash}: 16 hexadecimal digits. */
export const name = (clientId: string, key: Redacted.Redacted): Name => hash(clientId, key).slice(0, 16)

/** Client ids of the service: 40 hexadecimal digits. */
const clientIds = /[0-9a-f]{40}/g

/**
 * Replaces every client id in a text by its name, and cuts the text to `limit` characters. No part of a client id stays at
 * the cut.
 */
export const text = (whole: string, limit: number, nameOf: (clientId: string) => Name): string => {
  const kept = whole.length <= limit ? whole : `${whole.slice(0, limit).replace(/[0-9a-f]+$/, "")}…`
  return kept.length < 40 ? kept : kept.replace(clientIds, nameOf)
}
