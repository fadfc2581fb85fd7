/** How the generator speaks to a server: as a subscriber, and as a publisher. One implementation for each protocol. */
import type { Address } from "../load/BareSocket.ts"
import type { Found } from "../load/Mark.ts"

/** A channel and the stream that a publisher has there. */
export interface Stream {
  readonly stream: number
  readonly channel: string
}

export interface Subscription {
  /** What Bayeux servers are asked for. */
  readonly patterns: ReadonlyArray<string>
  /** The same for servers that know no patterns: all that is published in a room goes to all of the room. */
  readonly room: string
}

export interface Publication {
  readonly streams: ReadonlyArray<Stream>
  readonly room: string
  /** Whether each publish is to be answered, for servers that leave the choice. */
  readonly answered: boolean
}

/** Sends a publish. Those of one turn leave in one write. */
export type Publish = (stream: number, sequence: number) => void

export interface Dialect {
  /** Opens a connection and subscribes: when the promise ends, the server has confirmed it. */
  readonly subscribe: (address: Address, subscription: Subscription, onDelivery: Found) => Promise<void>
  /** Opens a connection to publish over. Answers that do not say to which publish have the sequence `undefined`. */
  readonly publisher: (
    address: Address,
    publication: Publication,
    onAnswer: (stream: number, sequence?: number) => void
  ) => Promise<Publish>
  /** Whether each publish is answered whatever `answered` says (`always`), if it says so (`asked`), or never. */
  readonly answers: "always" | "asked" | "never"
}
