/**
 * Code of the application that sees each message on its way in and out: authentication, authorisation, `ext`.
 *
 * Extensions are as in Faye (an `incoming` and an `outgoing` function, in the order in which they were added), with
 * these differences: they are Effects; a refusal is a value of its own; `ext` and all other fields that an extension
 * has read do not travel on, because what subscribers get is built anew from `channel`, `data` and `id`, and from the
 * trace context where messages are traced (`Tracing`).
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Advice from "../core/Advice.ts"
import * as BayeuxError from "../core/BayeuxError.ts"
import * as Channel from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import * as Message from "../core/Message.ts"
import type { Raw } from "../core/Message.ts"
import type { LogThrottle } from "./LogThrottle.ts"
import type { RequestInfo } from "./Transport.ts"

/** Where a message comes from or goes to. */
export interface ExtensionContext {
  /** The transport: `websocket`, `long-polling`, … and `in-process` for the application's own messages. */
  readonly connectionType: string
  /** The application's own message. */
  readonly local: boolean
  /** The session to which the socket or stream belongs. For an incoming message of an exchange, look at the message. */
  readonly clientId: ClientId | undefined
  /** Headers, address and URL of the HTTP request, of the upgrade for a WebSocket. In-process messages have none. */
  readonly request: RequestInfo | undefined
}

/** The message is not accepted; its sender gets the error, and the advice if there is one. */
export class Refusal extends Data.TaggedError("BayeuxRefusal")<{
  readonly error: BayeuxError.BayeuxError
  readonly advice: Advice.Advice | undefined
}> {}

/**
 * What a message becomes: itself or a changed copy, or `undefined` to drop it without an answer. An incoming message
 * is whatever JSON object the peer has sent; only what leaves the last extension is decoded.
 */
export type Handler<R = never> = (
  message: Raw,
  context: ExtensionContext
) => Effect.Effect<Raw | undefined, Refusal, R>

/** An extension. One that fails otherwise, or takes longer than the service allows, has its message refused. */
export interface Extension<R = never> {
  readonly name: string
  readonly incoming?: Handler<R>
  readonly outgoing?: Handler<R>
}

/**
 * Refuses a message. A plain sentence becomes `403::sentence`; advice may be given, for instance
 * `{ reconnect: "none" }` with a refused handshake. Without it a client whose handshake or connect is refused shakes
 * hands again after 1 to 1.5 seconds.
 */
export const refuse = (
  error: string | BayeuxError.BayeuxError,
  advice?: Advice.Advice
): Effect.Effect<never, Refusal> =>
  Effect.fail(
    new Refusal({ error: typeof error === "string" ? BayeuxError.make(403, [], error) : error, advice })
  )

/**
 * Says who is behind a handshake: gives a copy of it from which the session gets its `identity`, what the application
 * calls its user. Nothing that a client sends can do that. Extensions behind this one keep it when they copy the message
 * with `{ ...message }`.
 *
 * An identity that cannot be used (empty, longer than 256 characters, for another message than a handshake) is a mistake
 * of the application: the message is refused with `500`, and the log says why.
 */
export const identify = (message: Raw, identity: string): Effect.Effect<Raw, Refusal> => {
  const { channel } = message
  const complaint = channel === Channel.handshake
    ? Message.complaintAbout(identity)
    : `A message on ${JSON.stringify(channel)} was given an identity: give it to the session's handshake`
  return complaint === undefined
    ? Effect.succeed(Message.withIdentity(message, identity))
    : Effect.andThen(Effect.logError(complaint), refuse(BayeuxError.serverError))
}

/** The way of a message: `incoming` passes the extensions in their order, `outgoing` as well. */
export type Direction = "incoming" | "outgoing"

/** How extensions are treated. */
export interface Treatment {
  /** How long each may take over a message. */
  readonly extensionTimeout: Duration.Duration
  /** How their failures are logged. */
  readonly logThrottle: LogThrottle
}

/**
 * Sees to it that a client that comes back does not do so at once, and not at the same time as all others: after the
 * interval of `otherwise` and up to half as much again, unless the advice says when.
 */
const paced = (
  { channel }: Raw,
  advice: Advice.Advice | undefined,
  otherwise: Advice.Advice & { readonly interval: number }
): Effect.Effect<Advice.Advice | undefined> =>
  typeof channel !== "string" || !Message.comesBack(channel) || advice?.reconnect === "none"
    ? Effect.succeed(advice)
    : Effect.map(
      Random.nextBetween(1, 1.5),
      (spread) => ({ ...otherwise, interval: Math.round(otherwise.interval * spread), ...advice })
    )

const refused = { interval: Advice.pause }

/** Who connects keeps the session: it is not the session that failed. */
const failed = ({ channel }: Raw) => ({
  interval: 5_000,
  ...(channel === Channel.connect ? { reconnect: "retry" } as const : undefined)
})

/** An extension that does not do its work: its message is refused, and the log tells once a while. */
const broken = (
  extension: Extension,
  direction: Direction,
  message: Raw,
  { cause, error, what }: { what: string; error: BayeuxError.BayeuxError; cause: Cause.Cause<unknown> },
  logThrottle: LogThrottle
): Effect.Effect<never, Refusal> => {
  const name = `Extension "${extension.name}" ${what}`
  const line = `${name} with an ${direction} message on ${JSON.stringify(message["channel"])}`
  const reasons = Cause.prettyErrors(cause).map((error) => `, the last time with ${error.name}: ${error.message}`)
  const again = (times: number, within: string) =>
    Effect.logError(`${name} with ${times} more ${direction} messages within ${within}${reasons[0] ?? ""}`)
  return logThrottle.say(`${name} ${direction}`, Effect.logError(line, ...(reasons.length === 0 ? [] : [cause])), again)
    .pipe(
      Effect.andThen(paced(message, undefined, failed(message))),
      Effect.flatMap((advice) => refuse(error, advice))
    )
}

/** What becomes of a message in one extension: every way to fail is a refusal, and is logged unless it was meant. */
const pass = (
  extension: Extension,
  direction: Direction,
  message: Raw,
  context: ExtensionContext,
  { extensionTimeout: timeout, logThrottle }: Treatment
): Effect.Effect<Raw | undefined, Refusal> => {
  const handle = extension[direction]
  if (handle === undefined) return Effect.succeed(message)
  const refusal = (cause: Cause.Cause<Refusal>): Effect.Effect<never, Refusal> => {
    const refusal = Option.getOrUndefined(Cause.findErrorOption(cause))
    return refusal instanceof Refusal
      ? Effect.flatMap(paced(message, refusal.advice, refused), (advice) => refuse(refusal.error, advice))
      : broken(extension, direction, message, { what: "failed", error: BayeuxError.serverError, cause }, logThrottle)
  }
  const what = `took longer than ${Duration.format(timeout)}`
  const late = BayeuxError.make(500, [], "Extension timed out")
  return Effect.suspend(() => handle(message, context)).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => broken(extension, direction, message, { what, error: late, cause: Cause.empty }, logThrottle)
    }),
    Effect.catchCause(refusal)
  )
}

/** Sends a message through all extensions, as far as it gets. */
export const run = Effect.fnUntraced(function*(
  extensions: ReadonlyArray<Extension>,
  direction: Direction,
  message: Raw,
  context: ExtensionContext,
  treatment: Treatment
) {
  let current: Raw | undefined = message
  for (const extension of extensions) {
    if (current === undefined) return undefined
    current = yield* pass(extension, direction, current, context, treatment)
  }
  return current
})
