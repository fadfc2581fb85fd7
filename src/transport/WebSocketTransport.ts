/**
 * WebSocket: batches of messages both ways over one socket, each a text message with a JSON array.
 *
 * `ws` does the protocol. What is sent to many is framed once (`WebSocketFrame`) and written to the socket beneath.
 */
import { Clock, Duration, Effect, Layer, Result, Schema } from "effect"
import type { Duplex } from "node:stream"
import { type WebSocket, WebSocketServer } from "ws"
import { Bayeux } from "../Bayeux.ts"
import * as Now from "../Now.ts"
import * as Options from "../Options.ts"
import type { Frame } from "./Frame.ts"
import { FrameWriter, type Taken, type Target, writeToSocket } from "./FrameWriter.ts"
import { defaultMaxMessage, hardLimit, parseMessages } from "./Http.ts"
import { type CloseReason, type OpenConnection, requestInfo, type Sink, type UpgradeCall } from "./Transport.ts"
import * as WebSocketFrame from "./WebSocketFrame.ts"

/** The options of {@link layer}. */
export const WebSocketOptions = Schema.Struct({
  /** How often an idle socket is asked whether it is still there; one that does not answer is cut off. Default: 20 seconds. */
  ping: Schema.optionalKey(Options.PositiveTime),
  /** The longest message in bytes; a longer one is refused with the error 413, the others of its batch are not. Default: 1 MiB. */
  maxMessage: Schema.optionalKey(Options.Count),
  /** The longest batch in bytes; a longer one closes the socket with 1009. Default: 16 MiB, or twice `maxMessage` if that is more. */
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
  SessionMoved: 1001,
  UnknownClient: 1000,
  StreamRefused: 1000,
  Unavailable: 1001,
  Shutdown: 1001,
  ServerError: 1011
}
const unsupportedData = 1003
const invalidPayload = 1007

const utf8 = (text: string): Buffer => Buffer.from(text, "utf8")

/** A lost connection or a broken frame: `ws` closes the socket, with the right code where that is still possible. */
const ignore = (): void => {}

/** Bounds of what is read at once and of what waits to be written, in bytes. */
interface Limits {
  readonly maxMessage: number
  readonly maxBuffered: number
}

/**
 * An open socket: what its peer does goes to the service, what the service has for it goes out. Of the request by which
 * it came it keeps nothing, so an idle socket holds no buffers.
 */
class Peer implements Sink, Target {
  readonly #socket: WebSocket
  /** The connection beneath, which takes frames that are ready made. */
  readonly stream: Duplex
  readonly #connection: OpenConnection
  readonly #writer: FrameWriter
  readonly #isCompressing: boolean
  #isAlive = true
  /** It has sent something since it was last asked. */
  #hasSpoken = false

  readonly #maxMessage: number

  constructor(socket: WebSocket, call: UpgradeCall, { maxBuffered, maxMessage }: Limits, open: Set<Peer>) {
    const { owner, request, socket: stream } = call
    this.#socket = socket
    this.#maxMessage = maxMessage
    this.stream = stream
    this.#isCompressing = socket.extensions !== ""
    this.#writer = new FrameWriter(this, maxBuffered)
    this.#connection = call.open({
      connectionType: "websocket",
      kind: "socket",
      local: false,
      request: requestInfo(request),
      owner
    }, this)
    socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary))
    socket.on("pong", () => this.#answered())
    stream.prependListener("end", () => this.#writer.ended())
    socket.on("error", ignore)
    socket.on("close", () => {
      open.delete(this)
      this.#connection.closed()
    })
  }

  #answered(): void {
    this.#isAlive = true
    this.#writer.settle()
    this.#connection.heard()
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#isAlive = this.#hasSpoken = true
    if (isBinary) return this.#refuse(unsupportedData, "Send text messages with JSON")
    // An empty text says that its sender is there; Faye's server leaves it without an answer, too.
    if (data.length === 0) return
    const messages = parseMessages(data.toString("utf8"), this.#maxMessage)
    if (Result.isSuccess(messages)) this.#connection.receive(messages.success)
    else this.#refuse(invalidPayload, messages.failure.sentence)
  }

  /** Whether or not the peer answers the close, its session goes on without this socket. */
  #refuse(code: number, reason: string): void {
    this.#socket.close(code, reason)
    this.#connection.closed()
  }

  send(frame: Frame): void {
    this.#writer.write(frame)
  }

  close(reason: CloseReason): void {
    this.#writer.whenEmpty(() => this.#socket.close(closeCodes[reason]))
  }

  unwritten(): ReadonlyArray<Frame> {
    return this.#writer.frames
  }

  encode(frame: Frame): Buffer {
    return frame.encode(this.#isCompressing ? utf8 : WebSocketFrame.encode)
  }

  write(bytes: Buffer, taken: Taken): boolean {
    if (this.#socket.readyState !== this.#socket.OPEN) return false
    if (!this.#isCompressing) return writeToSocket(this.stream, bytes, taken)
    this.#socket.send(bytes, { binary: false }, taken)
    return false
  }

  giveUp(): void {
    this.#socket.terminate()
  }

  /**
   * Asks whether the peer is still there. One that has not answered the last time is given up, unless the process comes
   * late: then the answer may wait to be read.
   */
  ping(isLate: boolean): void {
    if (!this.#isAlive && !isLate) return this.#socket.terminate()
    if (this.#hasSpoken) this.#connection.heard()
    this.#isAlive = this.#hasSpoken = false
    this.#socket.ping()
  }
}

/** A timer that comes so late was held up: the process was halted, or is too busy to read. In milliseconds. */
const longestDelay = 1_000

const every = Effect.fnUntraced(function*(pause: Duration.Duration, act: (isLate: boolean) => void) {
  const now = Now.make(yield* Clock.Clock)
  for (;;) {
    const next = now() + Duration.toMillis(pause)
    yield* Effect.sleep(pause)
    act(now() - next > longestDelay)
  }
})

/** Offers WebSocket. */
export const layer = (options: WebSocketOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Bayeux> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const {
      maxBuffered = 1 << 24,
      maxMessage = defaultMaxMessage,
      maxPayload = hardLimit(maxMessage),
      perMessageDeflate = false,
      ping = "20 seconds"
    } = yield* Options.decode("WebSocketTransport.layer", WebSocketOptions, options)
    const bayeux = yield* Bayeux
    const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload, perMessageDeflate })
    const open = new Set<Peer>()
    yield* bayeux.addTransport({
      connectionTypes: ["websocket"],
      upgrade: (call) => {
        server.handleUpgrade(call.request, call.socket, call.head, (socket) => {
          open.add(new Peer(socket, call, { maxBuffered, maxMessage }, open))
        })
        return true
      }
    })
    yield* Effect.forkScoped(every(Duration.fromInputUnsafe(ping), (isLate) => {
      for (const peer of open) peer.ping(isLate)
    }))
  }))
