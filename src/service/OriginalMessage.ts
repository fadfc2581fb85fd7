/** Messages before extensions have changed them: positions and counts are those of the originals. */
import type { Outgoing } from "../core/Message.ts"

const originals = new WeakMap<Outgoing, Outgoing>()

/** Remembers the original of a message that an extension has made. */
export const remember = (made: Outgoing, original: Outgoing): void => void originals.set(made, original)

/** Finds the message as it was before extensions; itself, if none has changed it. */
export const of = (message: Outgoing): Outgoing => originals.get(message) ?? message
