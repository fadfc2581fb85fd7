/**
 * What a reset proves that comes behind an answer that was written to its end: next to nothing. A peer that was closed
 * before it had read the answer resets the connection; haproxy does it as well when it has read everything, and to the
 * server the proxy is the peer.
 *
 * A peer that had closed its socket before has not read the answer: then Linux replies to our bytes with a reset behind
 * the end of the stream. Proxies that have read all reset without it.
 *
 * So what the answer delivered comes again once, and not before the next connect if the client says by its ids what it has
 * read (`Retries`). A peer that was found to reset what it has read is not believed any more:
 *
 * - the answer to a handshake was reset, and the client then uses the `clientId`, which it can know from that answer only;
 * - the answer to a connect was reset, and the next connect says that it was read; or it has another id and comes without
 *   the pause that CometD's client makes when a connect has failed (`backoffIncrement`, a second);
 * - what came again was reset again; but that is believed of the session only, because two real breaks in a row do it, too.
 */
import type { Delivery } from "./Message.ts"

/** The address of a peer: the machine's at the other end of the connection. */
export type Address = string

/** A peer has reset an answer, at this time, that may yet turn out to have been read. */
export interface Unsettled {
  readonly peer: Address
  readonly at: number
}

/** What resets have told of a session. */
export interface Resets {
  readonly unsettled: Unsettled | undefined
  /** The position up to which messages have come again: no reset brings them back once more. */
  readonly againUpTo: number
  readonly areBelieved: boolean
}

/** Nothing was reset yet. */
export const none: Resets = { unsettled: undefined, againUpTo: 0, areBelieved: true }

/** The peers that are not believed any more, the last one at the end. */
export type Disbelieved = ReadonlyArray<Address>

const mostDisbelieved = 1_000

/** Believes a peer no more; the one that was found out first is forgotten when there are too many. */
export const disbelieve = (self: Disbelieved, peer: Address): Disbelieved =>
  self.includes(peer) ? self : [...self.slice(1 - mostDisbelieved), peer]

/** A client whose connect has failed waits for longer than this (milliseconds), beside the interval that it was advised. */
const shortestPause = 500

/** Whether a connect comes too soon after the reset to be that of a client whose last one has failed. */
export const isSoon = ({ at }: Unsettled, now: number, interval: number): boolean => now - at < interval + shortestPause

/** The messages that have not come again yet. */
export const notYetAgain = ({ againUpTo }: Resets, messages: ReadonlyArray<Delivery>): ReadonlyArray<Delivery> =>
  messages.filter(({ position }) => position > againUpTo)

/** These messages come again. */
export const again = (self: Resets, messages: ReadonlyArray<Delivery>): Resets => ({
  ...self,
  againUpTo: messages.reduce((most, { position }) => Math.max(most, position), self.againUpTo)
})
