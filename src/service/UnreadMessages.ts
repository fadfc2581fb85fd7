/**
 * Messages of a connection that its peer may not have read: when the connection is gone they return to the machine, and
 * until then a shared engine keeps the positions of their sessions before them. Messages are meant as they were before
 * extensions.
 */
import * as Channel from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import type { ConnectionId } from "../core/Connection.ts"
import type { Returned } from "../core/Input.ts"
import * as Message from "../core/Message.ts"
import * as Frame from "./Frame.ts"
import * as OriginalMessage from "./OriginalMessage.ts"

type Messages = ReadonlyArray<Message.Outgoing>

/** Input of messages that return, without its time. */
export type Return = Omit<Returned, "_tag" | "now">

/** Deliveries and replies that were written for a session. */
export interface Delivered {
  readonly clientId: ClientId
  readonly messages: Messages
}

/** Session with the lowest position of messages; `Infinity` if there are none. */
export type Lowest = readonly [clientId: ClientId, position: number]

const deliveries = (messages: Messages): ReadonlyArray<Message.Delivery> =>
  messages.map(OriginalMessage.of).filter(Message.isDelivery)

const isHandshakeReply = ({ channel }: Message.Outgoing): boolean => channel === Channel.handshake

/** Lists the returns of an exchange whose answer was not read. The answer to a handshake counts if it was reset. */
export const ofExchange = (
  exchange: ConnectionId,
  delivered: ReadonlyArray<Delivered>,
  resetBy: string | undefined,
  hadEnded: boolean
): ReadonlyArray<Return> =>
  delivered.flatMap(({ clientId, messages: written }) => {
    const messages = deliveries(written)
    const counts = messages.length > 0 || (resetBy !== undefined && written.some(isHandshakeReply))
    return counts ? [{ clientId, messages, exchange, resetBy, hadEnded }] : []
  })

/**
 * Lists the returns of a socket or stream: messages that may not have left, by a reset if there was one, and those that
 * were not even written.
 */
export const ofSession = (
  clientId: ClientId,
  written: ReadonlyArray<Frame.Frame>,
  unwritten: Messages,
  resetBy: string | undefined
): ReadonlyArray<Return> => {
  const sent = written.flatMap((frame) => frame.messages)
  const parts: ReadonlyArray<readonly [Messages, resetBy: string | undefined]> = resetBy === undefined
    ? [[[...sent, ...unwritten], undefined]]
    : [[sent, resetBy], [unwritten, undefined]]
  return parts.flatMap(([part, resetBy]) => {
    const messages = deliveries(part)
    return messages.length > 0 ? [{ clientId, messages, resetBy }] : []
  })
}

/** Lists the sessions of an exchange's answer with their lowest positions. */
export const lowestOfExchange = (delivered: ReadonlyArray<Delivered>): ReadonlyArray<Lowest> =>
  delivered.map(({ clientId, messages }) => [clientId, Frame.lowest(deliveries(messages))])

/**
 * Finds the lowest position of frames and of messages that are in no frame yet. Each frame knows its own: frames that
 * slow clients have not taken may be many, and most of them are the same.
 */
export const lowestOf = (frames: ReadonlyArray<Frame.Frame>, messages: Messages): number =>
  frames.reduce((least, frame) => Math.min(least, frame.lowest), Frame.lowest(deliveries(messages)))
