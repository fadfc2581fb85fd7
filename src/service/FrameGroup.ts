/**
 * Connections that get the same messages in a turn have one frame in common, which grows with each message: a message
 * costs the same for however many connections. A connection that gets something else in between, an answer say, takes
 * the frame as it is so far and goes on apart from the others.
 */
import type { ConnectionId } from "../core/Connection.ts"
import type { Delivery } from "../core/Message.ts"
import type { Deliver } from "../core/Output.ts"
import * as Frame from "./Frame.ts"

/** A connection that may be in a group. */
export interface Listener {
  /** Joins the group, whose frame it writes from now on. False if it has something of its own to write. */
  readonly join: (group: FrameGroup) => boolean
  readonly deliver: (message: Delivery) => void
}

/** Connections that get the same messages in this turn. */
export class FrameGroup {
  #frame: Frame.Frame = Frame.empty
  readonly #apart: Array<Listener> = []

  /** Adds a connection, before the first message. */
  add(listener: Listener): void {
    if (!listener.join(this)) this.#apart.push(listener)
  }

  /** Takes a connection out, which gets later messages by itself. Gives the frame as it is so far. */
  leave(listener: Listener): Frame.Frame {
    this.#apart.push(listener)
    return this.#frame
  }

  /** Delivers a message to all of them. */
  deliver(message: Delivery): void {
    this.#frame = this.#frame.append(message)
    for (const listener of this.#apart) listener.deliver(message)
  }
}

/** Number of connections from which a group saves more than gathering it costs. */
const fewestTogether = 8

/** The groups of a turn, by their lists of connections: a list is the same as long as the routes are. */
export class FrameGroups {
  readonly #groups = new Map<ReadonlyArray<ConnectionId>, FrameGroup>()
  readonly #connections: ReadonlyMap<ConnectionId, Listener>

  constructor(connections: ReadonlyMap<ConnectionId, Listener>) {
    this.#connections = connections
  }

  /** Delivers a message to connections, as a group if they are many. */
  deliver({ connections, message }: Deliver): void {
    if (connections.length < fewestTogether) {
      for (const connection of connections) this.#connections.get(connection)?.deliver(message)
      return
    }
    let group = this.#groups.get(connections)
    if (group === undefined) this.#groups.set(connections, group = this.#gather(connections))
    group.deliver(message)
  }

  #gather(connections: ReadonlyArray<ConnectionId>): FrameGroup {
    const group = new FrameGroup()
    for (const id of connections) {
      const connection = this.#connections.get(id)
      if (connection !== undefined) group.add(connection)
    }
    return group
  }

  /** Forgets the groups. */
  clear(): void {
    this.#groups.clear()
  }
}
