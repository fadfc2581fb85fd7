/**
 * WebSocket: batches of messages in both directions, each a text message with a JSON array.
 *
 * The protocol is left to `ws`, except for two things: frames are encoded once for all their recipients
 * (`WebSocketFrame`) and written directly to the socket, and pings find out whether a peer has read them (`Peer`).
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
import { Connections } from "../service/Connections.ts"
import type { Bytes, Frame } from "../service/Frame.ts"
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
  /** Interval of pings on idle sockets, and time to answer them; sockets without an answer are cut off. Default: 20 seconds. */
  ping: Schema.optionalKey(Options.PositiveTime),
  /** Longest message in bytes; longer ones are refused with the error 413, without the rest of their batch. Default: 1 MiB. */
  maxMessage: Schema.optionalKey(Options.Count),
  /** Longest batch in bytes; longer ones close the socket with 1009. Default: 16 MiB, or twice `maxMessage` if that is more. */
  maxPayload: Schema.optionalKey(Options.Count),
  /**
   * Time after which a peer is pinged to confirm what was written to it. Unconfirmed messages are sent again when the line
   * falls silent: a shorter time means fewer messages that the peer has already read. Default: 1 second.
   */
  confirm: Schema.optionalKey(Options.PositiveTime),
  /** Time until the first message of a socket; one that is silent for longer is closed with 1008. Default: 30 seconds. */
  firstMessage: Schema.optionalKey(Options.PositiveTime),
  /** Bytes of unconfirmed messages that are kept for a client, the newest. Default: 1 MiB. */
  maxUnconfirmed: Schema.optionalKey(Options.Count),
  /** Bytes that a client may leave unread before its socket is cut off; its session stays. Default: 16 MiB. */
  maxBuffered: Schema.optionalKey(Options.Count),
  /** Whether messages are compressed if the client agrees. Costs memory and time for each socket. Default: false. */
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
const policyViolation = 1008

const utf8 = (text: string): Buffer => Buffer.from(text, "utf8")

/** Ignores a lost connection or a broken frame: `ws` closes the socket, with the right code if that is still possible. */
const ignore = (): void => {}

/** Whether an error is that of a dead line, reported by the system and not by the peer. */
const isLineError = (error: Error | null): boolean =>
  error !== null && "code" in error && /^E(?:TIMEDOUT|HOST|NET)/.test(String(error.code))

/** State that all sockets of a transport share. */
interface Shared extends Bounds {
  /** Longest message in bytes. */
  readonly maxMessage: number
  readonly open: Set<Peer>
  /** Peers with unconfirmed frames. */
  readonly unconfirmed: Set<Peer>
  /** Peers without a message so far, the oldest first. */
  readonly silent: Set<Peer>
  readonly now: () => number
  /** Interval of pings, and time to answer one, in milliseconds. */
  readonly pingInterval: number
}

/** Time to answer a ping for a peer whose session has moved to another connection, in milliseconds. */
const pongTimeoutAfterMove = 5_000

/** Additional time in milliseconds for each unconfirmed byte before the ping: a slow line transfers 20 kB a second. */
const pongTimePerByte = 0.05

/** Shortest time between two inputs `Heard` of a socket, in milliseconds. */
const heardInterval = 5_000

/** Encoded pings with a mark, which the pong repeats. One buffer makes one write. */
const pings = Array.from({ length: 256 }, (_, mark) => Buffer.of(0x89, 1, mark))

/** Highest number of pings for confirmation in a second. Each costs some 30 microseconds, most of them in the system. */
const maxPingsPerSecond = 250

/**
 * An open socket between its peer and the service. It keeps nothing of its HTTP request, so idle sockets hold no buffers.
 *
 * One ping at a time is under way. It is sent ahead of a frame, or some time behind the last one: a reset means that the
 * last bytes were not read, and these must be the frame's. If a peer that used to answer pings stops answering, everything
 * written since its last answer returns to the queue, and the connection is reset, so that the system does not deliver it
 * as well. The silence of a peer that never answers pings means nothing.
 */
class Peer implements Sink, Target {
  readonly #socket: WebSocket
  /** The underlying connection, for encoded frames. */
  readonly stream: Duplex
  readonly #connection: OpenConnection
  readonly #writer: FrameWriter
  readonly #shared: Shared
  readonly #isCompressing: boolean
  /** Remote address, looked up with the first ping: that is a system call, and nothing is delivered before. */
  #address: string | undefined
  /** Time of the ping under way. */
  #pingedAt: number | undefined
  #bytesBeforePing = 0
  /** Whether a ping is due ahead of the next frame. */
  #isPingDue = false
  #mark = 0
  #hasMoved = false
  #answersPings = false
  readonly #openedAt: number
  #hasSentMessage = false
  /** Whether it has sent or read something since the last ping. */
  #isActive = false
  #heardAt = 0
  /** Whether the peer has ended the connection, or we have given it up. */
  #isEnded = false

  constructor(socket: WebSocket, call: UpgradeCall, shared: Shared) {
    const { owner, request, socket: stream } = call
    this.#socket = socket
    this.stream = stream
    this.#shared = shared
    this.#isCompressing = socket.extensions !== ""
    this.#writer = new FrameWriter(this, shared)
    this.#openedAt = shared.now()
    const info = requestInfo(request)
    this.#connection = call.open(
      { connectionType: "websocket", kind: "socket", local: false, request: info, owner },
      this
    )
    socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary))
    socket.on("pong", (data) => this.#onPong(data))
    stream.prependListener("end", () => {
      this.#isEnded = true
      this.#writer.ended()
    })
    socket.on("error", ignore)
    socket.on("close", (code) => this.#closed(code))
    shared.open.add(this)
    shared.silent.add(this)
  }

  /** Closes the connection. Without a closing handshake, an end or a reset the line has fallen silent. */
  #closed(code: number): void {
    const { open, silent, unconfirmed } = this.#shared
    open.delete(this)
    silent.delete(this)
    unconfirmed.delete(this)
    const { errored } = this.stream
    const isSilent = code === noCloseFrame && !this.#isEnded && (errored === null || isLineError(errored))
    if (isSilent && this.#answersPings) this.#writer.silent()
    this.#connection.closed(this.#writer.isReset ? this.#address : undefined)
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#isActive = true
    if (isBinary) return this.#refuse(unsupportedData, "Send text messages with JSON")
    // An empty text is a sign of life of Faye's client; Faye's server does not answer it, either.
    if (data.length === 0) return
    const messages = parseMessages(data.toString("utf8"), this.#shared.maxMessage)
    if (Result.isFailure(messages)) return this.#refuse(invalidPayload, messages.failure.sentence)
    if (!this.#hasSentMessage && messages.success.length > 0) {
      this.#hasSentMessage = true
      this.#shared.silent.delete(this)
    }
    this.#connection.receive(messages.success)
  }

  /** Closes a socket that has been silent for the maximal time in milliseconds; false if it has time left. */
  closeSilent(now: number, max: number): boolean {
    if (now - this.#openedAt < max) return false
    this.#shared.silent.delete(this)
    this.#refuse(policyViolation, `There was no message within ${max} ms: send a handshake`)
    return true
  }

  /** Closes the socket with a code. The session leaves it at once, whether the peer answers or not. */
  #refuse(code: number, reason: string): void {
    this.#socket.close(code, reason)
    this.#connection.closed()
  }

  send(frame: Frame): void {
    if (this.#isPingDue && frame.delivers) this.#pingAhead()
    this.#writer.write(frame)
  }

  close(reason: CloseReason): void {
    this.#writer.whenEmpty(() => this.#socket.close(closeCodes[reason]))
  }

  unwritten(): ReadonlyArray<Frame> {
    return this.#writer.frames
  }

  encode(frame: Frame): Bytes {
    return frame.encode(this.#isCompressing ? utf8 : WebSocketFrame.encode)
  }

  write(bytes: Bytes, taken: Taken): boolean {
    if (this.#socket.readyState !== this.#socket.OPEN) return false
    if (!this.#isCompressing) return writeToSocket(this.stream, bytes, taken)
    this.#socket.send(bytes, { binary: false }, taken)
    return false
  }

  giveUp(): void {
    this.#isEnded = true
    this.#socket.terminate()
  }

  // -- pings

  unconfirmed(): void {
    this.#shared.unconfirmed.add(this)
  }

  reads(): void {
    this.#isActive = true
  }

  /** Handles the arrival of a session. A ping ahead of its first frame shows whether the peer answers pings. */
  bound(): void {
    this.#hasMoved = false
    if (!this.#answersPings) this.#isPingDue = true
  }

  left(): void {
    this.#hasMoved = true
    if (this.#writer.isUnconfirmed && this.#pingedAt === undefined) this.#sendPing(this.#shared.now())
  }

  #pingAhead(): void {
    this.#isPingDue = false
    if (this.#pingedAt === undefined) this.#sendPing(this.#shared.now())
  }

  #sendPing(now: number): void {
    this.#isPingDue = false
    if (this.#address === undefined && this.stream instanceof Socket) this.#address = this.stream.remoteAddress
    this.#pingedAt = now
    this.#mark = (this.#mark + 1) % pings.length
    this.#bytesBeforePing = this.#writer.mark()
    const ping = pings[this.#mark] as Buffer
    if (this.#isCompressing) this.#socket.ping(ping.subarray(2))
    else if (this.#socket.readyState === this.#socket.OPEN) this.stream.write(ping)
  }

  #onPong(mark: Buffer): void {
    this.#isActive = true
    if (this.#pingedAt === undefined || mark.length !== 1 || mark[0] !== this.#mark) return
    this.#pingedAt = undefined
    this.#answersPings = true
    this.#writer.confirm()
    if (!this.#writer.isUnconfirmed) this.#shared.unconfirmed.delete(this)
    this.#heard(this.#shared.now())
  }

  #heard(now: number): void {
    this.#isActive = false
    const { pingInterval } = this.#shared
    if (now - this.#heardAt < Math.min(pingInterval / 2, heardInterval)) return
    this.#heardAt = now
    this.#connection.heard()
  }

  /**
   * Pings the peer, now or ahead of the next frame. If a ping is under way, checks its time-out; it starts again if the
   * process is late, because the answer may wait to be read.
   */
  ping(now: number, isLate: boolean): void {
    if (this.#pingedAt === undefined) {
      if (this.#writer.isFresh) this.#isPingDue = true
      else this.#sendPing(now)
    } else if (isLate) this.#pingedAt = now
    else if (now - this.#pingedAt >= this.#pongTimeout) this.#onTimeout(now)
  }

  get isPinged(): boolean {
    return this.#pingedAt !== undefined
  }

  /** Time to answer the ping under way: 5 % less for timers that fire early, and at most twice the interval. */
  get #pongTimeout(): number {
    const { pingInterval } = this.#shared
    const least = this.#hasMoved ? Math.min(pingInterval, pongTimeoutAfterMove) : pingInterval
    return least * 0.95 + Math.min(this.#bytesBeforePing * pongTimePerByte, pingInterval)
  }

  #onTimeout(now: number): void {
    if (!this.#isActive) return this.#cutOff()
    this.#heard(now)
    this.#sendPing(now)
  }

  #cutOff(): void {
    const tcp = Receipt.systemSocket(this.stream)
    if (this.#answersPings && this.#address !== undefined && tcp instanceof Socket) {
      tcp.resetAndDestroy()
      tcp.destroy()
    }
    this.#socket.terminate()
  }
}

/** Delay of a timer in milliseconds from which on the process was halted or too busy to read. */
const maxTimerDelay = 1_000

/** Calls the action at intervals, and tells it whether the timer was late. */
const repeat = Effect.fnUntraced(function*(
  pause: number,
  now: () => number,
  action: (now: number, isLate: boolean) => void
) {
  for (;;) {
    const next = now() + pause
    yield* Effect.sleep(pause)
    action(now(), now() - next > maxTimerDelay)
  }
})

/** Pings peers with unconfirmed frames, at most `max` of them, in turn. */
const pingUnconfirmed = (peers: Set<Peer>, max: number) => (now: number, isLate: boolean): void => {
  let left = max
  for (const peer of [...peers]) {
    if (!peer.isPinged && left-- > 0) {
      peers.delete(peer)
      peers.add(peer)
    } else if (!peer.isPinged) continue
    peer.ping(now, isLate)
  }
}

/** Closes silent peers. When the process comes late their messages may wait to be read, so that it is left to the next time. */
const closeSilent = (silent: Set<Peer>, max: number) => (now: number, isLate: boolean): void => {
  if (isLate) return
  for (const peer of silent) if (!peer.closeSilent(now, max)) break
}

/** Longest interval in which silent peers are looked for, in milliseconds. */
const maxSilentInterval = 1_000

/** Adds WebSocket to the service. */
export const layer = (options: WebSocketOptions = {}): Layer.Layer<never, Options.OptionsInvalid, Connections> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const {
      confirm = "1 second",
      firstMessage = "30 seconds",
      maxBuffered = 1 << 24,
      maxMessage = defaultMaxMessage,
      maxPayload = hardLimit(maxMessage),
      maxUnconfirmed = 1 << 20,
      perMessageDeflate = false,
      ping = "20 seconds"
    } = yield* Options.decode("WebSocketTransport.layer", WebSocketOptions, options)
    const { addTransport } = yield* Connections
    const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload, perMessageDeflate })
    const now = MonotonicClock.make(yield* Clock.Clock)
    const pingInterval = Duration.toMillis(Duration.fromInputUnsafe(ping))
    const [open, silent, unconfirmed] = [new Set<Peer>(), new Set<Peer>(), new Set<Peer>()]
    const shared = { maxBuffered, maxMessage, maxUnconfirmed, open, silent, unconfirmed, now, pingInterval }
    yield* addTransport({
      connectionTypes: ["websocket"],
      upgrade: (call) => {
        server.handleUpgrade(call.request, call.socket, call.head, (socket) => new Peer(socket, call, shared))
        return true
      }
    })
    yield* Effect.forkScoped(repeat(pingInterval, now, (now, isLate) => open.forEach((peer) => peer.ping(now, isLate))))
    const pause = Duration.toMillis(Duration.fromInputUnsafe(confirm))
    const max = Math.ceil(maxPingsPerSecond * pause / 1_000)
    yield* Effect.forkScoped(repeat(pause, now, pingUnconfirmed(unconfirmed, max)))
    const maxSilence = Duration.toMillis(Duration.fromInputUnsafe(firstMessage))
    const silentInterval = Math.min(maxSilence / 4, maxSilentInterval)
    yield* Effect.forkScoped(repeat(silentInterval, now, closeSilent(silent, maxSilence)))
  }))
