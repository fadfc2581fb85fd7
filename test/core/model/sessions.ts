/** Sessions and connections as the naive model knows them. */
import type { Connection } from "../../../src/core/Connection.ts"
import type * as Message from "../../../src/core/Message.ts"

export interface ModelSession {
  readonly id: string
  readonly local: boolean
  readonly acknowledges: boolean
  readonly isFaye: boolean
  /** Of Faye's client: the number of its connect, and where that is to be answered. */
  connect: number
  /** The number of the last connect that it has sent. */
  sent: number
  pending: { readonly via: ModelConnection; readonly slot: number } | undefined
  readonly subscriptions: Set<string>
  /** Everything it is to get, in order. */
  readonly expected: Array<number>
  /** Everything it got, in order. */
  readonly received: Array<number>
  /** When it last connected, or its socket was heard; a halt of the process does not count. */
  lastSign: number
  /** The number of the last answer that its client has read. */
  number: number
  /** How many messages the server knows to have arrived. */
  acknowledged: number
  /** Messages came back after later ones had left: their order cannot be kept any more. */
  isDisordered: boolean
}

export interface ModelConnection {
  readonly connection: Connection
  isOpen: boolean
  owner: string | undefined
  requests: number
  readonly answers: Map<number, number>
  /** Requests whose answers do not arrive. */
  readonly lost: Set<number>
  /** What these would have delivered. */
  unread: ReadonlyArray<Message.Delivery>
  /** Its peer resets it when the answer is there. */
  isReset: boolean
  /** What left over it, newest last, with whose it was. */
  readonly sent: Array<readonly [session: string, data: number]>
  /** Faye's client whose connect it carries. */
  pendingOf: string | undefined
}
