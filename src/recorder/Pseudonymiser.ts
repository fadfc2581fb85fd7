/**
 * Replaces client ids, which are secrets, and if wanted data, in whatever is recorded.
 *
 * An input becomes another one that leads to the same steps under other names. A name that cannot be that of a session stays
 * one that cannot, since the machine treats both differently. Credentials need no replacement: `ext` and fields that Bayeux
 * does not know never reach the machine.
 */
import type * as Schema from "effect/Schema"
import { createHmac, randomBytes } from "node:crypto"
import type * as BayeuxError from "../core/BayeuxError.ts"
import type { Change, Origin, Outcome } from "../core/Change.ts"
import type { Channel } from "../core/Channel.ts"
import * as ClientId from "../core/ClientId.ts"
import type { Connection } from "../core/Connection.ts"
import type { Input } from "../core/Input.ts"
import * as Message from "../core/Message.ts"
import type { Retries } from "../core/Retries.ts"
import type { Session } from "../core/Session.ts"
import type { Awaiting } from "../core/State.ts"

/** Returns the data that is recorded in the place of a message's data. */
export type Redact = (channel: Channel, data: Schema.Json) => Schema.Json

/** Pseudonymiser of one recording. */
export interface Pseudonymiser {
  readonly clientIds: "hashed" | "plain"
  readonly nameOf: (clientId: string) => string
  readonly redact: Redact | undefined
}

const mostRemembered = 20_000

/** Names client ids by 128 bits of HMAC-SHA-256, with a key that nobody knows. A hash costs 3 microseconds, so they are kept. */
const hashes = (): (clientId: string) => string => {
  const key = randomBytes(32)
  const known = new Map<string, string>()
  const hash = (clientId: string): string => {
    const name = createHmac("sha256", key).update(clientId).digest().toString("hex", 0, 16)
    return ClientId.parse(clientId) === undefined ? `-${name}` : name
  }
  return (clientId) => {
    const found = known.get(clientId)
    if (found !== undefined) return found
    if (known.size >= mostRemembered) known.clear()
    const name = hash(clientId)
    known.set(clientId, name)
    return name
  }
}

/** Makes a pseudonymiser. */
export const make = (clientIds: "hashed" | "plain", redact: Redact | undefined): Pseudonymiser => ({
  clientIds,
  nameOf: clientIds === "plain" ? (clientId) => clientId : hashes(),
  redact: redact && safely(redact)
})

/** Guards a function of the application: where it fails, no data is written. */
const safely = (redact: Redact): Redact => (channel, data) => {
  try {
    return JSON.parse(JSON.stringify(redact(channel, data))) as Schema.Json
  } catch {
    return { redacted: "failed" }
  }
}

/** Records the kind of the data and its length in JSON. */
export const measure: Redact = (_channel, data) => ({
  redacted: data === null ? "null" : Array.isArray(data) ? "array" : typeof data,
  length: JSON.stringify(data).length
})

// ---------------------------------------------------------------------------------------------------------------------

const clientId = (self: Pseudonymiser, name: ClientId.ClientId): ClientId.ClientId => ClientId.make(self.nameOf(name))

const dataOf = (self: Pseudonymiser, channel: Channel, data: Schema.Json): Schema.Json =>
  self.redact === undefined ? data : self.redact(channel, data)

/** Reduces a connection to the fields that the machine has. */
const connection = ({ id, kind, local }: Connection): Connection => ({ id, kind, local })

/** Form of the names that the server gives. */
const looksLikeName = /^[0-9a-f]{40}$/

const error = (self: Pseudonymiser, { args, code, text }: BayeuxError.BayeuxError): BayeuxError.BayeuxError => ({
  code,
  args: args.map((arg) => code === 401 || looksLikeName.test(arg) ? self.nameOf(arg) : arg),
  text
})

/** Replaces the data of a message. */
export const delivery = (self: Pseudonymiser, message: Message.Delivery): Message.Delivery =>
  self.redact === undefined
    ? message
    : new Message.Delivery(
      message.channel,
      self.redact(message.channel, message.data),
      message.id,
      message.position,
      { traceparent: message.ext?.traceparent }
    )

const message = <M extends Message.Incoming>(self: Pseudonymiser, incoming: M): M => {
  if (incoming._tag === "Handshake") return incoming
  if (incoming._tag === "Refused") {
    const name = incoming.clientId === undefined ? undefined : self.nameOf(incoming.clientId)
    return { ...incoming, clientId: name, error: error(self, incoming.error) }
  }
  const name = incoming.clientId === null ? null : self.nameOf(incoming.clientId)
  return incoming._tag === "Publish"
    ? { ...incoming, clientId: name, data: dataOf(self, incoming.channel, incoming.data) }
    : { ...incoming, clientId: name }
}

const retries = (self: Pseudonymiser, { answered, ids, last }: Retries): Retries => ({
  ids,
  last,
  answered: answered && { ...answered, messages: answered.messages.map((message) => delivery(self, message)) }
})

const origin = <M extends Message.Incoming>(self: Pseudonymiser, from: Origin<M> | undefined): Origin<M> | undefined =>
  from && { connection: connection(from.connection), slot: from.slot, request: message(self, from.request) }

/** Replaces names and data of a change, and of the request that it comes from. */
export const change = (self: Pseudonymiser, change: Change): Change => {
  switch (change._tag) {
    case "Publish": {
      const name = change.clientId === null ? null : clientId(self, change.clientId)
      const data = dataOf(self, change.channel, change.data)
      const once = change.once && { ...change.once, key: self.nameOf(change.once.key) }
      return { ...change, clientId: name, data, once, origin: origin(self, change.origin) }
    }
    case "GiveBack":
      return {
        ...change,
        clientId: clientId(self, change.clientId),
        messages: change.messages.map((m) => delivery(self, m))
      }
    case "CreateSession":
      return { ...change, clientId: clientId(self, change.clientId), origin: origin(self, change.origin) }
    case "Subscribe":
    case "Unsubscribe":
      return { ...change, clientId: clientId(self, change.clientId), origin: origin(self, change.origin) }
    case "EndSession":
      return { ...change, clientId: clientId(self, change.clientId), origin: origin(self, change.origin) }
    case "Adopt":
      return { ...change, clientId: clientId(self, change.clientId) }
    case "Yield":
      return { ...change, clientId: clientId(self, change.clientId), retries: retries(self, change.retries) }
  }
}

/** Replaces names and data of an outcome, not of its change. */
export const outcome = (self: Pseudonymiser, outcome: Outcome): Outcome => {
  switch (outcome._tag) {
    case "SessionCreated":
    case "Repeated":
    case "Subscribed":
    case "Unsubscribed":
    case "SessionEnded":
      return outcome
    case "Published": {
      // The message is in the change already.
      const { json: _json, ...rest } = outcome
      return rest
    }
    case "Refused":
      return { ...outcome, error: error(self, outcome.error) }
    case "SessionAdopted": {
      const { session } = outcome
      const queue = session.queue.map((message) => delivery(self, message))
      const moved = { ...session, queue, retries: retries(self, session.retries) }
      return { ...outcome, session: { ...moved, clientId: clientId(self, session.clientId) } }
    }
    case "GivenBack": {
      const messages = outcome.messages.map((message) => delivery(self, message))
      return { ...outcome, clientId: clientId(self, outcome.clientId), messages }
    }
    case "SessionWanted":
    case "SessionTaken":
    case "SessionHere":
    case "AdoptionSuperseded":
      return { ...outcome, clientId: clientId(self, outcome.clientId) }
  }
}

/** Replaces names of an input that waits for a session. */
export const awaiting = (self: Pseudonymiser, input: Awaiting): Awaiting =>
  input._tag === "Received"
    ? { ...input, connection: connection(input.connection), message: message(self, input.message) }
    : { ...input, connection: connection(input.connection), clientId: self.nameOf(input.clientId) }

/** Replaces names and data of any input but an outcome. */
export const input = (self: Pseudonymiser, input: Exclude<Input, { readonly _tag: "Happened" }>): Input => {
  switch (input._tag) {
    case "Received":
      return { ...input, connection: connection(input.connection), message: message(self, input.message) }
    case "HandshakeReceived":
      return { ...input, connection: connection(input.connection), freshId: clientId(self, input.freshId) }
    case "StreamOpened":
      return { ...input, connection: connection(input.connection), clientId: self.nameOf(input.clientId) }
    case "Returned": {
      const messages = input.messages.map((message) => delivery(self, message))
      const resetBy = input.resetBy && self.nameOf(input.resetBy)
      return { ...input, clientId: clientId(self, input.clientId), messages, resetBy }
    }
    case "EndRequested":
      return { ...input, clientId: clientId(self, input.clientId) }
    case "Heard":
    case "Halted":
    case "ConnectionEnding":
    case "ConnectionClosed":
    case "DeadlinePassed":
    case "TurnEnded":
    case "TransportsChanged":
      return input
  }
}

/** Replaces names of a session, not its messages: these are written by positions. */
export const session = (self: Pseudonymiser, session: Session): Session => {
  const { link, resets } = session
  const { unsettled } = resets
  const pseudonymised = {
    ...session,
    clientId: clientId(self, session.clientId),
    resets: { ...resets, unsettled: unsettled && { ...unsettled, peer: self.nameOf(unsettled.peer) } }
  }
  if (link._tag === "Detached" || link.held === undefined) return pseudonymised
  const held = { ...link.held, request: message(self, link.held.request) }
  return { ...pseudonymised, link: { ...link, held } }
}
