// @effect-diagnostics anyUnknownInErrorContext:off -- tests build layers of any kind
/**
 * A server under test and clients that see its bytes: plain HTTP, raw sockets, `ws`, an event stream read by hand.
 *
 * Whatever is opened here is closed by {@link releaseAll}, which each test file runs after each test (or after all),
 * also when a test fails. Nothing sleeps: what is expected is waited for, with a deadline.
 */
import { type Effect, Layer, ManagedRuntime } from "effect"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { type ClientOptions, WebSocket } from "ws"
import type { OptionsInvalid } from "../../src/base/Options.ts"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "../../src/index.ts"
import { type Connections } from "../../src/service/Connections.ts"

// ---------------------------------------------------------------------------------------------------------------------
// closing and waiting

const opened = new Set<() => unknown>()

/** Has something closed by {@link releaseAll}; what was opened last is closed first. Gives a function that forgets it. */
export const atEnd = (release: () => unknown): () => void => {
  opened.add(release)
  return () => opened.delete(release)
}

const release = async (isKept: (release: () => unknown) => boolean): Promise<void> => {
  const errors: Array<unknown> = []
  for (;;) {
    const all = [...opened].filter((release) => !isKept(release)).reverse()
    if (all.length === 0) break
    for (const release of all) {
      opened.delete(release)
      await Promise.resolve().then(release).catch((error: unknown) => errors.push(error))
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "Not everything could be closed")
}

/** Closes everything, whatever fails on the way. */
export const releaseAll = (): Promise<void> => release(() => false)

/** Gives a function that closes what is opened from now on. */
export const releaseLater = (): () => Promise<void> => {
  const before = new Set(opened)
  return () => release((release) => before.has(release))
}

/** How long anything may take that is expected to happen, in milliseconds. The machine may be very busy. */
export const patience = 60_000

/** The promise's value; fails when it takes too long. */
export const within = <A>(what: string, promise: PromiseLike<A>, milliseconds = patience): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${milliseconds} ms for ${what}`)), milliseconds)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

type Missing = undefined | null | false

/** Pause between two looks, in milliseconds: short at first, so that a test is quick, and longer where there is long to wait. */
const pause = (waited: number): number => Math.min(2 + waited / 50, 20)

/** Looks until there is something. */
export const until = async <A>(
  what: string | (() => string),
  look: () => A | Missing | Promise<A | Missing>,
  milliseconds = patience
): Promise<A> => {
  const begin = performance.now()
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== null && found !== false) return found
    const waited = performance.now() - begin
    if (waited > milliseconds) {
      throw new Error(`Waited ${milliseconds} ms for ${typeof what === "string" ? what : what()}`)
    }
    await new Promise((resolve) => setTimeout(resolve, pause(waited)))
  }
}

/**
 * Time for promises that name a longest one, in milliseconds, as far as this process had its turn. It is counted in ticks,
 * of which a busy machine lets some fall out, and is never less than what this process has computed, which may hold up the
 * ticks. So limits are as tight as they are meant, whatever else runs. What has to last for some time is measured by
 * `performance.now()`.
 */
export const stopwatch = (): () => number => {
  const tick = 5
  let ticks = 0
  const timer = setInterval(() => ticks++, tick)
  atEnd(() => clearInterval(timer))
  const before = process.cpuUsage()
  return () => {
    const { system, user } = process.cpuUsage(before)
    return Math.max(ticks * tick, (system + user) / 1_000)
  }
}

/** Lets the event loop go around once. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Random numbers that can be had again: mulberry32. */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    below: (limit: number): number => Math.floor(next() * limit),
    chance: (probability: number): boolean => next() < probability,
    pick: <A>(choices: readonly [A, ...ReadonlyArray<A>]): A => choices[Math.floor(next() * choices.length)] as A
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// the server

/** What a server is made of; all transports with their defaults if nothing else is said. */
export interface ServeOptions {
  readonly monitor?: Parameters<typeof Monitor.layer>[0]
  readonly bayeux?: Bayeux.BayeuxOptions
  readonly node?: NodeServer.NodeServerOptions
  readonly transports?: Layer.Layer<never, OptionsInvalid, Bayeux.Bayeux | Connections>
}

type Services = Bayeux.Bayeux | Connections | Monitor.Monitor | NodeServer.NodeServer

/** A running server. */
export interface Server {
  /** `http://127.0.0.1:port/bayeux` */
  readonly url: string
  readonly port: number
  readonly http: NodeServer.AnyServer
  readonly run: <A, E>(effect: Effect.Effect<A, E, Services>) => Promise<A>
  /** Publishes as the application. */
  readonly publish: (channel: string, data: unknown) => Promise<void>
  readonly sessions: () => Promise<ReadonlyArray<Bayeux.SessionInfo>>
  readonly session: (clientId: string) => Promise<Bayeux.SessionInfo | undefined>
  /** Stops it gracefully; a second call waits for the first. */
  readonly stop: () => Promise<void>
}

/** The layer of a server: what it is made of outlives its listening. */
export const serverLayer = ({ bayeux, monitor, node, transports = Transports.layer }: ServeOptions = {}) =>
  NodeServer.layer(node?.socketPath === undefined ? { port: 0, ...node } : node).pipe(
    Layer.provide(transports),
    Layer.provideMerge(Bayeux.layer(bayeux)),
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer(monitor)))
  )

/** Starts a server on a free port of 127.0.0.1, or on the Unix socket that is given. */
export const serve = (options: ServeOptions = {}): Promise<Server> => serveLayer(serverLayer(options))

/** Starts a server, and whatever else the layer has. */
export const serveLayer = async <E>(layer: Layer.Layer<Services, E>): Promise<Server> => {
  const runtime = ManagedRuntime.make(layer)
  let stopped: Promise<void> | undefined
  const stop = () => stopped ??= runtime.dispose()
  atEnd(stop)
  const { address, server, url } = await runtime.runPromise(NodeServer.NodeServer)
  const run: Server["run"] = (effect) => runtime.runPromise(effect)
  const sessions = () => run(Bayeux.Bayeux.use((bayeux) => bayeux.sessions))
  return {
    url,
    port: address.port,
    http: server,
    run,
    publish: (channel, data) => run(Bayeux.Bayeux.use((bayeux) => bayeux.publish(channel, data as string))),
    sessions,
    session: async (clientId) => (await sessions()).find((session) => session.clientId === clientId),
    stop
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// messages

/** A message as a client sees it: any of its fields may be there. */
export interface Message {
  readonly channel?: string
  readonly id?: unknown
  readonly clientId?: string
  readonly successful?: boolean
  readonly error?: string
  readonly data?: unknown
  readonly subscription?: unknown
  readonly version?: string
  readonly supportedConnectionTypes?: ReadonlyArray<string>
  readonly advice?: { readonly reconnect?: string; readonly interval?: number; readonly timeout?: number }
  readonly ext?: { readonly ack?: unknown }
}

/** A handshake of a client that can do everything. */
export const handshakeMessage = {
  channel: "/meta/handshake",
  version: "1.0",
  supportedConnectionTypes: ["websocket", "eventsource", "long-polling", "callback-polling"]
}

/** What Faye's clients say in the place of ours: their ids are used once, and repeated until the answer is read. */
export const fayeHandshake = {
  supportedConnectionTypes: [
    "websocket",
    "eventsource",
    "long-polling",
    "cross-origin-long-polling",
    "callback-polling"
  ]
}

export const connectMessage = (clientId: string, connectionType = "long-polling", more: object = {}) => ({
  channel: "/meta/connect",
  clientId,
  connectionType,
  ...more
})

export const subscribeMessage = (clientId: string, subscription: unknown) => ({
  channel: "/meta/subscribe",
  clientId,
  subscription
})

/** What was delivered, without the replies. */
export const dataOf = (messages: ReadonlyArray<Message>): ReadonlyArray<unknown> =>
  messages.filter((message) => message.successful === undefined).map((message) => message.data)

/** The first place where numbers are not 1 to `count`, in a sentence. */
export const flawIn = (received: ReadonlyArray<number>, count: number): string | undefined => {
  const at = received.findIndex((n, at) => n !== at + 1)
  if (at < 0 && received.length === count) return undefined
  const seen = new Set(received)
  const lost = Array.from({ length: count }, (_, at) => at + 1).filter((n) => !seen.has(n))
  const around = received.slice(Math.max(0, at - 3), at + 5)
  return `${count} were published, ${received.length} received, ${received.length - seen.size} twice; ` +
    `${lost.length} lost: ${lost.slice(0, 10).join()}; the first flaw is at ${at}: ${around.join()}`
}

/** The numbers in what was delivered. */
export const numbersIn = (data: ReadonlyArray<unknown>): ReadonlyArray<number> =>
  data.map((data) => (data as { readonly n: number }).n)

// ---------------------------------------------------------------------------------------------------------------------
// HTTP

/** An answer that has arrived as a whole. */
export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
  /** The text as messages; throws if it is something else. */
  readonly messages: ReadonlyArray<Message>
}

const answerOf = (status: number, headers: Http.IncomingHttpHeaders, text: string): Answer => ({
  status,
  headers,
  text,
  get messages() {
    const json: unknown = JSON.parse(text)
    if (!Array.isArray(json)) throw new Error(`Not an array of messages: ${text}`)
    return json as ReadonlyArray<Message>
  }
})

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Http.OutgoingHttpHeaders
  readonly body?: string | Buffer
  /** Default: a connection of its own for the request. */
  readonly agent?: Http.Agent
  /** It is closed by whoever sends it. */
  readonly isOwn?: boolean
  /** Takes it back. */
  readonly signal?: AbortSignal
}

/** Sends a request and reads its answer. */
export const request = (
  url: string,
  { agent, body, headers = {}, isOwn = false, method = "GET", signal }: RequestOptions = {}
): Promise<Answer> => {
  const answered = new Promise<Answer>((resolve, reject) => {
    const sent = Http.request(url, { method, headers, agent: agent ?? false, signal }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", reject)
      response.on("end", () => {
        resolve(answerOf(response.statusCode ?? 0, response.headers, Buffer.concat(chunks).toString("utf8")))
      })
    })
    sent.on("error", reject)
    if (!isOwn) sent.on("close", atEnd(() => sent.destroy()))
    sent.end(body)
  })
  // A test that has failed meanwhile does not wait for it any more.
  answered.catch(() => undefined)
  return within(`an answer to ${method} ${url}`, answered, 6 * patience)
}

/** Posts messages as JSON. */
export const post = (
  server: Pick<Server, "url">,
  messages: unknown,
  { headers, ...options }: RequestOptions = {}
): Promise<Answer> =>
  request(server.url, {
    method: "POST",
    body: JSON.stringify(messages),
    ...options,
    headers: { "Content-Type": "application/json", ...headers }
  })

/** Shakes hands by long-polling, subscribes, and gives the client id. */
export const begin = async (
  server: Pick<Server, "url">,
  subscription?: unknown,
  more: object = {}
): Promise<string> => {
  const clientId = (await post(server, [{ ...handshakeMessage, ...more }])).messages[0]?.clientId
  if (clientId === undefined) throw new Error("The handshake was refused")
  if (subscription === undefined) return clientId
  const [reply] = (await post(server, [subscribeMessage(clientId, subscription)])).messages
  if (reply?.successful !== true) throw new Error(`The subscription was refused: ${reply?.error}`)
  return clientId
}

/** A connect that is answered at once with what waits. */
export const poll = async (server: Pick<Server, "url">, clientId: string): Promise<ReadonlyArray<unknown>> =>
  dataOf((await post(server, [connectMessage(clientId, "long-polling", { advice: { timeout: 0 } })])).messages)

/** Polls until nothing waits any more: an answer holds only so much. */
export const pollAll = async (server: Pick<Server, "url">, clientId: string): Promise<ReadonlyArray<unknown>> => {
  const all: Array<unknown> = []
  for (;;) {
    const data = await poll(server, clientId)
    if (data.length === 0) return all
    all.push(...data)
  }
}

/** Sends a connect and waits until the server holds it. */
export const holdConnect = async (server: Server, clientId: string, more: RequestOptions = {}) => {
  const answered = post(server, [connectMessage(clientId)], more)
  answered.catch(() => undefined)
  await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
  return { answered }
}

// ---------------------------------------------------------------------------------------------------------------------
// raw sockets

/** Reads an HTTP response from the beginning of some bytes, if it is there as a whole. */
export const parseAnswer = (
  bytes: Buffer,
  isClosed = false
): { readonly answer: Answer; readonly length: number } | undefined => {
  const headEnd = bytes.indexOf("\r\n\r\n")
  if (headEnd < 0) return undefined
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n")
  const headers: Http.IncomingHttpHeaders = {}
  for (const line of lines) {
    const colon = line.indexOf(":")
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const status = Number(statusLine.split(" ")[1])
  const start = headEnd + 4
  const hasBody = status >= 200 && status !== 204 && status !== 304
  const stated = headers["content-length"]
  const length = !hasBody ? 0 : stated === undefined ? (isClosed ? bytes.length - start : Infinity) : Number(stated)
  if (bytes.length < start + length) return undefined
  const text = bytes.toString("utf8", start, start + length)
  return { answer: answerOf(status, headers, text), length: start + length }
}

/** A TCP connection on which anything may be said. */
export class RawSocket {
  readonly socket: Net.Socket
  #received: Buffer = Buffer.alloc(0)
  #chunks: Array<Buffer> = []
  isEnded = false
  isClosed = false
  error: Error | undefined

  constructor(socket: Net.Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on("data", (chunk: Buffer) => this.#chunks.push(chunk))
    socket.on("end", () => this.isEnded = true)
    socket.on("error", (error) => this.error = error)
    const forget = atEnd(() => socket.destroy())
    socket.on("close", () => {
      this.isClosed = true
      forget()
    })
  }

  /** Everything that has come and was not taken yet. */
  get received(): Buffer {
    if (this.#chunks.length > 0) this.#received = Buffer.concat([this.#received, ...this.#chunks.splice(0)])
    return this.#received
  }

  send(bytes: string | Uint8Array): this {
    if (this.socket.writable) this.socket.write(bytes)
    return this
  }

  /** Waits for the next whole response and takes it. */
  async answer(milliseconds = patience): Promise<Answer> {
    const { answer, length } = await until(
      () => `a response after ${JSON.stringify(this.received.toString("latin1").slice(0, 200))}`,
      () => {
        const parsed = parseAnswer(this.received, this.isEnded || this.isClosed)
        if (parsed !== undefined) return parsed
        if (this.isClosed) throw new Error(`The connection was closed without a response (${this.error?.message})`)
        return undefined
      },
      milliseconds
    )
    this.#received = this.received.subarray(length)
    return answer
  }

  /** Waits until the other side has closed the connection. */
  async closed(milliseconds = patience): Promise<void> {
    await until("the connection to be closed", () => this.isClosed, milliseconds)
  }
}

/** Connects to the server. */
export const connectRaw = async (
  server: { readonly port: number },
  options: Partial<Net.TcpNetConnectOpts> = {}
): Promise<RawSocket> => {
  const raw = new RawSocket(Net.connect({ port: server.port, host: "127.0.0.1", ...options }))
  await until("a connection", () => {
    if (raw.error !== undefined) throw raw.error
    return raw.socket.readyState === "open" || raw.isClosed
  })
  return raw
}

/** Connects to a server for HTTPS with a certificate of its own. */
export const connectTls = async (server: { readonly port: number }, ca: string): Promise<RawSocket> => {
  const socket = Tls.connect({ port: server.port, host: "127.0.0.1", ca, servername: "localhost" })
  const raw = new RawSocket(socket)
  await until("a TLS connection", () => {
    if (raw.error !== undefined) throw raw.error
    return socket.authorized
  })
  return raw
}

/** The bytes of a POST of messages. */
export const postBytes = (body: string, headers: { readonly [name: string]: string } = {}): Buffer => {
  const all = { "Host": "localhost", "Content-Type": "application/json", ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("")
  return Buffer.from(`POST /bayeux HTTP/1.1\r\n${lines}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

/** The server's ends of the connections that are opened from now on. */
export const socketsOf = (server: Server): ReadonlyArray<Net.Socket> => {
  const sockets: Array<Net.Socket> = []
  server.http.on("connection", (socket: Net.Socket) => sockets.push(socket))
  return sockets
}

/**
 * Has so much written to a paused connection that writes wait in the server, then reads bit by bit until the system has
 * taken the first of them (the others then leave in one go, as far as there is room), and pauses again.
 */
export const readALittle = async (
  { socket }: RawSocket,
  atServer: Net.Socket | undefined,
  write: () => Promise<void>
): Promise<void> => {
  if (atServer === undefined) throw new Error("The server has no such connection")
  while (atServer.writableLength === 0) await write()
  for (let i = 0; i < 300; i++) await write()
  for (let length = 0; length < 1_000_000;) {
    const read = new Promise<number>((resolve) => {
      socket.once("data", (chunk) => {
        socket.pause()
        resolve(chunk.length)
      })
    })
    socket.resume()
    length += await within("something to read", read)
    await nextTurn()
  }
}

const upgradeBytes = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/** A WebSocket that does nothing by itself: no pongs, no closing handshake. */
export const connectRawWebSocket = async (
  server: { readonly port: number },
  path = "/bayeux"
): Promise<RawSocket> => {
  const raw = (await connectRaw(server)).send(upgradeBytes(path))
  const { status } = await raw.answer()
  if (status !== 101) throw new Error(`The upgrade was answered with ${status}`)
  return raw
}

export interface FrameOptions {
  readonly opcode?: number
  readonly isFinal?: boolean
  readonly isMasked?: boolean
  readonly reserved?: number
}

/** A WebSocket frame as a client sends it. */
export const clientFrame = (
  payload: string | Uint8Array,
  { isFinal = true, isMasked = true, opcode = 1, reserved = 0 }: FrameOptions = {}
): Buffer => {
  const body = Buffer.from(payload)
  const mask = isMasked ? 0x80 : 0
  const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65_536 ? 4 : 10)
  head[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode
  head[1] = mask | (head.length === 2 ? body.length : head.length === 4 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(body.length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(body.length), 2)
  if (!isMasked) return Buffer.concat([head, body])
  const key = Buffer.from([1, 2, 3, 4])
  return Buffer.concat([head, key, body.map((byte, at) => byte ^ (key[at % 4] as number))])
}

/** A frame of the server, and what it leaves of the bytes. */
export interface ServerFrame {
  readonly opcode: number
  readonly reserved: number
  readonly payload: Buffer
}

/** The whole frames at the beginning of some bytes. */
export const serverFrames = (bytes: Buffer): ReadonlyArray<ServerFrame> => {
  const frames: Array<ServerFrame> = []
  for (let at = 0; at + 2 <= bytes.length;) {
    const short = (bytes[at + 1] as number) & 0x7f
    const head = short === 126 ? 4 : short === 127 ? 10 : 2
    if (at + head > bytes.length) break
    const length = head === 2
      ? short
      : head === 4
      ? bytes.readUInt16BE(at + 2)
      : Number(bytes.readBigUInt64BE(at + 2))
    if (at + head + length > bytes.length) break
    const first = bytes[at] as number
    frames.push({
      opcode: first & 0x0f,
      reserved: (first >> 4) & 7,
      payload: bytes.subarray(at + head, at + head + length)
    })
    at += head + length
  }
  return frames
}

/** The messages in the whole text frames at the beginning of some bytes. */
export const messagesInFrames = (bytes: Buffer): ReadonlyArray<Message> =>
  serverFrames(bytes)
    .filter(({ opcode }) => opcode === 1)
    .flatMap(({ payload }) => JSON.parse(payload.toString("utf8")) as ReadonlyArray<Message>)

/** The close code that a raw WebSocket has been sent. */
export const closeCodeIn = (bytes: Buffer): number | undefined => {
  const frame = serverFrames(bytes).find(({ opcode }) => opcode === 8)
  return frame === undefined || frame.payload.length < 2 ? undefined : frame.payload.readUInt16BE(0)
}

// ---------------------------------------------------------------------------------------------------------------------
// WebSocket

/** A WebSocket of `ws` and all that has come over it. */
export class Socket {
  readonly ws: WebSocket
  /** The text of each frame. */
  readonly frames: Array<string> = []
  readonly messages: Array<Message> = []
  pings = 0
  closing: { readonly code: number; readonly reason: string } | undefined
  error: Error | undefined

  constructor(url: string, options: ClientOptions = {}) {
    this.ws = new WebSocket(url.replace(/^http/, "ws"), { perMessageDeflate: false, ...options })
    this.ws.on("message", (data: Buffer) => {
      const text = data.toString("utf8")
      this.frames.push(text)
      this.messages.push(...JSON.parse(text) as ReadonlyArray<Message>)
    })
    this.ws.on("ping", () => this.pings++)
    this.ws.on("error", (error) => this.error = error)
    const forget = atEnd(() => this.ws.terminate())
    this.ws.on("close", (code, reason) => {
      this.closing = { code, reason: reason.toString("utf8") }
      forget()
    })
  }

  send(...messages: ReadonlyArray<unknown>): this {
    return this.sendText(JSON.stringify(messages))
  }

  sendText(text: string | Buffer): this {
    this.ws.send(text)
    return this
  }

  get data(): ReadonlyArray<unknown> {
    return dataOf(this.messages)
  }

  /** Waits for a message and gives it. */
  message(what: string, is: (message: Message) => boolean): Promise<Message> {
    return until(
      () => `${what}; there was ${JSON.stringify(this.messages).slice(-500)}, ${JSON.stringify(this.closing)}`,
      () => this.messages.find(is)
    )
  }

  /** Waits for so many delivered messages at least. */
  async delivered(count: number): Promise<ReadonlyArray<unknown>> {
    await until(() => `${count} messages, there were ${this.data.length}`, () => this.data.length >= count)
    return this.data
  }

  /** Waits for the end and gives the close code. */
  async closed(): Promise<number> {
    return (await until("the socket to be closed", () => this.closing)).code
  }
}

/** Opens a WebSocket; fails if that is refused. */
export const openSocket = async (server: Pick<Server, "url">, options: ClientOptions = {}): Promise<Socket> => {
  const socket = new Socket(server.url, options)
  await until("the socket to open", () => {
    if (socket.error !== undefined) throw socket.error
    return socket.ws.readyState >= WebSocket.OPEN
  })
  return socket
}

/** Binds a socket to a session that exists: what waits for it comes, and what is published from now on. */
export const bindSocket = async (server: Server, socket: Socket, clientId: string): Promise<void> => {
  socket.send(connectMessage(clientId, "websocket"))
  await until("the session to be attached", async () => (await server.session(clientId))?.link === "Attached")
}

/** A socket with a session that has subscribed and connected. */
export const beginSocket = async (
  server: Server,
  subscription: unknown,
  options: ClientOptions = {}
): Promise<{ readonly socket: Socket; readonly clientId: string }> => {
  const socket = await openSocket(server, options)
  const { clientId = "" } = await socket.send(handshakeMessage)
    .message("a handshake", ({ channel }) => channel === "/meta/handshake")
  socket.send(subscribeMessage(clientId, subscription))
  await socket.message("a subscription", ({ channel }) => channel === "/meta/subscribe")
  await bindSocket(server, socket, clientId)
  return { socket, clientId }
}

// ---------------------------------------------------------------------------------------------------------------------
// event streams

/** The stream of a session, read by hand. */
export class EventStream {
  readonly response: Http.IncomingMessage
  #text = ""
  isEnded = false

  constructor(response: Http.IncomingMessage) {
    this.response = response
    response.setEncoding("utf8")
    response.on("data", (text: string) => this.#text += text)
    response.on("close", () => this.isEnded = true)
    response.on("error", () => undefined)
  }

  /** Everything that has come. */
  get text(): string {
    return this.#text
  }

  /** The data of each whole event. */
  get events(): ReadonlyArray<string> {
    return [...this.#text.matchAll(/data: (.*)\r\n\r\n/g)].map((match) => match[1] as string)
  }

  get messages(): ReadonlyArray<Message> {
    return this.events.flatMap((event) => JSON.parse(event) as ReadonlyArray<Message>)
  }

  get data(): ReadonlyArray<unknown> {
    return dataOf(this.messages)
  }

  async delivered(count: number): Promise<ReadonlyArray<unknown>> {
    await until(() => `${count} messages, there were ${this.data.length}`, () => this.data.length >= count)
    return this.data
  }

  /** Cuts the connection. */
  destroy(): void {
    this.response.destroy()
  }
}

/** Opens the stream of a session. */
export const openEvents = (
  server: Pick<Server, "url">,
  clientId: string,
  headers: Http.OutgoingHttpHeaders = {}
): Promise<EventStream> => {
  const opened = new Promise<EventStream>((resolve, reject) => {
    const sent = Http.request(`${server.url}/${clientId}`, {
      agent: false,
      headers: { Accept: "text/event-stream", ...headers }
    }, (response) => resolve(new EventStream(response)))
    sent.on("error", reject)
    sent.on("close", atEnd(() => sent.destroy()))
    sent.end()
  })
  opened.catch(() => undefined)
  return within("an event stream", opened)
}

// ---------------------------------------------------------------------------------------------------------------------
// a client that cuts its connections

export interface CutterOptions {
  readonly port: number
  readonly clientId: string
  readonly seed: number
  /** How many connections to cut. */
  readonly cuts: number
  /** Whether connections are kept for the next request. */
  readonly keepAlive: "always" | "never" | "mixed"
  /**
   * `cut` breaks connections off at any moment; `leave` reads each answer and closes the connection at once, as curl does;
   * `reset` reads each answer and resets the connection, as haproxy does.
   */
  readonly manner: "cut" | "leave" | "reset"
  /** `repeated`: as Faye's clients do, which send a connect again with its id until they have read the answer. */
  readonly ids: "none" | "repeated"
}

/** What the client tells on its way: that it begins, and that it has made its cuts. */
export type CutNews = "ready" | "enough"

/** What the client has read, and how its connections ended. */
export interface CutLog {
  readonly received: ReadonlyArray<number>
  /** Connections that were cut while no byte of an answer was read. */
  readonly before: number
  /** … while a part of the answer was read. */
  readonly during: number
  /** Connections that were closed by the client right after a whole answer. */
  readonly after: number
}

/** What the publisher sends: numbers from 1, and a mark on the last one. */
export interface Numbered {
  readonly n: number
  readonly last?: boolean
  readonly padding?: string
}

/** How long an answer is that states its length; 0 while that has not come. */
const lengthOfAnswer = (bytes: Buffer): number => {
  const headEnd = bytes.indexOf("\r\n\r\n")
  const stated = /^content-length: *(\d+)/im.exec(bytes.toString("latin1", 0, Math.max(0, headEnd)))?.[1]
  return stated === undefined ? 0 : headEnd + 4 + Number(stated)
}

interface Plan {
  readonly isKept: boolean
  /** When to cut, in milliseconds from the request: -1 is the next turn of the event loop, `undefined` never. */
  readonly cutAfter: number | undefined
  /** Leave the answer in the system's buffer. */
  readonly isDeaf: boolean
  /** Cut as soon as there is a part of the answer. */
  readonly cutsEarly: boolean
  /** How to end the connection as soon as the answer is there. */
  readonly leave: "destroy" | "resetAndDestroy" | undefined
}

const steady: Plan = { isKept: true, cutAfter: undefined, isDeaf: false, cutsEarly: false, leave: undefined }

/** Connects again and again by long-polling over raw sockets and cuts its connections at moments that are drawn by lot. */
export class Cutter {
  readonly #options: CutterOptions
  readonly #random: ReturnType<typeof random>
  readonly #received: Array<number> = []
  #socket: Net.Socket | undefined
  #before = 0
  #during = 0
  #after = 0
  #isDone = false

  constructor(options: CutterOptions) {
    this.#options = options
    this.#random = random(options.seed)
  }

  /** Runs until the last message is there. */
  async run(tell: (news: CutNews) => void): Promise<CutLog> {
    tell("ready")
    while (!this.#isDone) {
      const isCutting = this.#count < this.#options.cuts
      const log = this.#take(await this.#attempt(this.#plan(isCutting), this.#connect()))
      if (log.some(({ last }) => last === true)) this.#isDone = true
      if (isCutting && this.#count >= this.#options.cuts) tell("enough")
    }
    // Whatever would be delivered twice is there by now.
    this.#take(await this.#attempt(steady, this.#connect({ advice: { timeout: 0 } })))
    this.#socket?.destroy()
    return { received: this.#received, before: this.#before, during: this.#during, after: this.#after }
  }

  /** The number of the connect whose answer is awaited. */
  #id = 1

  #connect(more: object = {}): object {
    const id = this.#options.ids === "none" ? {} : { id: this.#id.toString(36) }
    return connectMessage(this.#options.clientId, "long-polling", { ...id, ...more })
  }

  destroy(): void {
    this.#isDone = true
    this.#socket?.destroy()
  }

  get #count(): number {
    return this.#options.manner === "cut" ? this.#before + this.#during : this.#after
  }

  #take(answer: Answer | undefined): ReadonlyArray<Numbered> {
    if (answer === undefined) return []
    this.#id++
    if (answer.status !== 200) throw new Error(`A connect was answered with ${answer.status}: ${answer.text}`)
    const refusal = answer.messages.find(({ successful }) => successful === false)
    if (refusal !== undefined) throw new Error(`A connect was refused: ${refusal.error}`)
    const data = dataOf(answer.messages) as ReadonlyArray<Numbered>
    for (const { n } of data) this.#received.push(n)
    return data
  }

  #plan(isCutting: boolean): Plan {
    const { below, chance, pick } = this.#random
    const { keepAlive, manner } = this.#options
    const isKept = keepAlive === "mixed" ? chance(0.5) : keepAlive === "always"
    if (!isCutting) return { ...steady, isKept }
    if (manner === "leave") return { ...steady, isKept, leave: "destroy" }
    if (manner === "reset") return { ...steady, isKept, leave: "resetAndDestroy" }
    const cutAfter = pick([-1, 0, 1, 2, 3])
    switch (below(10)) {
      case 0:
      case 1:
        return { ...steady, isKept }
      case 2:
        return { ...steady, isKept, leave: "destroy" }
      case 3:
      case 4:
        return { ...steady, isKept, cutsEarly: true }
      case 5:
      case 6:
      case 7:
        return { ...steady, isKept, cutAfter, isDeaf: true }
      default:
        return { ...steady, isKept, cutAfter }
    }
  }

  #connection(isDeaf: boolean): Net.Socket {
    const kept = this.#socket
    if (!isDeaf && kept !== undefined && !kept.destroyed && kept.readable && kept.writable) return kept
    kept?.destroy()
    const socket = Net.connect({ port: this.#options.port, host: "127.0.0.1", noDelay: true })
    socket.on("error", () => undefined)
    return this.#socket = socket
  }

  #attempt(plan: Plan, message: object): Promise<Answer | undefined> {
    const socket = this.#connection(plan.isDeaf)
    // Before it is connected: later Node would go on to read for a while, and what it has read counts as read.
    if (plan.isDeaf) socket.pause()
    socket.write(postBytes(JSON.stringify([message]), plan.isKept ? {} : { Connection: "close" }))
    return new Promise((resolve) => {
      const chunks: Array<Buffer> = []
      let length = 0
      let needed = 0
      const end = (answer: Answer | undefined) => {
        socket.off("data", onData).off("close", onClose)
        if (answer === undefined) socket.destroy()
        // Who has asked for the connection to be closed does not use it again.
        else if (!plan.isKept) socket.end()
        resolve(answer)
      }
      const cut = () => {
        if (length > 0) this.#during++
        else this.#before++
        end(undefined)
      }
      const onData = (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        if (needed === 0) needed = lengthOfAnswer(Buffer.concat(chunks))
        if (length < needed || needed === 0) return void (plan.cutsEarly && cut())
        const parsed = parseAnswer(Buffer.concat(chunks))
        if (parsed === undefined) throw new Error("An answer has no end")
        if (plan.leave !== undefined) {
          socket[plan.leave]()
          this.#after++
        }
        end(parsed.answer)
      }
      const onClose = () => end(undefined)
      socket.on("close", onClose)
      if (!plan.isDeaf) socket.on("data", onData).resume()
      const cutIfOpen = () => socket.listeners("close").includes(onClose) ? cut() : socket.destroy()
      if (plan.cutAfter === -1) setImmediate(cutIfOpen)
      else if (plan.cutAfter !== undefined) setTimeout(cutIfOpen, plan.cutAfter)
    })
  }
}

/** In a process of its own the options are the argument, and what there is to tell goes over IPC. */
if (import.meta.main) {
  const cutter = new Cutter(JSON.parse(process.argv[2] ?? "") as CutterOptions)
  process.send?.(await cutter.run((news) => process.send?.(news)), () => process.disconnect())
}
