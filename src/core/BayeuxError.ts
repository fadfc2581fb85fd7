/**
 * Errors of refused messages: a three-digit code, arguments and a sentence.
 *
 * The codes and texts are Faye's (`Faye.Error`), the printed form is the grammar of the specification's `error` field:
 * `401:clientId:Unknown client`. An error is plain data; it is printed where a reply is built and nowhere else.
 */

/** A refusal. `args` may hold anything a peer has sent: {@link print} makes them safe. */
export interface BayeuxError {
  readonly code: number
  readonly args: ReadonlyArray<string>
  readonly text: string
}

/** Builds an error with an own code and text, for policies and extensions. */
export const make = (code: number, args: ReadonlyArray<string>, text: string): BayeuxError => ({ code, args, text })

/** `300:<version>:Version mismatch` */
export const versionMismatch = (version: string): BayeuxError => make(300, [version], "Version mismatch")

/** `301:<types>:Connection types not supported` */
export const connectionTypesMismatch = (types: ReadonlyArray<string>): BayeuxError =>
  make(301, types, "Connection types not supported")

/** `400:<field>:Bad request`: the field is there, but it is of the wrong type. */
export const badRequest = (...fields: ReadonlyArray<string>): BayeuxError => make(400, fields, "Bad request")

/** `400::Second connect of a session in a batch` */
export const connectRepeated: BayeuxError = make(400, [], "Second connect of a session in a batch")

/** `401:<clientId>:Unknown client` */
export const clientUnknown = (clientId: string): BayeuxError => make(401, [clientId], "Unknown client")

/** `402:<field>:Missing required parameter` */
export const parameterMissing = (field: string): BayeuxError => make(402, [field], "Missing required parameter")

/** `403:<channel>:Forbidden channel` */
export const channelForbidden = (channel: string): BayeuxError => make(403, [channel], "Forbidden channel")

/** `403:<clientId>:<reason>`: the application has ended the session. */
export const sessionEnded = (clientId: string, reason: string): BayeuxError =>
  make(403, [clientId], reason === "" ? "Session ended" : reason)

/** `403:<limit>:Too many subscriptions` */
export const tooManySubscriptions = (limit: number): BayeuxError => make(403, [`${limit}`], "Too many subscriptions")

/** `503:<limit>:Too many sessions`: a client may try again later. */
export const tooManySessions = (limit: number): BayeuxError => make(503, [`${limit}`], "Too many sessions")

/** `405:<channel>:Invalid channel` */
export const channelInvalid = (channel: string): BayeuxError => make(405, [channel], "Invalid channel")

/** `405:<channel>:Too many channel segments` */
export const channelTooDeep = (channel: string): BayeuxError => make(405, [channel], "Too many channel segments")

/** `405:<limit>:Channel is longer than <limit> characters` */
export const channelTooLong = (limit: number): BayeuxError =>
  make(405, [`${limit}`], `Channel is longer than ${limit} characters`)

/** `413:<bytes>:Message is longer than <limit> bytes` */
export const messageTooLong = (bytes: number, limit: number): BayeuxError =>
  make(413, [`${bytes}`], `Message is longer than ${limit} bytes`)

/** `500::Internal server error` */
export const serverError: BayeuxError = make(500, [], "Internal server error")

/** `503:<name>:Service unavailable`: the engine cannot be asked now. Nothing is wrong with the session. */
export const unavailable = (what: string): BayeuxError => make(503, [what], "Service unavailable")

/** Whether the engine could not be asked. */
export const isUnavailable = (self: BayeuxError): boolean => self.code === 503

/** Whether the client behind this error has to begin again with a handshake. */
export const isClientUnknown = (self: BayeuxError): boolean => self.code === 401

const forbidden = /[^A-Za-z0-9\-_!~()$@ /*.]/g
const longest = 100

/** Prints an argument as the grammar allows it: foreign characters become `_`, long ones end in `...`. */
const printArg = (arg: string): string => {
  const safe = arg.slice(0, longest).replace(forbidden, "_")
  return arg.length > longest ? `${safe}...` : safe
}

/**
 * Prints the `error` field of a reply (specification, "error"). At most ten arguments of a hundred characters are
 * shown.
 */
export const print = (self: BayeuxError): string =>
  `${String(self.code).padStart(3, "0")}:${self.args.slice(0, 10).map(printArg).join(",")}:${
    self.text.replace(forbidden, "_")
  }`
