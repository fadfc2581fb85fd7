/**
 * Several sessions over one socket (a gateway, two clients of one page). For the machine a connection is one session's.
 * So each further session has a connection of its own, a branch, that writes to the same socket: what the machine does
 * for one session does not touch the others.
 *
 * A branch's frames are no one else's, so it is known whose a frame is that was not read. A branch that has been answered
 * and has no session (its connect was refused, or the session is reached by another connection by now) is given up.
 */
import type { ConnectionId } from "../core/Connection.ts"
import * as Frame from "./Frame.ts"
import type { CloseReason, Sink } from "./Transport.ts"

/** Connection that shares a socket. */
export interface Branch {
  readonly id: ConnectionId
  readonly canBeAnswered: boolean
  readonly heard: () => void
  readonly flush: () => void
  readonly closed: (resetBy?: string) => void
}

/** Connection that has the socket itself. */
export interface Trunk<B> {
  readonly id: ConnectionId
  readonly sink: Sink
  readonly open: (sink: Sink) => B
  readonly close: (reason: CloseReason) => void
  /** Whether a connection has a session. */
  readonly isBound: (connection: ConnectionId) => boolean
}

/**
 * Maximum number of branches; one more session takes the place of the one that has the socket itself, and gives it up
 * again.
 */
const most = 100

/** Branches of a socket. */
export class SharedSocket<B extends Branch> {
  readonly #trunk: Trunk<B>
  readonly #bySession = new Map<string, B>()
  /** Branches that have had a session and were given up: their frames may return yet. */
  readonly #former = new Set<B>()
  readonly #settled = new WeakSet<B>()
  readonly #owners = new WeakMap<Frame.Frame, B>()

  constructor(trunk: Trunk<B>) {
    this.#trunk = trunk
  }

  /** Finds the branch of a session. */
  get(clientId: string): B | undefined {
    const branch = this.#bySession.get(clientId)
    return branch?.canBeAnswered === true ? branch : undefined
  }

  /** Adds a branch for a session that has none, if there is room. */
  add(clientId: string): B | undefined {
    const closing = this.#bySession.get(clientId)
    if (closing !== undefined) this.#giveUp(closing)
    if (this.#bySession.size >= most) return undefined
    const branch: B = this.#trunk.open(this.#sinkOf(() => branch))
    this.#bySession.set(clientId, branch)
    return branch
  }

  /** Whether any of them has a session. */
  get isInUse(): boolean {
    for (const { canBeAnswered, id } of this.#bySession.values()) {
      if (canBeAnswered && this.#trunk.isBound(id)) return true
    }
    return false
  }

  /** Selects the frames that are no branch's. */
  withoutTheirs(frames: ReadonlyArray<Frame.Frame>): ReadonlyArray<Frame.Frame> {
    return frames.filter((frame) => !this.#owners.has(frame))
  }

  heard(): void {
    for (const branch of this.#bySession.values()) branch.heard()
  }

  flush(): void {
    for (const branch of [...this.#bySession.values()]) branch.flush()
  }

  /** Closes all branches: the socket is gone. */
  closed(resetBy?: string): void {
    for (const branch of [...this.#bySession.values(), ...this.#former]) branch.closed(resetBy)
    this.#bySession.clear()
    this.#former.clear()
  }

  #sinkOf(branch: () => B): Sink {
    return {
      send: (frame) => this.#send(branch(), frame),
      unwritten: () => this.#unwritten(branch()),
      bound: (clientId) => {
        this.#settled.add(branch())
        this.#trunk.sink.bound?.(clientId)
      },
      left: () => this.#trunk.sink.left?.(),
      close: (reason) => this.#close(branch(), reason)
    }
  }

  #send(branch: B, frame: Frame.Frame): void {
    const own = Frame.of(frame.messages)
    this.#owners.set(own, branch)
    this.#trunk.sink.send(own)
    if (!this.#trunk.isBound(branch.id)) this.#giveUp(branch)
  }

  #unwritten(branch: B): ReadonlyArray<Frame.Frame> {
    return this.#trunk.sink.unwritten?.().filter((frame) => this.#owners.get(frame) === branch) ?? []
  }

  /** Closes a branch. The socket is closed with its last session, or when it cannot be written to. */
  #close(branch: B, reason: CloseReason): void {
    if (reason === "ServerError") return this.#trunk.sink.close(reason)
    this.#giveUp(branch)
    if (reason !== "Shutdown" && !this.isInUse && !this.#trunk.isBound(this.#trunk.id)) this.#trunk.close(reason)
  }

  /**
   * Gives a branch up. Its frames that were not read return when the socket is gone, as long as there are not too many
   * such branches.
   */
  #giveUp(branch: B): void {
    for (const [clientId, other] of this.#bySession) if (other === branch) this.#bySession.delete(clientId)
    if (!this.#settled.has(branch)) return branch.closed()
    this.#former.add(branch)
    for (const oldest of this.#former) {
      if (this.#former.size <= most || this.#unwritten(oldest).length > 0) return
      this.#former.delete(oldest)
      oldest.closed()
    }
  }
}
