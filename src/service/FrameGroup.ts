/**
 * The connections that a message goes to. While a turn brings more messages for the same ones, they have one frame in
 * common that grows with each message: a message costs the same for however many connections. One that gets something
 * else in between, an answer say, takes what the frame holds so far and goes on apart from the others.
 */
import type { Delivery } from "../core/Message.ts"
import * as Frame from "./Frame.ts"

/** A connection that may be among them. */
export interface Listener {
  /** Writes, from now on, what the audience has in common. False if it has something of its own to write. */
  readonly join: (group: FrameGroup) => boolean
  readonly deliver: (message: Delivery) => void
}

/** The connections that get the same messages in this turn. */
export class FrameGroup {
  #frame: Frame.Frame = Frame.empty
  readonly #apart: Array<Listener> = []

  /** One more connection, before the first message. */
  add(listener: Listener): void {
    if (!listener.join(this)) this.#apart.push(listener)
  }

  /** A connection leaves the others, and gets what comes from now on by itself. Gives what it is to write so far. */
  leave(listener: Listener): Frame.Frame {
    this.#apart.push(listener)
    return this.#frame
  }

  /** A message for all of them. */
  deliver(message: Delivery): void {
    this.#frame = this.#frame.append(message)
    for (const listener of this.#apart) listener.deliver(message)
  }
}
