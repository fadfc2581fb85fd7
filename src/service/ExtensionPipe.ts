/**
 * The way of a connection's messages through the extensions: from JSON to a decoded message, and from an outgoing message
 * to the one that is written.
 */
import * as Effect from "effect/Effect"
import type { Advice } from "../core/Advice.ts"
import type { BayeuxError } from "../core/BayeuxError.ts"
import * as Channel from "../core/Channel.ts"
import * as Message from "../core/Message.ts"
import * as Extension from "./Extension.ts"
import type { Host } from "./Host.ts"
import * as OriginalMessage from "./OriginalMessage.ts"

/** The parts of the service that the way through extensions uses. */
export type Service = Pick<Host<never>, "decode" | "extensionTimeout" | "logThrottle" | "probe">

/** Whether a message was for others. */
const isPublished = ({ channel }: Message.Raw): boolean => typeof channel === "string" && !Channel.isMeta(channel)

/** Passes an incoming message through the extensions and decodes it; nothing if an extension drops it. */
export const passIn = (
  service: Service,
  extensions: ReadonlyArray<Extension.Extension>,
  message: unknown,
  contextOf: (message: Message.Raw) => Extension.ExtensionContext
): Effect.Effect<Message.Incoming | undefined> => {
  if (!Message.isRaw(message) || message instanceof Message.TooLong) return Effect.succeed(service.decode(message))
  return Extension.run(extensions, "incoming", message, contextOf(message), service).pipe(
    Effect.map((passed) => {
      if (passed !== undefined) return service.decode(passed)
      if (isPublished(message)) service.probe?.dropped("Extension", 1)
      return undefined
    }),
    Effect.catchTag("BayeuxRefusal", ({ advice, error }) => Effect.succeed(Message.refuse(message, error, advice)))
  )
}

/** Creates the refusal of a reply: it does not say that there is a session, but still what the server offers. */
const refused = (
  reply: Message.Reply,
  error: BayeuxError,
  advice: Advice | undefined,
  insists: boolean
): Message.Reply => {
  const { supportedConnectionTypes, version } = reply
  return Message.failed({ ...Message.refuse(reply, error), insists }, error, advice, {
    ...(version === undefined ? undefined : { version }),
    ...(supportedConnectionTypes === undefined ? undefined : { supportedConnectionTypes })
  })
}

/**
 * Passes an outgoing message through the extensions; nothing if it is not written. A reply that an extension refuses
 * becomes a refusal, a delivery that it refuses is not delivered. `insists`: the client repeats a refused handshake.
 */
export const passOut = (
  service: Service,
  extensions: ReadonlyArray<Extension.Extension>,
  message: Message.Outgoing,
  context: Extension.ExtensionContext,
  insists: boolean
): Effect.Effect<Message.Outgoing | undefined> => {
  const raw = message as Message.Outgoing & Message.Raw
  return Extension.run(extensions, "outgoing", raw, context, service).pipe(
    Effect.map((passed) => {
      const outgoing = passed as Message.Outgoing | undefined
      if (outgoing !== undefined && outgoing !== message) OriginalMessage.remember(outgoing, message)
      return outgoing
    }),
    Effect.catchTag(
      "BayeuxRefusal",
      ({ advice, error }) =>
        Effect.succeed(Message.isReply(message) ? refused(message, error, advice, insists) : undefined)
    ),
    Effect.tap((outgoing) =>
      Effect.sync(() => {
        if (outgoing === undefined && Message.isDelivery(message)) service.probe?.dropped("Extension", 1)
      })
    )
  )
}
