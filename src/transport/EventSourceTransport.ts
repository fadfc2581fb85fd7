/**
 * EventSource, as Faye has it: a client that has shaken hands opens `GET {mount}/{clientId}` and gets its messages as a
 * stream of events. It sends its own messages by long-polling, and connects that way once a time-out to show that it
 * is there.
 *
 * A browser opens a stream that has ended or broken again by itself, but never one that was refused once. So a stream is
 * refused to nobody whom that would leave deaf: what there is to say is said as an event, and the stream ends. Where it
 * is not to be opened again it ends with an event id, which the browser repeats when it comes back; it is then told 204,
 * the word for that (HTML, "Server-sent events").
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Options from "../base/Options.ts"
import { Bayeux } from "../service/Bayeux.ts"
import { type CloseReason, type HttpCall, requestInfo, type Sink } from "../service/Transport.ts"
import { FrameWriter } from "./FrameWriter.ts"
import { asksForStream, beginStream, closeErrors, respondError, withCors } from "./Http.ts"

/** The options of {@link layer}. */
export const EventSourceOptions = Schema.Struct({
  /** How often an idle stream carries a comment, so that proxies keep it open. Default: 20 seconds. */
  ping: Schema.optionalKey(Options.PositiveTime),
  /** How many bytes a client may leave unread before its stream is cut off. Default: 16 MiB. */
  maxBuffered: Schema.optionalKey(Options.Count)
})
/** The options of {@link layer}. */
export type EventSourceOptions = typeof EventSourceOptions.Type

const encodeEvent = (text: string): Buffer => Buffer.from(`data: ${text}\r\n\r\n`, "utf8")
const comment = ":\r\n\r\n"
/** The id of the last event of a stream that is not to be opened again. Firefox takes no note of it without data. */
const over = "over"
const lastEvent = `id: ${over}\r\ndata: []\r\n\r\n`
const pathOfSession = /^\/([A-Za-z0-9]+)$/

/** A session that acknowledges cannot have a stream, and a server that has failed knows nothing better. */
const isRefusal = (reason: CloseReason): boolean => reason === "StreamRefused" || reason === "ServerError"

const isOver = (reason: CloseReason): boolean => reason === "SessionEnded" || reason === "UnknownClient"

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
      writer.whenEmpty(() => response.end(isOver(reason) ? lastEvent : ""))
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

const endForGood = ({ request, response }: HttpCall): void => {
  response.writeHead(204, withCors(request, { "Cache-Control": "no-cache, no-store" })).end()
}

/** Offers EventSource. It needs long-polling beside it. */
export const layer = (options: EventSourceOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Bayeux> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { maxBuffered = 1 << 24, ping = "20 seconds" } = yield* Options.decode(
      "EventSourceTransport.layer",
      EventSourceOptions,
      options
    )
    const bayeux = yield* Bayeux
    const open = new Set<HttpCall>()
    yield* bayeux.addTransport({
      connectionTypes: ["eventsource"],
      handle: (call) => {
        const clientId = pathOfSession.exec(call.path)?.[1]
        if (clientId === undefined || !asksForStream(call.request)) return false
        if (call.request.headers["last-event-id"] === over) endForGood(call)
        else stream(call, clientId, maxBuffered, open)
        return true
      }
    })
    yield* Effect.sync(() => open.forEach(({ response }) => response.write(comment))).pipe(
      Effect.repeat(Schedule.spaced(Duration.fromInputUnsafe(ping))),
      Effect.forkScoped
    )
  }))
