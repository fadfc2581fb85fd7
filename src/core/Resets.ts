/**
 * What a reset proves that comes behind an answer that was written to its end: next to nothing. A peer that was closed
 * before it had read the answer resets the connection; haproxy does it as well when it has read everything, and to the
 * server the proxy is the peer.
 *
 * So what the answer delivered comes again once, and not at all if the session's client tells by its ids what it has read
 * (`Retries`). A peer that was found to reset what it has read is not believed any more:
 *
 * - the answer to a handshake was reset, and the client then uses the `clientId`, which it can know from that answer only;
 * - the answer to a connect was reset, and the next connect says that it was read;
 * - what came again was reset again.
 */
import type { Delivery } from "./Message.ts"

/** The address of a peer: the machine's at the other end of the connection. */
export type Address = string

/** What resets have told of a session. */
export interface Resets {
  /** The peer that has reset an answer which may yet turn out to have been read. */
  readonly unsettled: Address | undefined
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

/** The messages that have not come again yet. */
export const notYetAgain = ({ againUpTo }: Resets, messages: ReadonlyArray<Delivery>): ReadonlyArray<Delivery> =>
  messages.filter(({ position }) => position > againUpTo)

/** These messages come again. */
export const again = (self: Resets, messages: ReadonlyArray<Delivery>): Resets => ({
  ...self,
  againUpTo: messages.reduce((most, { position }) => Math.max(most, position), self.againUpTo)
})
