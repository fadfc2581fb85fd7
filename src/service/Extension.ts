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

/** Origin of an incoming message, or destination of an outgoing one. */
export interface ExtensionContext {
  /**
   * Connection type of the transport: `websocket`, `long-polling`, … and `in-process` for the application's own
   * messages.
   */
  readonly connectionType: string
  /** Whether it is the application's own message. */
  readonly local: boolean
  /** Session of the socket or stream. For an incoming message of an exchange, look at the message. */
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
 * Handler of messages: gives the message or a changed copy, or `undefined` to drop it without an answer. An incoming
 * message is any JSON object that the peer has sent; only the result of the last extension is decoded.
 */
export type Handler<R = never> = (
  message: Raw,
  context: ExtensionContext
) => Effect.Effect<Raw | undefined, Refusal, R>

/**
 * Extension. If it fails otherwise than by a refusal, or takes longer than the service allows, its message is refused.
 */
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
 * Names the user behind a handshake: gives a copy of it from which the session gets its `identity`. Nothing that a
 * client sends can do that. Extensions behind this one keep it when they copy the message with `{ ...message }`.
 *
 * An identity that cannot be used (empty, longer than 256 characters, for another message than a handshake) is a
 * mistake of the application: the message is refused with `500`, and the log says why.
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

/**
 * Direction of a message. Both pass the extensions in the order in which they were added.
 *
 * @internal
 */
export type Direction = "incoming" | "outgoing"

/**
 * Limits for extensions.
 *
 * @internal
 */
export interface Treatment {
  /** Time that each may take over a message. */
  readonly extensionTimeout: Duration.Duration
  /** Throttle of the log lines about their failures. */
  readonly logThrottle: LogThrottle
}

/**
 * Adds a pause to the advice of a client that comes back, so that it does not at once, and not at the same time as all
 * others: the interval of `otherwise` and up to half as much again, unless the advice has one.
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

/** Chooses the advice when an extension has failed. A client that connects keeps its session: that has not failed. */
const failed = ({ channel }: Raw) => ({
  interval: 5_000,
  ...(channel === Channel.connect ? { reconnect: "retry" } as const : undefined)
})

/** Refuses the message of an extension that has failed, and logs that once a while. */
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

/** Passes a message through one extension: every way to fail is a refusal, and is logged unless it was meant. */
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

/**
 * Sends a message through all extensions, as far as it gets.
 *
 * @internal
 */
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
