/**
 * EventSource, as in Faye: after its handshake a client opens `GET {mount}/{clientId}` and gets its messages as
 * server-sent events. It sends messages by long-polling, and connects that way once per time-out as a sign of life.
 *
 * A browser reopens a stream that has ended or broken, but not one that was refused. So errors are sent as events, and
 * then the stream ends; only sessions that get their messages otherwise are refused. A stream that is not to be reopened
 * ends with an event id, which the browser repeats in its next attempt; the answer 204 ends its attempts (HTML,
 * "Server-sent events").
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Options from "../base/Options.ts"
import { Connections } from "../service/Connections.ts"
import { type CloseReason, type HttpCall, requestInfo, type Sink } from "../service/Transport.ts"
import { FrameWriter } from "./FrameWriter.ts"
import { beginStream, closeErrors, isStreamRequest, respondError, withCors } from "./Http.ts"

/** The options of {@link layer}. */
export const EventSourceOptions = Schema.Struct({
  /** Interval of comments on streams, so that proxies keep them open. Default: 20 seconds. */
  ping: Schema.optionalKey(Options.PositiveTime),
  /** Bytes that a client may leave unread before its stream is cut off. Default: 16 MiB. */
  maxBuffered: Schema.optionalKey(Options.Count)
})
/** The options of {@link layer}. */
export type EventSourceOptions = typeof EventSourceOptions.Type

const encodeEvent = (text: string): Buffer => Buffer.from(`data: ${text}\r\n\r\n`, "utf8")
const comment = ":\r\n\r\n"
/** Id of the last event of a stream that is not to be reopened. Firefox ignores an id without data. */
const finalEventId = "over"
const finalEvent = `id: ${finalEventId}\r\ndata: []\r\n\r\n`
const sessionPath = /^\/([A-Za-z0-9]+)$/

/** Whether the request is refused: the session acknowledges messages, so it cannot have a stream, or the server failed. */
const isRefusal = (reason: CloseReason): boolean => reason === "StreamRefused" || reason === "ServerError"

const isFinal = (reason: CloseReason): boolean => reason === "SessionEnded" || reason === "UnknownClient"

const stream = (call: HttpCall, clientId: string, maxBuffered: number, open: Set<HttpCall>): void => {
  const { request, response } = call
  const writer = new FrameWriter({
    stream: request.socket,
    encode: (frame) => frame.encode(encodeEvent),
    write: (bytes, taken) => {
      response.write(bytes, taken)
      return false
    },
    giveUp: () => response.destroy()
  }, { maxBuffered, maxUnconfirmed: 0 })
  const begin = () => {
    if (response.headersSent) return
    beginStream(request, response)
    open.add(call)
  }
  const sink: Sink = {
    bound: begin,
    send: (frame) => {
      begin()
      writer.write(frame)
    },
    unwritten: () => writer.frames,
    close: (reason) => {
      if (isRefusal(reason) && !response.headersSent) return respondError(call, closeErrors[reason])
      begin()
      writer.whenEmpty(() => response.end(isFinal(reason) ? finalEvent : ""))
    }
  }
  const connection = call.open(
    { connectionType: "eventsource", kind: "stream", local: false, request: requestInfo(request), owner: call.owner },
    sink
  )
  const ended = () => writer.ended()
  request.socket.prependListener("end", ended)
  response.on("close", () => {
    request.socket.off("end", ended)
    open.delete(call)
    connection.closed()
  })
  connection.attach(clientId)
}

const respondEnded = ({ request, response }: HttpCall): void => {
  response.writeHead(204, withCors(request, { "Cache-Control": "no-cache, no-store" })).end()
}

/** Adds EventSource to the service. Its clients need long-polling as well. */
export const layer = (options: EventSourceOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Connections> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { maxBuffered = 1 << 24, ping = "20 seconds" } = yield* Options.decode(
      "EventSourceTransport.layer",
      EventSourceOptions,
      options
    )
    const { addTransport } = yield* Connections
    const open = new Set<HttpCall>()
    yield* addTransport({
      connectionTypes: ["eventsource"],
      handle: (call) => {
        const clientId = sessionPath.exec(call.path)?.[1]
        if (clientId === undefined || !isStreamRequest(call.request)) return false
        if (call.request.headers["last-event-id"] === finalEventId) respondEnded(call)
        else stream(call, clientId, maxBuffered, open)
        return true
      }
    })
    yield* Effect.sync(() => open.forEach(({ response }) => response.write(comment))).pipe(
      Effect.repeat(Schedule.spaced(Duration.fromInputUnsafe(ping))),
      Effect.forkScoped
    )
  }))
