/**
 * What of an input is written as it is, and what is not: client ids are secrets, and data may be.
 *
 * A disguise makes of an input another one that tells the same story under other names. A name that cannot be that of a
 * session stays one that cannot, since the machine treats both differently. Credentials need no disguise: what is in
 * `ext` and in fields that Bayeux does not know never reaches the machine.
 */
import type { Schema } from "effect"
import { createHmac, randomBytes } from "node:crypto"
import type * as BayeuxError from "../core/BayeuxError.ts"
import type { Channel } from "../core/Channel.ts"
import * as ClientId from "../core/ClientId.ts"
import type { Connection } from "../core/Connection.ts"
import type { Input } from "../core/Input.ts"
import * as Message from "../core/Message.ts"
import type { Fact, Order, Origin } from "../core/Order.ts"
import type { Retries } from "../core/Retries.ts"
import type { Session } from "../core/Session.ts"
import type { Awaiting } from "../core/State.ts"

/** What is recorded in the place of a message's data. */
export type Redact = (channel: Channel, data: Schema.Json) => Schema.Json

/** How client ids and data are written. */
export interface Disguise {
  readonly clientIds: "hashed" | "plain"
  readonly nameOf: (clientId: string) => string
  readonly redact: Redact | undefined
}

const mostRemembered = 20_000

/** Names by HMAC-SHA-256 with a key that nobody knows, 128 bits of it. A hash costs 3 microseconds, so they are kept. */
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

/** A disguise for one recording. */
export const make = (clientIds: "hashed" | "plain", redact: Redact | undefined): Disguise => ({
  clientIds,
  nameOf: clientIds === "plain" ? (clientId) => clientId : hashes(),
  redact: redact && safely(redact)
})

/** What redacts is not ours: where it fails, nothing is written. */
const safely = (redact: Redact): Redact => (channel, data) => {
  try {
    return JSON.parse(JSON.stringify(redact(channel, data))) as Schema.Json
  } catch {
    return { redacted: "failed" }
  }
}

/** Says of what kind the data was and how long it was in JSON. */
export const measure: Redact = (_channel, data) => ({
  redacted: data === null ? "null" : Array.isArray(data) ? "array" : typeof data,
  length: JSON.stringify(data).length
})

// ---------------------------------------------------------------------------------------------------------------------

const clientId = (self: Disguise, name: ClientId.ClientId): ClientId.ClientId => ClientId.make(self.nameOf(name))

const dataOf = (self: Disguise, channel: Channel, data: Schema.Json): Schema.Json =>
  self.redact === undefined ? data : self.redact(channel, data)

/** Of a connection only what the machine knows of it. */
const connection = ({ id, kind, local }: Connection): Connection => ({ id, kind, local })

/** What a server has named looks like this. */
const looksLikeName = /^[0-9a-f]{40}$/

const error = (self: Disguise, { args, code, text }: BayeuxError.BayeuxError): BayeuxError.BayeuxError => ({
  code,
  args: args.map((arg) => code === 401 || looksLikeName.test(arg) ? self.nameOf(arg) : arg),
  text
})

/** A message that is on its way or waits. */
export const delivery = (self: Disguise, message: Message.Delivery): Message.Delivery =>
  self.redact === undefined
    ? message
    : new Message.Delivery(
      message.channel,
      self.redact(message.channel, message.data),
      message.id,
      message.position,
      { traceparent: message.ext?.traceparent }
    )

const message = <M extends Message.Incoming>(self: Disguise, incoming: M): M => {
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

const retries = (self: Disguise, { answered, ids, last }: Retries): Retries => ({
  ids,
  last,
  answered: answered && { ...answered, messages: answered.messages.map((message) => delivery(self, message)) }
})

const origin = <M extends Message.Incoming>(self: Disguise, from: Origin<M> | undefined): Origin<M> | undefined =>
  from && { connection: connection(from.connection), slot: from.slot, request: message(self, from.request) }

/** An order, with the request that it comes from. */
export const order = (self: Disguise, order: Order): Order => {
  switch (order._tag) {
    case "Publish": {
      const name = order.clientId === null ? null : clientId(self, order.clientId)
      const data = dataOf(self, order.channel, order.data)
      const once = order.once && { ...order.once, key: self.nameOf(order.once.key) }
      return { ...order, clientId: name, data, once, origin: origin(self, order.origin) }
    }
    case "GiveBack":
      return {
        ...order,
        clientId: clientId(self, order.clientId),
        messages: order.messages.map((m) => delivery(self, m))
      }
    case "CreateSession":
      return { ...order, clientId: clientId(self, order.clientId), origin: origin(self, order.origin) }
    case "Subscribe":
    case "Unsubscribe":
      return { ...order, clientId: clientId(self, order.clientId), origin: origin(self, order.origin) }
    case "EndSession":
      return { ...order, clientId: clientId(self, order.clientId), origin: origin(self, order.origin) }
    case "Adopt":
      return { ...order, clientId: clientId(self, order.clientId) }
    case "Yield":
      return { ...order, clientId: clientId(self, order.clientId), retries: retries(self, order.retries) }
  }
}

/** A fact without its order, if it has one. */
export const fact = (self: Disguise, fact: Fact): Fact => {
  switch (fact._tag) {
    case "SessionCreated":
    case "Repeated":
    case "Subscribed":
    case "Unsubscribed":
    case "SessionEnded":
      return fact
    case "Published": {
      // The message is in the order already.
      const { json: _json, ...rest } = fact
      return rest
    }
    case "Refused":
      return { ...fact, error: error(self, fact.error) }
    case "SessionAdopted": {
      const { session } = fact
      const queue = session.queue.map((message) => delivery(self, message))
      const moved = { ...session, queue, retries: retries(self, session.retries) }
      return { ...fact, session: { ...moved, clientId: clientId(self, session.clientId) } }
    }
    case "GivenBack": {
      const messages = fact.messages.map((message) => delivery(self, message))
      return { ...fact, clientId: clientId(self, fact.clientId), messages }
    }
    case "SessionWanted":
    case "SessionTaken":
    case "SessionHere":
    case "AdoptionSuperseded":
      return { ...fact, clientId: clientId(self, fact.clientId) }
  }
}

/** What waits for a session to come. */
export const awaiting = (self: Disguise, input: Awaiting): Awaiting =>
  input._tag === "Received"
    ? { ...input, connection: connection(input.connection), message: message(self, input.message) }
    : { ...input, connection: connection(input.connection), clientId: self.nameOf(input.clientId) }

/** Any input but a fact. */
export const input = (self: Disguise, input: Exclude<Input, { readonly _tag: "Happened" }>): Input => {
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
    case "TransportsChanged":
      return input
  }
}

/** A session without its messages, which are written by positions. */
export const session = (self: Disguise, session: Session): Session => {
  const { link, resets } = session
  const { unsettled } = resets
  const disguised = {
    ...session,
    clientId: clientId(self, session.clientId),
    resets: { ...resets, unsettled: unsettled && { ...unsettled, peer: self.nameOf(unsettled.peer) } }
  }
  if (link._tag === "Detached" || link.held === undefined) return disguised
  const held = { ...link.held, request: message(self, link.held.request) }
  return { ...disguised, link: { ...link, held } }
}
