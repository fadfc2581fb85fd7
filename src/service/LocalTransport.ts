/**
 * In-process transport, by which the application's own `publish` and `subscribe` run. Its messages take the same way as
 * all others, extensions included; there is only no request, and nothing is put into bytes.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as Channel from "../core/Channel.ts"
import * as ClientId from "../core/ClientId.ts"
import * as Message from "../core/Message.ts"
import { inProcess } from "../core/Protocol.ts"
import * as Traceparent from "../core/Traceparent.ts"
import type { ConnectionInfo, Open, OpenConnection } from "./Transport.ts"

/** Buffer of a subscription whose consumer is slow. Default: it has no bound. */
export interface SubscribeOptions {
  /** Maximum number of messages in the buffer. */
  readonly bufferSize: number
  /** `sliding` loses the oldest messages, `dropping` the newest. */
  readonly strategy: "sliding" | "dropping"
}

/** Parts of the service for the application's messages. */
export interface Service {
  readonly open: Open
  /** Ends a session that the application no longer needs, without asking extensions. */
  readonly leave: (clientId: ClientId.ClientId) => void
}

const info = (kind: ConnectionInfo["kind"]): ConnectionInfo => ({
  connectionType: inProcess,
  kind,
  local: true,
  request: undefined,
  owner: undefined
})

/**
 * Sends a message; fails with the error of its reply. A reply that comes when nobody waits any more goes to `unwanted`.
 */
const request = (
  open: Open,
  message: Message.Raw,
  unwanted?: (reply: Message.Reply) => void
): Effect.Effect<Message.Reply, string> =>
  Effect.callback((resume) => {
    let isWanted = true
    const connection = open(info("exchange"), {
      send: (frame) => {
        const reply = frame.messages.find(Message.isReply)
        if (!isWanted && reply !== undefined) unwanted?.(reply)
        const error = reply === undefined ? "an extension has dropped it" : reply.error
        resume(reply?.successful === true ? Effect.succeed(reply) : Effect.fail(error ?? "no reason was given"))
        connection.closed()
      },
      close: () => {
        resume(Effect.fail("the server stops"))
        connection.closed()
      }
    })
    connection.receive([message])
    return Effect.sync(() => isWanted = false)
  })

const copy = (data: unknown): Effect.Effect<Schema.Json, string> =>
  Effect.try({
    try: () => JSON.parse(JSON.stringify(data)) as Schema.Json,
    catch: (cause) => `its data is not JSON (${String(cause)}): give a value that JSON.stringify can take`
  })

/** Trace context of the application, if it is within a span. */
const traceExt = Effect.map(Effect.serviceOption(Tracer.ParentSpan), (span) =>
  Option.match(span, {
    onNone: () => undefined,
    onSome: (span) => ({ ext: { traceparent: Traceparent.make(span) } })
  }))

/** Publishes a message of the application; fails with the error of the reply. */
export const publish = Effect.fnUntraced(function*(
  open: Open,
  channel: string,
  data: unknown
): Effect.fn.Return<void, string> {
  yield* request(open, { channel, data: yield* copy(data), ...yield* traceExt })
})

/**
 * Subscribes to a channel or pattern, by a session of its own that ends with the scope. The subscription is in place
 * when the effect ends; it fails with the error of the reply.
 */
export const subscribe = Effect.fnUntraced(function*(
  { leave, open }: Service,
  pattern: string,
  options?: SubscribeOptions
): Effect.fn.Return<Stream.Stream<Message.Delivery>, string, Scope.Scope> {
  const end = ({ clientId }: Message.Reply) => clientId === undefined ? undefined : leave(ClientId.make(clientId))
  const handshake = { channel: Channel.handshake, version: Message.version, supportedConnectionTypes: [inProcess] }
  const { clientId = "" } = yield* Effect.acquireRelease(
    request(open, handshake, end),
    (reply) => Effect.sync(() => end(reply)),
    { interruptible: true }
  )
  yield* request(open, { channel: Channel.subscribe, clientId, subscription: pattern })
  const queue = yield* options === undefined
    ? Queue.unbounded<Message.Delivery, Cause.Done>()
    : Queue.make<Message.Delivery, Cause.Done>({ capacity: options.bufferSize, strategy: options.strategy })
  yield* Effect.acquireRelease(
    Effect.sync(() => attach(open, clientId, queue)),
    (connection) => Effect.sync(() => connection.closed())
  )
  return Stream.fromQueue(queue)
})

/** Opens the stream of a session. It needs no connects: a session of the application does not time out. */
const attach = (open: Open, clientId: string, queue: Queue.Enqueue<Message.Delivery, Cause.Done>): OpenConnection => {
  const connection = open(info("stream"), {
    send: (frame) => Queue.offerAllUnsafe(queue, frame.messages.filter(Message.isDelivery)),
    close: () => Queue.endUnsafe(queue)
  })
  connection.attach(clientId)
  return connection
}
