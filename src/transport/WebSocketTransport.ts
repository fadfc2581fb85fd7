/**
 * WebSocket: batches of messages both ways over one socket, each a text message with a JSON array.
 *
 * `ws` does the protocol. What is sent to many is framed once (`WebSocketFrame`) and written to the socket beneath.
 */
import { Duration, Effect, Layer, Result, Schedule, Schema } from "effect"
import { type WebSocket, WebSocketServer } from "ws"
import { Bayeux } from "../Bayeux.ts"
import * as Options from "../Options.ts"
import type { Frame } from "./Frame.ts"
import { parseMessages } from "./Http.ts"
import { StreamWriter } from "./StreamWriter.ts"
import { type CloseReason, requestInfo, type Sink, type UpgradeCall } from "./Transport.ts"
import * as WebSocketFrame from "./WebSocketFrame.ts"

/** The options of {@link layer}. */
export const WebSocketOptions = Schema.Struct({
  /** How often an idle socket is asked whether it is still there; one that does not answer is cut off. Default: 20 seconds. */
  ping: Schema.optionalKey(Options.PositiveTime),
  /** The longest message in bytes; a longer one closes the socket with 1009. Default: 1 MiB. */
  maxPayload: Schema.optionalKey(Options.Count),
  /** How many bytes a client may leave unread before its socket is cut off; its session stays. Default: 16 MiB. */
  maxBuffered: Schema.optionalKey(Options.Count),
  /** Whether messages are compressed, if the client agrees. It costs memory and time for each socket. Default: false. */
  perMessageDeflate: Schema.optionalKey(Schema.Boolean)
})
/** The options of {@link layer}. */
export type WebSocketOptions = typeof WebSocketOptions.Type

/** Close codes of RFC 6455, section 7.4.1. */
const closeCodes: { readonly [reason in CloseReason]: number } = {
  SessionEnded: 1000,
  UnknownClient: 1000,
  Shutdown: 1001,
  ServerError: 1011
}
const unsupportedData = 1003
const invalidPayload = 1007

/** An open socket, as far as the pinging is concerned. */
interface Pinged {
  readonly socket: WebSocket
  isAlive: boolean
}

const writeTo = (socket: WebSocket, call: UpgradeCall, maxBuffered: number) => {
  const writer = new StreamWriter(call.socket, maxBuffered)
  const isPlain = socket.extensions === ""
  const send = (frame: Frame): void => {
    if (socket.readyState !== socket.OPEN) return void unsent.push(frame)
    if (isPlain) return writer.write(frame, frame.encode(WebSocketFrame.encode))
    pending.push(frame)
    socket.send(frame.text, (error) => {
      if (!error) pending.shift()
    })
    if (socket.bufferedAmount > maxBuffered) socket.terminate()
  }
  const pending: Array<Frame> = []
  const unsent: Array<Frame> = []
  return { send, unwritten: () => [...writer.unwritten, ...pending, ...unsent] }
}

const serve = (socket: WebSocket, call: UpgradeCall, maxBuffered: number, open: Set<Pinged>): void => {
  const pinged: Pinged = { socket, isAlive: true }
  const { send, unwritten } = writeTo(socket, call, maxBuffered)
  const sink: Sink = { send, close: (reason) => socket.close(closeCodes[reason]) }
  const connection = call.open(
    {
      connectionType: "websocket",
      kind: "socket",
      local: false,
      request: requestInfo(call.request),
      owner: call.owner
    },
    sink
  )
  open.add(pinged)
  socket.on("message", (data: Buffer, isBinary) => {
    pinged.isAlive = true
    if (isBinary) return socket.close(unsupportedData, "Send text messages with JSON")
    const messages = parseMessages(data.toString("utf8"))
    if (Result.isSuccess(messages)) connection.receive(messages.success)
    else socket.close(invalidPayload, messages.failure.sentence)
  })
  socket.on("pong", () => pinged.isAlive = true)
  // A broken frame or a lost connection: `ws` closes the socket, with the right code where that is still possible.
  socket.on("error", () => {})
  socket.on("close", () => {
    open.delete(pinged)
    connection.closed(unwritten())
  })
}

const pingAll = (open: Iterable<Pinged>): void => {
  for (const pinged of open) {
    if (!pinged.isAlive) {
      pinged.socket.terminate()
      continue
    }
    pinged.isAlive = false
    pinged.socket.ping()
  }
}

/** Offers WebSocket. */
export const layer = (options: WebSocketOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Bayeux> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const {
      maxBuffered = 1 << 24,
      maxPayload = 1 << 20,
      perMessageDeflate = false,
      ping = "20 seconds"
    } = yield* Options.decode("WebSocketTransport.layer", WebSocketOptions, options)
    const bayeux = yield* Bayeux
    const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload, perMessageDeflate })
    const open = new Set<Pinged>()
    yield* bayeux.addTransport({
      connectionTypes: ["websocket"],
      upgrade: (call) => {
        server.handleUpgrade(call.request, call.socket, call.head, (socket) => serve(socket, call, maxBuffered, open))
        return true
      }
    })
    yield* Effect.sync(() => pingAll(open)).pipe(
      Effect.repeat(Schedule.spaced(Duration.fromInputUnsafe(ping))),
      Effect.forkScoped
    )
  }))
