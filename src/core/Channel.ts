/**
 * Channel names and channel patterns: the grammar of the specification's "Channels" and "Channel Globbing".
 *
 * A {@link Channel} can be published to, a {@link Pattern} can be subscribed to, so each channel is a pattern as well.
 * The sessions that have subscribed to a pattern are in `Subscriptions`.
 */
import type * as Brand from "effect/Brand"
import * as Result from "effect/Result"
import * as BayeuxError from "./BayeuxError.ts"

/** Channel name, or name that ends in `/*` or `/**`, checked by {@link parsePattern}. */
export type Pattern = string & Brand.Brand<"Pattern">

/** Channel name without wildcards, checked by {@link parse}. */
export type Channel = Pattern & Brand.Brand<"Channel">

const segment = "/[A-Za-z0-9\\-_!~()$@]+"
const channelName = new RegExp(`^(?:${segment})+$`)
const channelPattern = new RegExp(`^(?:${segment})*/\\*\\*?$`)

/** `/meta/handshake` */
export const handshake = "/meta/handshake"
/** `/meta/connect` */
export const connect = "/meta/connect"
/** `/meta/subscribe` */
export const subscribe = "/meta/subscribe"
/** `/meta/unsubscribe` */
export const unsubscribe = "/meta/unsubscribe"
/** `/meta/disconnect` */
export const disconnect = "/meta/disconnect"

const countSegments = (name: string): number => {
  let count = 0
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) === 47) count++
  return count
}

const check = <A extends Pattern>(
  name: string,
  maxSegments: number,
  isValid: boolean
): Result.Result<A, BayeuxError.BayeuxError> => {
  if (!isValid) return Result.fail(BayeuxError.channelInvalid(name))
  if (countSegments(name) > maxSegments) return Result.fail(BayeuxError.channelTooDeep(name))
  return Result.succeed(name as A)
}

/** Whether a name has more characters than a channel may. Look first: the grammar is checked in the length of the name. */
export const isTooLong = (name: string, maxLength: number): boolean => name.length > maxLength

/** Parses a channel to publish to. Fails with `405`, also for a pattern. */
export const parse = (name: string, maxSegments: number): Result.Result<Channel, BayeuxError.BayeuxError> =>
  check<Channel>(name, maxSegments, channelName.test(name))

/** Parses a channel or pattern to subscribe to. Fails with `405`. */
export const parsePattern = (name: string, maxSegments: number): Result.Result<Pattern, BayeuxError.BayeuxError> =>
  check<Pattern>(name, maxSegments, channelName.test(name) || channelPattern.test(name))

const isBelow = (name: string, root: string): boolean => name === root || name.startsWith(`${root}/`)

/** Whether the name is one of the protocol's own: `/meta` and all below it. */
export const isMeta = (name: string): boolean => isBelow(name, "/meta")

/** Whether the name belongs to the application's request and response: `/service` and all below it. */
export const isService = (name: string): boolean => isBelow(name, "/service")

/**
 * Whether a remote client may subscribe to it. Meta and service channels are refused, as in Faye; a pattern such as
 * `/**` is allowed, because those channels are never routed to it.
 */
export const isSubscribable = (pattern: string): boolean => !isMeta(pattern) && !isService(pattern)

/**
 * Lists all patterns that match the channel, itself included: `/a/b` gives `/a/b`, `/a/*`, `/a/**` and `/**`. The work
 * grows with the depth of the channel and with nothing else.
 *
 * A service channel is matched by patterns below `/service` only, so that it does not reach a subscriber of `/**`.
 */
export const expand = (channel: Channel): ReadonlyArray<Pattern> => {
  const patterns: Array<string> = [channel]
  let slash = channel.lastIndexOf("/")
  patterns.push(`${channel.slice(0, slash)}/*`)
  for (; slash >= 0; slash = slash === 0 ? -1 : channel.lastIndexOf("/", slash - 1)) {
    patterns.push(`${channel.slice(0, slash)}/**`)
  }
  const matching = isService(channel) ? patterns.filter(isService) : patterns
  return matching as ReadonlyArray<string> as ReadonlyArray<Pattern>
}
