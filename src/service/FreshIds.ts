/** Client ids for new sessions: 160 random bits as 40 hexadecimal digits (specification, "Client ID": at least 128). */
import { randomBytes } from "node:crypto"
import * as ClientId from "../core/ClientId.ts"

const idLength = 20

/** Number of ids that are made of the bytes of one call: the source of randomness costs 8 microseconds a call. */
const idsAtOnce = 200

/** Creates a function that makes client ids. Each random byte is used once. */
export const make = (): () => ClientId.ClientId => {
  let bytes = Buffer.alloc(0)
  let used = 0
  return () => {
    if (used === bytes.length) {
      bytes = randomBytes(idsAtOnce * idLength)
      used = 0
    }
    return ClientId.make(bytes.toString("hex", used, used += idLength))
  }
}
