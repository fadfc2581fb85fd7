/** What an extension has made of a message on its way out, and the message itself: who writes, counts what it was. */
import type { Outgoing } from "../core/Message.ts"

const originals = new WeakMap<Outgoing, Outgoing>()

/** An extension has made one message of another one. */
export const remember = (made: Outgoing, original: Outgoing): void => void originals.set(made, original)

/** What a message was before extensions; itself, if none has changed it. */
export const of = (message: Outgoing): Outgoing => originals.get(message) ?? message
