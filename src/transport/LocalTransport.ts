/**
 * The in-process transport: what the application's own `publish` and `subscribe` run on. Its messages take the same way
 * as everybody's, extensions included; there is only no request, and nothing is put into bytes.
 */
import { Cause, Effect, Queue, type Schema, Stream } from "effect"
import * as Channel from "../core/Channel.ts"
import * as Message from "../core/Message.ts"
import { inProcess } from "../core/Protocol.ts"
import type { ConnectionInfo, Open, OpenConnection } from "./Transport.ts"

/** What a subscription of the application does when its consumer is slow. Default: it buffers without bound. */
export interface SubscribeOptions {
  /** The number of messages the buffer holds. */
  readonly bufferSize: number
  /** `sliding` loses the oldest messages, `dropping` the newest. */
  readonly strategy: "sliding" | "dropping"
}

const info = (kind: ConnectionInfo["kind"]): ConnectionInfo => ({
  connectionType: inProcess,
  kind,
  local: true,
  request: undefined,
  owner: undefined
})

const noAnswer = "an extension has dropped it"

const copy = (data: Schema.Json): Effect.Effect<Schema.Json, string> =>
  Effect.try({
    try: () => JSON.parse(JSON.stringify(data)) as Schema.Json,
    catch: (cause) => `its data is not JSON (${String(cause)}): give a value that JSON.stringify can take`
  })

/** Publishes a message of the application; fails with the error of the reply. */
export const publish = (open: Open, channel: string, data: Schema.Json): Effect.Effect<void, string> =>
  Effect.flatMap(copy(data), (data) =>
    Effect.callback<void, string>((resume) => {
      const connection = open(info("exchange"), {
        send: (frame) => {
          const reply = frame.messages.find(Message.isReply)
          resume(reply?.successful === true ? Effect.void : Effect.fail(reply?.error ?? noAnswer))
          connection.closed()
        },
        close: () => resume(Effect.fail("the server stops"))
      })
      connection.receive([{ channel, data }])
    }))

/** The messages of a channel or pattern, by a session of their own that ends with the stream. */
export const subscribe = <E>(
  open: Open,
  pattern: string,
  refused: (error: string) => E,
  options?: SubscribeOptions
): Stream.Stream<Message.Delivery, E> =>
  Stream.callback<Message.Delivery, E>(
    (queue) => Effect.acquireRelease(Effect.sync(() => begin(open, pattern, refused, queue)), end),
    { bufferSize: Infinity, ...options }
  )

interface LocalSession {
  readonly connection: OpenConnection
  clientId: string | undefined
}

const begin = <E>(
  open: Open,
  pattern: string,
  refused: (error: string) => E,
  queue: Queue.Queue<Message.Delivery, E | Cause.Done>
): LocalSession => {
  const connection = open(info("socket"), {
    send: (frame) => {
      for (const message of frame.messages) {
        if (Message.isReply(message)) proceed(message)
        else Queue.offerUnsafe(queue, message)
      }
    },
    close: () => Queue.endUnsafe(queue)
  })
  const session: LocalSession = { connection, clientId: undefined }
  const proceed = (reply: Message.Reply): void => {
    if (!reply.successful) return void Queue.failCauseUnsafe(queue, Cause.fail(refused(reply.error ?? noAnswer)))
    if (reply.channel !== Channel.handshake || reply.clientId === undefined) return
    const { clientId } = reply
    session.clientId = clientId
    connection.receive([
      { channel: Channel.subscribe, clientId, subscription: pattern },
      { channel: Channel.connect, clientId, connectionType: inProcess }
    ])
  }
  connection.receive([{
    channel: Channel.handshake,
    version: Message.version,
    supportedConnectionTypes: [inProcess]
  }])
  return session
}

const end = ({ clientId, connection }: LocalSession): Effect.Effect<void> =>
  Effect.sync(() => {
    if (clientId !== undefined) connection.receive([{ channel: Channel.disconnect, clientId }])
    connection.closed()
  })
