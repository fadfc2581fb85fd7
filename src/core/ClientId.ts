/**
 * Name of a session, and the secret of its client: letters and digits with at least 128 random bits (specification,
 * "Client ID"). The server makes it; an id in a request is only compared with it.
 */
import type * as Brand from "effect/Brand"

/** Name of a session, made by the server. */
export type ClientId = string & Brand.Brand<"ClientId">

const grammar = /^[A-Za-z0-9]+$/

/** Maximum number of characters of an id; a longer one was never made and need not be looked for. */
const longest = 128

/**
 * Creates a client id. `value` comes from a source of strong randomness outside the core; anything else is our own bug.
 */
export const make = (value: string): ClientId => {
  if (!grammar.test(value)) throw new Error(`ClientId "${value}" is not valid: it may only hold letters and digits`)
  return value as ClientId
}

/** Parses the client id of a request; nothing if it cannot be one. There need not be such a session. */
export const parse = (value: string): ClientId | undefined =>
  value.length <= longest && grammar.test(value) ? value as ClientId : undefined
