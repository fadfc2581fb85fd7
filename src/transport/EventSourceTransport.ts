/**
 * EventSource, as Faye has it: a client that has shaken hands opens `GET {mount}/{clientId}` and gets its messages as a
 * stream of events. It sends its own messages by long-polling, and connects that way once a time-out to show that it
 * is there.
 */
import { Duration, Effect, Layer, Schedule, Schema } from "effect"
import { Bayeux } from "../Bayeux.ts"
import * as Options from "../Options.ts"
import { FrameWriter } from "./FrameWriter.ts"
import { closeErrors, respondError, withCors } from "./Http.ts"
import { type HttpCall, requestInfo, type Sink } from "./Transport.ts"

/** The options of {@link layer}. */
export const EventSourceOptions = Schema.Struct({
  /** How often an idle stream carries a comment, so that proxies keep it open. Default: 20 seconds. */
  ping: Schema.optionalKey(Options.PositiveTime),
  /** How many bytes a client may leave unread before its stream is cut off. Default: 16 MiB. */
  maxBuffered: Schema.optionalKey(Options.Count)
})
/** The options of {@link layer}. */
export type EventSourceOptions = typeof EventSourceOptions.Type

const unknownClient = {
  status: 404,
  sentence: "There is no session of that clientId: begin again with a handshake"
}

const encodeEvent = (text: string): Buffer => Buffer.from(`data: ${text}\r\n\r\n`, "utf8")
const comment = ":\r\n\r\n"
const pathOfSession = /^\/([A-Za-z0-9]+)$/

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
  }, maxBuffered)
  const sink: Sink = {
    bound: () => {
      if (response.headersSent) return
      const headers = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-cache, no-store",
        "X-Accel-Buffering": "no"
      }
      response.writeHead(200, withCors(request, headers))
      response.write("retry: 2000\r\n\r\n")
      open.add(call)
    },
    send: (frame) => writer.write(frame),
    unwritten: () => writer.frames,
    close: (reason) => {
      if (response.headersSent) writer.whenEmpty(() => response.end())
      else respondError(call, reason === "UnknownClient" ? unknownClient : closeErrors[reason])
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
        if (call.request.method !== "GET") return false
        const clientId = pathOfSession.exec(call.path)?.[1]
        const accepts = call.request.headers.accept?.includes("text/event-stream") === true
        if (!accepts || clientId === undefined) return false
        stream(call, clientId, maxBuffered, open)
        return true
      }
    })
    yield* Effect.sync(() => open.forEach(({ response }) => response.write(comment))).pipe(
      Effect.repeat(Schedule.spaced(Duration.fromInputUnsafe(ping))),
      Effect.forkScoped
    )
  }))
