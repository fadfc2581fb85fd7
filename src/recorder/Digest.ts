/**
 * Outputs of a step as one number. The recorder writes it, the replay computes it again; where the two differ the machine
 * has not done the same.
 *
 * Each output has a number, and the digest is the sum. So it does not depend on the order of recipients, which follows from
 * the names of sessions, and these are others in a recording. Client ids count by their recorded name. What an output only
 * repeats of its input, above all the data of a message, does not count.
 */
import type { Change } from "../core/Change.ts"
import type { ConnectionId } from "../core/Connection.ts"
import * as Message from "../core/Message.ts"
import type { Event, Move } from "../core/MonitorEvent.ts"
import type { Output } from "../core/Output.ts"

/** Returns the recorded name of a client id. */
export type NameOf = (clientId: string) => string

/** Mixes two numbers, in 32 bits throughout: that makes it fast. */
const mix = (a: number, b: number): number => {
  const mixed = Math.imul(Math.imul(a, 31) ^ (b | 0), 0x45d9f3b)
  return mixed ^ (mixed >>> 15)
}

const ofText = (text: string): number => {
  let hash = text.length
  for (let at = 0; at < text.length; at++) hash = mix(hash, text.charCodeAt(at))
  return hash
}

/** Hashes the beginning of a name: names are random, so it is as good as all of it. */
const ofName = (clientId: string | null, nameOf: NameOf): number => {
  if (clientId === null) return 0
  const name = nameOf(clientId)
  return mix(mix(name.charCodeAt(0), name.charCodeAt(1)), mix(name.charCodeAt(2), name.charCodeAt(3)))
}

const ofEvent = (event: Event | Move, nameOf: NameOf): number => {
  const client = ofName(event.clientId, nameOf)
  switch (event._tag) {
    case "Publish":
      return mix(1, mix(client, event.channel.length))
    case "Handshake":
      return mix(2, client)
    case "Subscribe":
      return mix(3, mix(client, ofText(event.channel)))
    case "Unsubscribe":
      return mix(event.withSession ? 4 : 5, mix(client, ofText(event.channel + JSON.stringify(event.cause))))
    case "Disconnect":
      return mix(6, mix(client, ofText(JSON.stringify(event.cause))))
    case "Arrive":
      return mix(7, mix(client, event.subscriptions.length))
    case "Depart":
      return mix(8, client)
  }
}

const ofChange = (change: Change, nameOf: NameOf): number =>
  change._tag === "Publish" ? 7 : mix(ofText(change._tag), ofName(change.clientId, nameOf))

const sums = new WeakMap<ReadonlyArray<ConnectionId>, number>()

/** Adds up a list of connections. Long lists are those that `Routes` remembers, so their sums are kept. */
const ofConnections = (connections: ReadonlyArray<ConnectionId>): number => {
  const known = connections.length > 16 ? sums.get(connections) : undefined
  if (known !== undefined) return known
  let sum = 0
  for (const connection of connections) sum = (sum + mix(1, connection)) | 0
  if (connections.length > 16) sums.set(connections, sum)
  return sum
}

const ofMessage = (message: Message.Outgoing): number => {
  if (!Message.isReply(message)) return mix(2, message.position)
  if (message.successful) return mix(3, message.advice?.interval ?? -1)
  return ofText(message.error?.slice(0, 3) ?? "")
}

const ofMessages = (messages: ReadonlyArray<Message.Outgoing>): number => {
  let hash = messages.length
  for (const message of messages) hash = mix(hash, ofMessage(message))
  return hash
}

const ofOutput = (output: Output, nameOf: NameOf): number => {
  switch (output._tag) {
    case "Reply":
      return mix(mix(mix(11, output.connection), output.slot), ofMessages(output.messages))
    case "Deliver":
      return mix(mix(12, ofConnections(output.connections)), output.message.position)
    case "Emit":
      return mix(13, ofEvent(output.event, nameOf))
    case "Commit":
      return mix(14, ofChange(output.change, nameOf))
    case "Bind":
      return mix(mix(15, output.connection), ofName(output.clientId, nameOf))
    case "CloseConnection":
      return mix(mix(16, output.connection), ofText(output.reason))
    case "Advise":
      return mix(mix(19, output.connection), ofMessage(output.message))
    case "Resume":
      return mix(17, output.input.connection.id)
    case "Leave":
      return mix(19, output.connection)
    case "Drop":
      return mix(mix(18, output.messages), ofText(output.reason))
  }
}

/** Returns the digest of a step. */
export const of = (outputs: ReadonlyArray<Output>, nameOf: NameOf): number => {
  let sum = 0
  for (const output of outputs) sum = (sum + ofOutput(output, nameOf)) | 0
  return sum
}
