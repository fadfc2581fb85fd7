/**
 * The name of a session, and the secret of whoever holds it: letters and digits with at least 128 random bits
 * (specification, "Client ID"). The server makes it; what a request brings is only compared with it.
 */
import type * as Brand from "effect/Brand"

/** A session's name, made by the server. */
export type ClientId = string & Brand.Brand<"ClientId">

const grammar = /^[A-Za-z0-9]+$/

/** No name that was ever made is longer; what is need not be looked for. */
const longest = 128

/** Names a session. `value` comes from a source of strong randomness outside the core; anything else is our own bug. */
export const make = (value: string): ClientId => {
  if (!grammar.test(value)) throw new Error(`ClientId "${value}" is not valid: it may only hold letters and digits`)
  return value as ClientId
}

/** What a request says is a name, if it can be one: whether there is such a session is for others to say. */
export const parse = (value: string): ClientId | undefined =>
  value.length <= longest && grammar.test(value) ? value as ClientId : undefined
