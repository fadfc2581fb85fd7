/**
 * WebSocket: batches of messages both ways over one socket, each a text message with a JSON array.
 *
 * `ws` does the protocol. What is sent to many is framed once (`WebSocketFrame`) and written to the socket beneath.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { type WebSocket, WebSocketServer } from "ws"
import * as MonotonicClock from "../base/MonotonicClock.ts"
import * as Options from "../base/Options.ts"
import { Bayeux } from "../service/Bayeux.ts"
import type { Frame } from "../service/Frame.ts"
import {
  type CloseReason,
  type OpenConnection,
  requestInfo,
  type Sink,
  type UpgradeCall
} from "../service/Transport.ts"
import { type Bounds, FrameWriter, type Taken, type Target, writeToSocket } from "./FrameWriter.ts"
import { defaultMaxMessage, hardLimit, parseMessages } from "./Http.ts"
import * as Receipt from "./Receipt.ts"
import * as WebSocketFrame from "./WebSocketFrame.ts"

/** The options of {@link layer}. */
export const WebSocketOptions = Schema.Struct({
  /** How often an idle socket is asked whether it is still there; one that does not answer is cut off. Default: 20 seconds. */
  ping: Schema.optionalKey(Options.PositiveTime),
  /** The longest message in bytes; a longer one is refused with the error 413, the others of its batch are not. Default: 1 MiB. */
  maxMessage: Schema.optionalKey(Options.Count),
  /** The longest batch in bytes; a longer one closes the socket with 1009. Default: 16 MiB, or twice `maxMessage` if that is more. */
  maxPayload: Schema.optionalKey(Options.Count),
  /**
   * How soon a peer is asked whether it has read what was written to it. What it has not confirmed when its line falls
   * silent comes again: the sooner it is asked, the less of it has been read. Default: 1 second.
   */
  confirm: Schema.optionalKey(Options.PositiveTime),
  /** How many bytes that a client has not confirmed are kept for it, the newest. Default: 1 MiB. */
  maxUnconfirmed: Schema.optionalKey(Options.Count),
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
const noCloseFrame = 1006
const unsupportedData = 1003
const invalidPayload = 1007

const utf8 = (text: string): Buffer => Buffer.from(text, "utf8")

/** A lost connection or a broken frame: `ws` closes the socket, with the right code where that is still possible. */
const ignore = (): void => {}

/** The line is dead, says the system: it is no word of the peer's. */
const isOfLine = (error: Error | null): boolean =>
  error !== null && "code" in error && /^E(?:TIMEDOUT|HOST|NET)/.test(String(error.code))

/** What all sockets of a transport have in common. */
interface Common extends Bounds {
  /** The longest message that is read, in bytes. */
  readonly maxMessage: number
  readonly open: Set<Peer>
  /** Those that may not have read what was written to them. */
  readonly unconfirmed: Set<Peer>
  readonly now: () => number
  /** How long a peer may take to answer, in milliseconds. */
  readonly pingInterval: number
}

/** How long a peer may take whose session has come back by another connection (milliseconds). */
const pongTimeoutOnceLeft = 5_000

/** How much longer it may take for each byte before the ping that it has not confirmed: a slow line has 20 kB a second. */
const pongTimePerByte = 0.05

/** How often the machine is told that a socket is alive, at the most (milliseconds). */
const heardEvery = 5_000

/** Pings with a mark, as they are written: the pong has the mark as well. One buffer is one write. */
const pings = Array.from({ length: 256 }, (_, mark) => Buffer.of(0x89, 1, mark))

/** How many peers a second are asked behind data: each costs some 30 microseconds here, most of it the system's. */
const mostAskedPerSecond = 250

/**
 * An open socket: what its peer does goes to the service, what the service has for it goes out. Of the request by which
 * it came it keeps nothing, so an idle socket holds no buffers.
 *
 * One ping at a time is under way. It goes ahead of a frame, or a while behind the last one: a reset says that the last
 * bytes were not read, and they are to be the frame's. A peer that has answered pings and does not any more has fallen silent: what was
 * written since the last one that it has answered is given back, and the connection is reset, so that nothing that the
 * system still holds is delivered as well. One that never answers pings says nothing by its silence.
 */
class Peer implements Sink, Target {
  readonly #socket: WebSocket
  /** The connection beneath, which takes frames that are ready made. */
  readonly stream: Duplex
  readonly #connection: OpenConnection
  readonly #writer: FrameWriter
  readonly #common: Common
  readonly #isCompressing: boolean
  /** Looked up with the first ping: that is a call of the system, and nothing is delivered before. */
  #address: string | undefined
  /** When the ping that is under way was sent. */
  #askedAt: number | undefined
  #bytesBefore = 0
  /** It is to be asked ahead of the next frame. */
  #isDue = false
  #mark = 0
  #isLeft = false
  #hasAnswered = false
  /** It has sent something since it was last asked. */
  #hasSpoken = false
  #heardAt = 0
  /** The peer has ended the connection, or we have given it up. */
  #isOver = false

  constructor(socket: WebSocket, call: UpgradeCall, common: Common) {
    const { owner, request, socket: stream } = call
    this.#socket = socket
    this.stream = stream
    this.#common = common
    this.#isCompressing = socket.extensions !== ""
    this.#writer = new FrameWriter(this, common)
    const info = requestInfo(request)
    this.#connection = call.open(
      { connectionType: "websocket", kind: "socket", local: false, request: info, owner },
      this
    )
    socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary))
    socket.on("pong", (data) => this.#answered(data))
    stream.prependListener("end", () => {
      this.#isOver = true
      this.#writer.ended()
    })
    socket.on("error", ignore)
    socket.on("close", (code) => this.#closed(code))
    common.open.add(this)
  }

  /** Without a closing handshake, an end or a reset the line has fallen silent. */
  #closed(code: number): void {
    const { open, unconfirmed } = this.#common
    open.delete(this)
    unconfirmed.delete(this)
    const { errored } = this.stream
    const isSilent = code === noCloseFrame && !this.#isOver && (errored === null || isOfLine(errored))
    if (isSilent && this.#hasAnswered) this.#writer.silent()
    this.#connection.closed(this.#writer.isReset ? this.#address : undefined)
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#hasSpoken = true
    if (isBinary) return this.#refuse(unsupportedData, "Send text messages with JSON")
    // An empty text says that its sender is there; Faye's server leaves it without an answer, too.
    if (data.length === 0) return
    const messages = parseMessages(data.toString("utf8"), this.#common.maxMessage)
    if (Result.isSuccess(messages)) this.#connection.receive(messages.success)
    else this.#refuse(invalidPayload, messages.failure.sentence)
  }

  /** Whether or not the peer answers the close, its session goes on without this socket. */
  #refuse(code: number, reason: string): void {
    this.#socket.close(code, reason)
    this.#connection.closed()
  }

  send(frame: Frame): void {
    if (this.#isDue && frame.delivers) this.#askAhead()
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
    this.#isOver = true
    this.#socket.terminate()
  }

  // -- whether it is there

  unconfirmed(): void {
    this.#common.unconfirmed.add(this)
  }

  reads(): void {
    this.#hasSpoken = true
  }

  /** A session has come: whether its peer answers pings is good to know before it is needed, but not before it gets anything. */
  bound(): void {
    this.#isLeft = false
    if (!this.#hasAnswered) this.#isDue = true
  }

  left(): void {
    this.#isLeft = true
    if (this.#writer.isUnconfirmed && this.#askedAt === undefined) this.#ask(this.#common.now())
  }

  #askAhead(): void {
    this.#isDue = false
    if (this.#askedAt === undefined) this.#ask(this.#common.now())
  }

  #ask(now: number): void {
    this.#isDue = false
    if (this.#address === undefined && this.stream instanceof Socket) this.#address = this.stream.remoteAddress
    this.#askedAt = now
    this.#mark = (this.#mark + 1) % pings.length
    this.#bytesBefore = this.#writer.mark()
    const ping = pings[this.#mark] as Buffer
    if (this.#isCompressing) this.#socket.ping(ping.subarray(2))
    else if (this.#socket.readyState === this.#socket.OPEN) this.stream.write(ping)
  }

  #answered(mark: Buffer): void {
    this.#hasSpoken = true
    if (this.#askedAt === undefined || mark.length !== 1 || mark[0] !== this.#mark) return
    this.#askedAt = undefined
    this.#hasAnswered = true
    this.#writer.confirm()
    if (!this.#writer.isUnconfirmed) this.#common.unconfirmed.delete(this)
    this.#heard(this.#common.now())
  }

  #heard(now: number): void {
    this.#hasSpoken = false
    const { pingInterval } = this.#common
    if (now - this.#heardAt < Math.min(pingInterval / 2, heardEvery)) return
    this.#heardAt = now
    this.#connection.heard()
  }

  /**
   * Asks whether the peer is still there, now or ahead of the next frame, unless it has been asked and has time left. It
   * is given time anew if the process comes late: then the answer may wait to be read.
   */
  ping(now: number, isLate: boolean): void {
    if (this.#askedAt === undefined) {
      if (this.#writer.isFresh) this.#isDue = true
      else this.#ask(now)
    } else if (isLate) this.#askedAt = now
    else if (now - this.#askedAt >= this.#pingInterval) this.#missed(now)
  }

  get isAsked(): boolean {
    return this.#askedAt !== undefined
  }

  /** A timer may come a little early. However much is before the ping, it is twice as long at the most. */
  get #pingInterval(): number {
    const { pingInterval } = this.#common
    const least = this.#isLeft ? Math.min(pingInterval, pongTimeoutOnceLeft) : pingInterval
    return least * 0.95 + Math.min(this.#bytesBefore * pongTimePerByte, pingInterval)
  }

  #missed(now: number): void {
    if (!this.#hasSpoken) return this.#cutOff()
    this.#heard(now)
    this.#ask(now)
  }

  #cutOff(): void {
    const tcp = Receipt.beneath(this.stream)
    if (this.#hasAnswered && this.#address !== undefined && tcp instanceof Socket) {
      tcp.resetAndDestroy()
      tcp.destroy()
    }
    this.#socket.terminate()
  }
}

/** A timer that comes so late was held up: the process was halted, or is too busy to read. In milliseconds. */
const longestDelay = 1_000

/** Calls again and again. */
const rounds = Effect.fnUntraced(function*(
  pause: number,
  now: () => number,
  round: (now: number, isLate: boolean) => void
) {
  for (;;) {
    const next = now() + pause
    yield* Effect.sleep(pause)
    round(now(), now() - next > longestDelay)
  }
})

/**
 * Asks those that may not have read what was written to them: so many at the most, each after all others. With very many
 * of them it is only as often as all peers are asked anyway.
 */
const askUnconfirmed = (peers: Set<Peer>, most: number) => (now: number, isLate: boolean): void => {
  let left = most
  for (const peer of [...peers]) {
    if (!peer.isAsked && left-- > 0) {
      peers.delete(peer)
      peers.add(peer)
    } else if (!peer.isAsked) continue
    peer.ping(now, isLate)
  }
}

/** Offers WebSocket. */
export const layer = (options: WebSocketOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Bayeux> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const {
      confirm = "1 second",
      maxBuffered = 1 << 24,
      maxMessage = defaultMaxMessage,
      maxPayload = hardLimit(maxMessage),
      maxUnconfirmed = 1 << 20,
      perMessageDeflate = false,
      ping = "20 seconds"
    } = yield* Options.decode("WebSocketTransport.layer", WebSocketOptions, options)
    const bayeux = yield* Bayeux
    const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload, perMessageDeflate })
    const now = MonotonicClock.make(yield* Clock.Clock)
    const pingInterval = Duration.toMillis(Duration.fromInputUnsafe(ping))
    const [open, unconfirmed] = [new Set<Peer>(), new Set<Peer>()]
    const common = { maxBuffered, maxMessage, maxUnconfirmed, open, unconfirmed, now, pingInterval }
    yield* bayeux.addTransport({
      connectionTypes: ["websocket"],
      upgrade: (call) => {
        server.handleUpgrade(call.request, call.socket, call.head, (socket) => new Peer(socket, call, common))
        return true
      }
    })
    yield* Effect.forkScoped(rounds(pingInterval, now, (now, isLate) => open.forEach((peer) => peer.ping(now, isLate))))
    const pause = Duration.toMillis(Duration.fromInputUnsafe(confirm))
    const most = Math.ceil(mostAskedPerSecond * pause / 1_000)
    yield* Effect.forkScoped(rounds(pause, now, askUnconfirmed(unconfirmed, most)))
  }))
