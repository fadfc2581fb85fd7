/** The service as its connections see it: {@link Shell} implements it. */
import type { ClientId } from "../core/ClientId.ts"
import type { ConnectionId } from "../core/Connection.ts"
import type { Input } from "../core/Input.ts"
import type { Incoming } from "../core/Message.ts"
import type * as Extension from "./Extension.ts"
import type { Probe } from "./Probe.ts"
import type * as TaskQueue from "./TaskQueue.ts"
import type { ConnectionInfo, OpenConnection, Sink } from "./Transport.ts"

/** The service around connections of type `C`. */
export interface Host<C extends OpenConnection> extends Extension.Treatment {
  /** Milliseconds since the epoch, the same for all of a turn. */
  readonly now: number
  /** Extensions that handle incoming messages, in their order. */
  readonly incoming: ReadonlyArray<Extension.Extension>
  /** Extensions that handle outgoing messages, in their order. */
  readonly outgoing: ReadonlyArray<Extension.Extension>
  /** Maximum number of bytes of messages in a frame. */
  readonly maxFrameBytes: number
  readonly probe: Probe | undefined
  readonly runFork: TaskQueue.RunFork
  /** Decodes a JSON value as a message. */
  decode(raw: unknown): Incoming
  /** Makes a client id. */
  readonly freshId: () => ClientId
  /** Steps the machine. Outputs are carried out within the call. */
  step(input: Input): void
  /** Flushes the connection at the end of this turn. */
  touched(connection: C): void
  /** Opens a further connection, for another session over the same socket. */
  open(info: ConnectionInfo, sink: Sink): C
  /** Forgets a connection that is closed: no output reaches it any more. */
  forget(connection: ConnectionId): void
  /** Whether a connection has a session. */
  isBound(connection: ConnectionId): boolean
}
