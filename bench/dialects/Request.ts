/** The requests of a Bayeux client as JSON, and what their replies say. */
import * as Mark from "../load/Mark.ts"
import type { Stream } from "./Dialect.ts"

/** Where all Bayeux servers of the benchmark are mounted. */
export const mount = "/bayeux"

/** What a reply may contain, as far as it is read. */
interface Reply {
  readonly channel?: unknown
  readonly successful?: unknown
  readonly clientId?: unknown
}

export const handshake = JSON.stringify([{
  channel: "/meta/handshake",
  version: "1.0",
  supportedConnectionTypes: ["websocket", "long-polling"],
  id: "1"
}])

export const connect = (clientId: string, connectionType: string, advice?: { readonly timeout: number }) => ({
  channel: "/meta/connect",
  clientId,
  connectionType,
  id: "2",
  ...(advice && { advice })
})

export const subscribe = (clientId: string, patterns: ReadonlyArray<string>) => ({
  channel: "/meta/subscribe",
  clientId,
  subscription: patterns,
  id: "3"
})

export const disconnect = (clientId: string) => ({ channel: "/meta/disconnect", clientId, id: "4" })

export const publish = (clientId: string, { channel, stream }: Stream) => ({
  channel,
  data: Mark.data(stream),
  clientId,
  id: Mark.id(stream)
})

/** A message as it is delivered, which is all that servers without a protocol are sent. */
export const bare = ({ channel, stream }: Stream) => ({ channel, data: Mark.data(stream) })

/** Finds the reply of a channel among messages; one that is not successful is an error. */
export const reply = (text: string, channel: string): Reply | undefined => {
  const messages: unknown = JSON.parse(text)
  const found = (Array.isArray(messages) ? messages as ReadonlyArray<Reply> : []).find((message) =>
    message.channel === channel
  )
  if (found !== undefined && found.successful !== true) throw new Error(`The server refused ${channel}: ${text}`)
  return found
}

/** The same, where there must be one. */
export const expectReply = (text: string, channel: string): Reply => {
  const found = reply(text, channel)
  if (found === undefined) throw new Error(`The server answered ${channel} with ${text.slice(0, 500)}`)
  return found
}

/** The clientId in the reply to a handshake. */
export const clientIdOf = (text: string): string => {
  const { clientId } = expectReply(text, "/meta/handshake")
  if (typeof clientId !== "string") throw new Error(`The reply to a handshake has no clientId: ${text}`)
  return clientId
}
