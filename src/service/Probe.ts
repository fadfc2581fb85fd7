/**
 * Probes of the running service, for counters and traces: plain calls on its hot path, at the very moment. An
 * implementation counts or notes and returns; it starts no effect, does not wait and does not throw.
 *
 * Events are for changes, and for all monitors; a probe also sees what changes nothing, each message and each delivery.
 * Where none is installed, the service checks that once and goes on.
 */
import type { Outcome } from "../core/Change.ts"
import type { Incoming } from "../core/Message.ts"
import type { DropReason } from "../core/Output.ts"
import type { Frame } from "./Frame.ts"

/** Reasons for the loss of messages: those of the machine, and `Extension`: an extension has not let them pass. */
export type LossReason = DropReason | "Extension"

/** Observer of the hot path. */
export interface Probe {
  /** A turn of the event loop begins, at this time of the service's clock (milliseconds since the epoch). */
  readonly turnBegan: (now: number) => void
  /** Everything that was to leave in the turn has been written. */
  readonly turnEnded: () => void
  /** A message has arrived, from a client or from the application, and goes to the machine. */
  readonly received: (message: Incoming) => void
  /** The engine has told an outcome, of this process or of another one. */
  readonly happened: (outcome: Outcome) => void
  /** A frame was written to a connection. The same frame may go to many of them, one after the other. */
  readonly sent: (frame: Pick<Frame, "deliveries">) => void
  /** Messages, each for one session, will not be delivered. A message that was refused counts as one. */
  readonly dropped: (reason: LossReason, messages: number) => void
  /** Whether publishes are to keep the `ext.traceparent` that they bring. */
  readonly keepsTraces: boolean
}

/** Combines probes into one; none into none. */
export const combine = (probes: ReadonlyArray<Probe>): Probe | undefined =>
  probes.length < 2 ? probes[0] : {
    turnBegan: (now) => probes.forEach((probe) => probe.turnBegan(now)),
    turnEnded: () => probes.forEach((probe) => probe.turnEnded()),
    received: (message) => probes.forEach((probe) => probe.received(message)),
    happened: (outcome) => probes.forEach((probe) => probe.happened(outcome)),
    sent: (frame) => probes.forEach((probe) => probe.sent(frame)),
    dropped: (reason, messages) => probes.forEach((probe) => probe.dropped(reason, messages)),
    keepsTraces: probes.some((probe) => probe.keepsTraces)
  }
