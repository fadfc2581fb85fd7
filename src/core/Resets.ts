/**
 * Resets behind an answer that was written to its end, and what they prove: next to nothing. A peer that was closed
 * before it had read the answer resets the connection; haproxy does it as well when it has read everything, and to the
 * server the proxy is the peer.
 *
 * A peer that had closed its socket before has not read the answer: then Linux replies to our bytes with a reset behind
 * the end of the stream. Proxies that have read everything reset without it.
 *
 * So the messages of the answer are delivered again once, and not before the next connect if the ids of the client show
 * what it has read (`Retries`). A peer that was found to reset answers that it has read is not believed any more:
 *
 * - the answer to a handshake was reset, and the client then uses the `clientId`, which it can know from that answer
 *   only;
 * - the answer to a connect was reset, and the next connect shows that it was read; or it has another id and comes
 *   without the pause that CometD's client makes when a connect has failed (`backoffIncrement`, a second);
 * - messages that were delivered again were reset again; but that is believed of the session only, because two real
 *   breaks in a row do it, too.
 */
import type { Delivery } from "./Message.ts"

/** Address of a peer: the machine's at the other end of the connection. */
export type Address = string

/** Reset of an answer that may yet turn out to have been read. The time is milliseconds since the epoch. */
export interface Unsettled {
  readonly peer: Address
  readonly at: number
}

/** Resets of a session's connections. */
export interface Resets {
  readonly unsettled: Unsettled | undefined
  /** Position up to which messages were delivered again: no reset returns them once more. */
  readonly againUpTo: number
  readonly areBelieved: boolean
}

/** Session without resets. */
export const none: Resets = { unsettled: undefined, againUpTo: 0, areBelieved: true }

/** Peers that are not believed any more, the last one at the end. */
export type Disbelieved = ReadonlyArray<Address>

const mostDisbelieved = 1_000

/** Adds a peer that is not believed any more. A thousand are kept, the last ones. */
export const disbelieve = (self: Disbelieved, peer: Address): Disbelieved =>
  self.includes(peer) ? self : [...self.slice(1 - mostDisbelieved), peer]

/**
 * Time (milliseconds) for which a client whose connect has failed waits at least, beside the interval of its advice.
 */
const shortestPause = 500

/** Whether a connect comes too soon after the reset to be that of a client whose last one has failed. */
export const isSoon = ({ at }: Unsettled, now: number, interval: number): boolean => now - at < interval + shortestPause

/** Selects the messages that were not delivered again yet. */
export const notYetAgain = ({ againUpTo }: Resets, messages: ReadonlyArray<Delivery>): ReadonlyArray<Delivery> =>
  messages.filter(({ position }) => position > againUpTo)

/** Notes that messages are delivered again. */
export const again = (self: Resets, messages: ReadonlyArray<Delivery>): Resets => ({
  ...self,
  againUpTo: messages.reduce((most, { position }) => Math.max(most, position), self.againUpTo)
})
