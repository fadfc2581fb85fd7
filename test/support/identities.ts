/** The application of a test that knows its users: whoever shakes hands with `ext.user` is that user. */
import { Effect } from "effect"
import * as Message from "../../src/core/Message.ts"
import * as Extension from "../../src/service/Extension.ts"

export const identities: Extension.Extension = {
  name: "identities",
  incoming: (message) => {
    const user = Message.isRaw(message["ext"]) ? message["ext"]["user"] : undefined
    return message["channel"] === "/meta/handshake" && typeof user === "string"
      ? Extension.identify(message, user)
      : Effect.succeed(message)
  }
}
