/**
 * Messages: requests of clients, decoded, and the replies and deliveries to them.
 *
 * `decode` is total: whatever a peer has sent becomes one of the {@link Incoming} shapes, of which `Refused` already
 * has its error. Nothing is ever merged into or copied from a foreign object as a whole: each field is read by its
 * name, so `__proto__` and `constructor` are data like any other.
 *
 * The form of a message is checked first (400, 402, 405), here; then its sender (401) and the permissions (301, 403),
 * in `Protocol`.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Advice from "./Advice.ts"
import * as BayeuxError from "./BayeuxError.ts"
import * as Channel from "./Channel.ts"
import type { Settings } from "./Settings.ts"
import * as Traceparent from "./Traceparent.ts"

/** Message as JSON has it: an object with fields of any kind. */
export type Raw = { readonly [field: string]: Schema.Json }

/** Message that is longer than accepted. Only the fields that its answer needs are read. Lengths are bytes. */
export class TooLong {
  readonly fields: Raw
  readonly bytes: number
  readonly limit: number

  constructor(fields: Raw, bytes: number, limit: number) {
    this.fields = fields
    this.bytes = bytes
    this.limit = limit
  }
}

/** Id of a message, repeated in its reply. The specification wants letters and digits; numbers are met in the wild. */
export type Id = string | number | undefined

/**
 * Request to `/meta/handshake`, well formed. `acknowledges` is its `ext.ack`: CometD's acknowledgement. `identity` is
 * the name of its user, if an extension has given one ({@link identityOf}).
 */
export interface Handshake {
  readonly _tag: "Handshake"
  readonly id: Id
  readonly supportedConnectionTypes: ReadonlyArray<string>
  readonly acknowledges: boolean
  readonly identity: string | undefined
}

/**
 * Request to `/meta/connect`. `timeout` is the client's `advice.timeout` in milliseconds, `acknowledged` the number of
 * its `ext.ack`, if it sent a usable one.
 */
export interface Connect {
  readonly _tag: "Connect"
  readonly id: Id
  readonly clientId: string
  readonly connectionType: string
  readonly timeout: number | undefined
  readonly acknowledged: number | undefined
}

/** Request to `/meta/subscribe` or `/meta/unsubscribe`; the reply repeats `subscription`. */
export interface Subscription {
  readonly _tag: "Subscribe" | "Unsubscribe"
  readonly id: Id
  readonly clientId: string
  readonly subscription: string | ReadonlyArray<string>
  readonly patterns: ReadonlyArray<Channel.Pattern>
}

/** Request to `/meta/disconnect`. */
export interface Disconnect {
  readonly _tag: "Disconnect"
  readonly id: Id
  readonly clientId: string
}

/** Message for other clients, or for the application. Without `clientId` the publisher has no session. */
export interface Publish {
  readonly _tag: "Publish"
  readonly id: Id
  readonly clientId: string | null
  readonly channel: Channel.Channel
  readonly data: Schema.Json
  readonly traceparent: Traceparent.Traceparent | undefined
}

/** Message that is answered with an error, whatever the state: badly formed, or refused by an extension. */
export interface Refused {
  readonly _tag: "Refused"
  readonly id: Id
  readonly channel: string | undefined
  readonly clientId: string | undefined
  readonly subscription: string | ReadonlyArray<string> | undefined
  /** Whether it is a handshake of a client that repeats it by itself ({@link insists}). */
  readonly insists: boolean
  readonly error: BayeuxError.BayeuxError
  readonly advice: Advice.Advice | undefined
}

/** Decoded request. */
export type Incoming = Handshake | Connect | Subscription | Disconnect | Publish | Refused

/** Further facts about a delivery. */
interface About {
  /** Time of its arrival in this process, in milliseconds since the epoch. */
  readonly arrivedAt?: number | undefined
  readonly traceparent?: Traceparent.Traceparent | undefined
  /** JSON of the message, if that is there already. */
  readonly json?: string | undefined
}

/** Writes a message in JSON, as its subscribers get it. */
export const write = ({ channel, data, id, traceparent }: Omit<Publish, "_tag" | "clientId">): string =>
  JSON.stringify({ channel, data, id, ext: traceparent && { traceparent } })

const nothing: About = {}

/** Maximum length (characters of its JSON) of a message whose `data` stays parsed when it is written. */
const longestTree = 4_096

/** Counts the bytes of a text in UTF-8; JSON has no halves of characters. */
const utf8Length = (text: string): number => {
  let bytes = text.length
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) bytes += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1
  }
  return bytes
}

/**
 * Message on its way to a subscriber, built anew from what may be delivered. Its position, which grows with each
 * message, goes with it wherever it goes in the server. Position and time of arrival are no fields, so JSON does not
 * show them.
 */
export class Delivery {
  readonly channel: Channel.Channel
  readonly data: Schema.Json
  declare readonly id?: string | number
  declare readonly ext?: { readonly traceparent: Traceparent.Traceparent }
  readonly #position: number
  readonly #arrivedAt: number
  #json: string | undefined

  constructor(channel: Channel.Channel, data: Schema.Json, id: Id, position: number, about: About = nothing) {
    this.channel = channel
    this.data = data
    if (id !== undefined) this.id = id
    if (about.traceparent !== undefined) this.ext = { traceparent: about.traceparent }
    this.#position = position
    this.#arrivedAt = about.arrivedAt ?? Number.NaN
    this.#json = about.json
  }

  get position(): number {
    return this.#position
  }

  /** Time of its arrival in milliseconds since the epoch; `NaN` where it came with a session from another process. */
  get arrivedAt(): number {
    return this.#arrivedAt
  }

  /** JSON of the message, written once, however many sessions get it. */
  get json(): string {
    return this.#json ??= this.#write()
  }

  /**
   * Writes the message. A long one is its text from then on: parsed, JSON may take fourteen times as much memory, and a
   * message that waits is mostly read as text.
   */
  #write(): string {
    const json = JSON.stringify(this)
    if (json.length > longestTree) {
      const get = () => (JSON.parse(json) as Delivery).data
      Object.defineProperty(this, "data", { get, enumerable: true, configurable: true })
    }
    return json
  }

  /** Forgets the JSON until it is wanted again: a message that is kept needs none. */
  forgetJson(): void {
    this.#json = undefined
  }

  #bytes: number | undefined

  /** Number of bytes of the message in JSON. */
  get bytes(): number {
    return this.#bytes ??= utf8Length(this.json)
  }
}

/** Answer to a request. */
export interface Reply {
  readonly channel?: string
  readonly successful: boolean
  readonly id?: string | number
  readonly clientId?: string
  readonly error?: string
  readonly advice?: Advice.Advice
  readonly version?: string
  readonly supportedConnectionTypes?: ReadonlyArray<string>
  readonly subscription?: string | ReadonlyArray<string>
  /** In an answer to a handshake: whether the session acknowledges. To a connect: the number of its last message. */
  readonly ext?: { readonly ack: boolean | number }
}

/** Message to a client. */
export type Outgoing = Reply | Delivery

/** Whether it answers a request, as opposed to a message for a subscriber. */
export const isReply = (message: Outgoing): message is Reply => "successful" in message

/** Whether it is a message for a subscriber. */
export const isDelivery = (message: Outgoing): message is Delivery => !isReply(message)

/** Version of the protocol. */
export const version = "1.0"

// ---------------------------------------------------------------------------------------------------------------------
// identity

/**
 * Key of the identity in a raw handshake. JSON knows no symbols, so a peer cannot send one. A copy that is made with `{
 * ...message }` keeps it.
 */
const identity: unique symbol = Symbol("effect-bayeux/identity")

/** Maximum length of an identity, in UTF-16 code units. */
const longestIdentity = 256

/** Describes the mistake in an identity and how to mend it; nothing if there is none. */
export const complaintAbout = (name: string): string | undefined => {
  if (name === "") return "An identity is empty: give what the application calls its user, or none"
  if (name.length > longestIdentity) {
    return `The identity "${name.slice(0, 20)}…" has ${name.length} characters: give one of at most ${longestIdentity}`
  }
  return /\p{Surrogate}/u.test(name)
    ? `The identity ${JSON.stringify(name)} is no whole text: give one without halves of characters`
    : undefined
}

/** Gives a handshake an identity. */
export const withIdentity = (raw: Raw, name: string): Raw => ({ ...raw, [identity]: name })

/** Reads the identity of a raw handshake, if an extension has given one. */
export const identityOf = (raw: object): string | undefined => {
  const name = identity in raw ? raw[identity] : undefined
  return typeof name === "string" ? name : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// decoding

type Fields = { readonly [field: string]: unknown }
type Field<A> = Result.Result<A, BayeuxError.BayeuxError>

const idOf = (raw: Fields): Id => {
  const id = raw["id"]
  return typeof id === "string" || typeof id === "number" ? id : undefined
}

const isStrings = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((item) => typeof item === "string")

const isSubscription = (value: unknown): value is string | ReadonlyArray<string> =>
  typeof value === "string" || isStrings(value)

/**
 * Whether a client with these connection types shakes hands again by itself, some seconds after it was refused: Faye's
 * does (since 1.0, in Ruby as well), and nobody else has these two types.
 */
export const insists = (supportedConnectionTypes: ReadonlyArray<string>): boolean =>
  supportedConnectionTypes.includes("eventsource") || supportedConnectionTypes.includes("in-process")

/** Creates the refusal of a message whose fields may be anything. */
export const refuse = (raw: unknown, error: BayeuxError.BayeuxError, advice?: Advice.Advice): Refused => {
  const fields: Fields = isRaw(raw) ? raw : {}
  const { channel, clientId, subscription, supportedConnectionTypes: types } = fields
  return {
    _tag: "Refused",
    id: idOf(fields),
    channel: isString(channel) ? channel : undefined,
    clientId: isString(clientId) ? clientId : undefined,
    subscription: isSubscription(subscription) ? subscription : undefined,
    insists: channel === Channel.handshake && isStrings(types) && insists(types),
    error,
    advice
  }
}

/** Whether a JSON value is an object, as each message must be. */
export const isRaw = (value: unknown): value is Raw =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === ""

const required = <A>(raw: Fields, field: string, is: (value: unknown) => value is A): Field<A> => {
  const value = raw[field]
  if (isAbsent(value)) return Result.fail(BayeuxError.parameterMissing(field))
  return is(value) ? Result.succeed(value) : Result.fail(BayeuxError.badRequest(field))
}

const isString = (value: unknown): value is string => typeof value === "string"

const isVersion = (value: unknown): value is string | number => typeof value === "string" || typeof value === "number"

const major = (text: string | number): number => {
  const match = /^(\d{1,9})(?:\.[A-Za-z0-9][A-Za-z0-9\-_]*)*$/.exec(String(text))
  return match === null ? Number.NaN : Number(match[1])
}

/**
 * Checks that the client speaks version 1 or later and does not demand more than version 1 (specification, "Version").
 */
const checkVersion = (raw: Fields): Field<void> => {
  const given = required(raw, "version", isVersion)
  if (Result.isFailure(given)) return Result.fail(given.failure)
  if (!(major(given.success) >= 1)) return Result.fail(BayeuxError.versionMismatch(String(given.success)))
  const minimum = raw["minimumVersion"]
  if (isAbsent(minimum)) return Result.succeed(undefined)
  if (!isVersion(minimum)) return Result.fail(BayeuxError.badRequest("minimumVersion"))
  return major(minimum) <= 1 ? Result.succeed(undefined) : Result.fail(BayeuxError.versionMismatch(String(minimum)))
}

/** Reads the acknowledgement; everything else in `ext` is for extensions. */
const ackOf = (raw: Fields): unknown => {
  const ext = raw["ext"]
  return isRaw(ext) ? ext["ack"] : undefined
}

const decodeHandshake = (raw: Fields): Field<Incoming> =>
  Result.flatMap(checkVersion(raw), () =>
    Result.map(
      required(raw, "supportedConnectionTypes", isStrings),
      (supportedConnectionTypes): Incoming => ({
        _tag: "Handshake",
        id: idOf(raw),
        supportedConnectionTypes,
        acknowledges: ackOf(raw) === true,
        identity: identityOf(raw)
      })
    ))

const adviceTimeout = (raw: Fields): number | undefined => {
  const advice = raw["advice"]
  const timeout = isRaw(advice) ? advice["timeout"] : undefined
  return typeof timeout === "number" && timeout >= 0 ? timeout : undefined
}

const acknowledgedIn = (raw: Fields): number | undefined => {
  const ack = ackOf(raw)
  return typeof ack === "number" ? ack : undefined
}

const decodeConnect = (raw: Fields): Field<Incoming> =>
  Result.flatMap(
    required(raw, "clientId", isString),
    (clientId) =>
      Result.map(required(raw, "connectionType", isString), (connectionType): Incoming => ({
        _tag: "Connect",
        id: idOf(raw),
        clientId,
        connectionType,
        timeout: adviceTimeout(raw),
        acknowledged: acknowledgedIn(raw)
      }))
  )

const parsePatterns = (names: ReadonlyArray<string>, settings: Settings): Field<ReadonlyArray<Channel.Pattern>> => {
  const patterns: Array<Channel.Pattern> = []
  for (const name of names) {
    if (Channel.isTooLong(name, settings.maxChannelLength)) {
      return Result.fail(BayeuxError.channelTooLong(settings.maxChannelLength))
    }
    const pattern = Channel.parsePattern(name, settings.maxChannelSegments)
    if (Result.isFailure(pattern)) return Result.fail(pattern.failure)
    patterns.push(pattern.success)
  }
  return Result.succeed(patterns)
}

const decodeSubscription = (_tag: "Subscribe" | "Unsubscribe") => (raw: Fields, settings: Settings): Field<Incoming> =>
  Result.flatMap(
    required(raw, "clientId", isString),
    (clientId) =>
      Result.flatMap(required(raw, "subscription", isSubscription), (subscription) =>
        Result.map(
          parsePatterns(typeof subscription === "string" ? [subscription] : subscription, settings),
          (patterns): Incoming => ({ _tag, id: idOf(raw), clientId, subscription, patterns })
        ))
  )

const decodeDisconnect = (raw: Fields): Field<Incoming> =>
  Result.map(
    required(raw, "clientId", isString),
    (clientId): Incoming => ({ _tag: "Disconnect", id: idOf(raw), clientId })
  )

/** Decodes a publish. On the hot path: plain checks, no intermediate results. */
const decodePublish = (raw: Fields, name: string, settings: Settings): Field<Incoming> => {
  if (Channel.isTooLong(name, settings.maxChannelLength)) {
    return Result.fail(BayeuxError.channelTooLong(settings.maxChannelLength))
  }
  const channel = Channel.parse(name, settings.maxChannelSegments)
  if (Result.isFailure(channel)) return Result.fail(channel.failure)
  const clientId = raw["clientId"] ?? null
  if (clientId !== null && typeof clientId !== "string") return Result.fail(BayeuxError.badRequest("clientId"))
  const data = raw["data"] as Schema.Json | undefined
  if (data === undefined) return Result.fail(BayeuxError.parameterMissing("data"))
  return Result.succeed({
    _tag: "Publish",
    id: idOf(raw),
    clientId,
    channel: channel.success,
    data,
    traceparent: undefined
  })
}

const decodeField = (raw: Fields, channel: string, settings: Settings): Field<Incoming> => {
  switch (channel) {
    case Channel.handshake:
      return decodeHandshake(raw)
    case Channel.connect:
      return decodeConnect(raw)
    case Channel.subscribe:
      return decodeSubscription("Subscribe")(raw, settings)
    case Channel.unsubscribe:
      return decodeSubscription("Unsubscribe")(raw, settings)
    case Channel.disconnect:
      return decodeDisconnect(raw)
    default:
      if (Channel.isMeta(channel)) return Result.fail(BayeuxError.channelForbidden(channel))
      return decodePublish(raw, channel, settings)
  }
}

/** Decodes any JSON value as a message. */
export const decode = (raw: unknown, settings: Settings): Incoming => {
  if (!isRaw(raw)) return refuse(raw, BayeuxError.badRequest())
  if (raw instanceof TooLong) return refuse(raw.fields, BayeuxError.messageTooLong(raw.bytes, raw.limit))
  const channel = required(raw, "channel", isString)
  if (Result.isFailure(channel)) return refuse(raw, channel.failure)
  const message = decodeField(raw, channel.success, settings)
  return Result.isFailure(message) ? refuse(raw, message.failure) : message.success
}

/** Adds the trace context of a raw publish to the decoded one. Where nobody traces, it is not even looked for. */
export const traced = (message: Incoming, raw: unknown): Incoming => {
  if (message._tag !== "Publish" || !isRaw(raw)) return message
  const ext = raw["ext"]
  const traceparent = Traceparent.parse(isRaw(ext) ? ext["traceparent"] : undefined)
  return traceparent === undefined ? message : { ...message, traceparent }
}

/**
 * Selects the messages of a batch that are processed. A handshake is processed alone: the specification has the server
 * ignore the others.
 */
export const batch = (messages: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  if (messages.length < 2) return messages
  const handshake = messages.find((message) => isRaw(message) && message["channel"] === Channel.handshake)
  return handshake === undefined ? messages : [handshake]
}

/** Refuses connects of a session that has another one before them in the batch: each would carry its whole queue. */
export const withOneConnect = (messages: ReadonlyArray<Incoming>): ReadonlyArray<Incoming> => {
  if (messages.length < 2) return messages
  const connected = new Set<string>()
  return messages.map((message) => {
    if (message._tag !== "Connect" || !connected.has(message.clientId)) {
      if (message._tag === "Connect") connected.add(message.clientId)
      return message
    }
    const raw = { channel: Channel.connect, clientId: message.clientId, id: message.id }
    return refuse(raw, BayeuxError.connectRepeated, Advice.inAMoment)
  })
}

/**
 * Whether a message is a connect that may be held: nothing came with it whose answer it would delay. Over a socket its
 * answer then waits for no other answer, and none waits for it.
 */
export const mayBeHeld = (message: Incoming, batchSize: number): boolean =>
  message._tag === "Connect" && batchSize === 1

// ---------------------------------------------------------------------------------------------------------------------
// replies

/** Creates the connect that the client of a stream has not sent, to be answered all the same. */
export const unasked = (clientId: string): Connect => ({
  _tag: "Connect",
  id: undefined,
  clientId,
  connectionType: "eventsource",
  timeout: undefined,
  acknowledged: undefined
})

const channels = {
  Handshake: Channel.handshake,
  Connect: Channel.connect,
  Subscribe: Channel.subscribe,
  Unsubscribe: Channel.unsubscribe,
  Disconnect: Channel.disconnect
} as const

/** Channel of a request, if it had one. */
export const channelOf = (request: Incoming): string | undefined =>
  request._tag === "Publish" || request._tag === "Refused" ? request.channel : channels[request._tag]

const common = (request: Incoming, successful: boolean): Reply => {
  const channel = channelOf(request)
  const { id } = request
  if (channel === undefined) return id === undefined ? { successful } : { successful, id }
  return id === undefined ? { channel, successful } : { channel, successful, id }
}

/** Creates the reply to a request that was carried out, with further fields. */
export const succeeded = (request: Incoming, fields?: Partial<Reply>): Reply => ({
  ...common(request, true),
  ...fields
})

/** Selects the fields that a refusal repeats of a request to subscribe or unsubscribe. */
const repeated = (request: Incoming, channel: string | undefined): Partial<Reply> | undefined => {
  if (channel !== Channel.subscribe && channel !== Channel.unsubscribe) return undefined
  const clientId = "clientId" in request ? request.clientId : undefined
  const subscription = "subscription" in request ? request.subscription : undefined
  return {
    ...(isString(clientId) && clientId !== "" ? { clientId } : undefined),
    subscription: subscription === undefined || subscription === "" ? [] : subscription
  }
}

/** Whether a client whose request on this channel is refused comes back by itself. */
export const comesBack = (channel: string | undefined): boolean =>
  channel === Channel.handshake || channel === Channel.connect

/** Whether it is a handshake of a client that repeats it by itself. */
const isInsistent = (request: Incoming): boolean =>
  request._tag === "Handshake"
    ? insists(request.supportedConnectionTypes)
    : request._tag === "Refused" && request.insists

/**
 * Creates the reply to a request that was refused, with further fields. A client that is unknown, or whose handshake or
 * connect failed, is told to shake hands again, as Faye does, but not at once.
 */
export const failed = (
  request: Incoming,
  error: BayeuxError.BayeuxError,
  advice?: Advice.Advice,
  fields?: Partial<Reply>
): Reply => {
  const channel = channelOf(request)
  const again = BayeuxError.isClientUnknown(error) || comesBack(channel)
  const told = Advice.afterRefusal(advice, again, isInsistent(request))
  return {
    ...common(request, false),
    ...repeated(request, channel),
    ...fields,
    error: BayeuxError.print(error),
    ...(told === undefined ? undefined : { advice: told })
  }
}
