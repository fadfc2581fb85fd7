/**
 * The in-process transport: what the application's own `publish` and `subscribe` run on. Its messages take the same way
 * as everybody's, extensions included; there is only no request, and nothing is put into bytes.
 */
import { type Cause, Effect, Queue, type Schema, type Scope, Stream } from "effect"
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

/**
 * The messages of a channel or pattern, by a session of their own that ends with the scope. The subscription is in
 * place when the effect ends; it fails with the error of the reply.
 */
export const subscribe = Effect.fnUntraced(function*(
  open: Open,
  pattern: string,
  options?: SubscribeOptions
): Effect.fn.Return<Stream.Stream<Message.Delivery>, string, Scope.Scope> {
  const queue = yield* options === undefined
    ? Queue.unbounded<Message.Delivery, Cause.Done>()
    : Queue.make<Message.Delivery, Cause.Done>({ capacity: options.bufferSize, strategy: options.strategy })
  yield* Effect.acquireRelease(begin(open, pattern, queue), end)
  return Stream.fromQueue(queue)
})

interface LocalSession {
  readonly connection: OpenConnection
  readonly clientId: string
}

const begin = (open: Open, pattern: string, queue: Queue.Enqueue<Message.Delivery, Cause.Done>) =>
  Effect.callback<LocalSession, string>((resume) => {
    const connection = open(info("socket"), {
      send: (frame) => {
        for (const message of frame.messages) {
          if (Message.isReply(message)) proceed(message)
          else Queue.offerUnsafe(queue, message)
        }
      },
      close: () => {
        Queue.endUnsafe(queue)
        resume(Effect.fail("the server stops"))
      }
    })
    let session: LocalSession | undefined
    const proceed = ({ channel, clientId, error, successful }: Message.Reply): void => {
      if (!successful || clientId === undefined) {
        if (session !== undefined) leave(session)
        resume(Effect.fail(error ?? noAnswer))
      } else if (channel === Channel.handshake) {
        session = { connection, clientId }
        connection.receive([
          { channel: Channel.subscribe, clientId, subscription: pattern },
          { channel: Channel.connect, clientId, connectionType: inProcess }
        ])
      } else if (channel === Channel.connect) {
        resume(Effect.succeed({ connection, clientId }))
      }
    }
    connection.receive([{
      channel: Channel.handshake,
      version: Message.version,
      supportedConnectionTypes: [inProcess]
    }])
  })

const leave = ({ clientId, connection }: LocalSession): void => {
  connection.receive([{ channel: Channel.disconnect, clientId }])
  connection.closed()
}

const end = (session: LocalSession): Effect.Effect<void> => Effect.sync(() => leave(session))
