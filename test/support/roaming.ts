/**
 * Clients of a cluster that keep an account: sessions that are reached at any process, and publishers that know what
 * became of each of their messages. They speak Bayeux over HTTP and WebSocket and hide nothing: what is delivered twice
 * is received twice.
 */
import { Agent } from "node:http"
import { WebSocket } from "ws"
import { atEnd, connectMessage, handshakeMessage, type Message, patience, post, until } from "../transport/support.ts"

/** The data of a message: who has published it, and the how-manieth of that publisher it is. */
export interface Numbered {
  readonly by: string
  readonly n: number
}

export interface Received extends Numbered {
  readonly channel: string
}

/** How a client finds its processes. */
export interface Route {
  /** The URL for the next request or connection; the last one may have failed. */
  readonly next: (hasFailed: boolean) => string
  /** How long it waits for an answer, in milliseconds, before it gives up the connection. Default: for ever. */
  readonly patience?: number
}

/** Always the same process. */
export const straight = (url: string): Route => ({ next: () => url })

/** What a client waits before it tries again to reach a server that was not there, in milliseconds. */
const retry = 20

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/**
 * Gives up after so many milliseconds, but not before what has arrived by then is read: a busy client's timer may be due
 * before it has looked. Gives a function that forgets it.
 */
const afterSilence = (milliseconds: number | undefined, giveUp: () => void): () => void => {
  if (milliseconds === undefined) return () => {}
  let immediate: NodeJS.Immediate | undefined
  const timer = setTimeout(() => immediate = setImmediate(giveUp), milliseconds)
  return () => {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

/** Requests of one client over connections that stay. */
export class Exchange {
  readonly #route: Route
  readonly #agent = new Agent({ keepAlive: true })
  readonly #leaving = new AbortController()
  #hasFailed = false

  constructor(route: Route) {
    this.#route = route
    atEnd(() => this.close())
  }

  /** The answers to a batch, none if the server is away or this is closed meanwhile. */
  async send(...messages: ReadonlyArray<unknown>): Promise<ReadonlyArray<Message>> {
    if (this.#leaving.signal.aborted) throw new Error("This client has closed its connections")
    const limit = new AbortController()
    const forget = afterSilence(this.#route.patience, () => limit.abort())
    try {
      const answer = await post({ url: this.#route.next(this.#hasFailed) }, messages, {
        agent: this.#agent,
        isOwn: true,
        signal: AbortSignal.any([this.#leaving.signal, limit.signal])
      })
      this.#hasFailed = false
      return answer.messages
    } catch {
      this.#hasFailed = true
      await pause(retry)
      return []
    } finally {
      forget()
    }
  }

  /** Gives up what is on its way. */
  close(): void {
    this.#leaving.abort()
    this.#agent.destroy()
  }
}

export interface SessionOptions {
  /** Acknowledges what it has received (`ext.ack`). */
  readonly ack?: boolean
  /** Who the client is (`identities`). */
  readonly user?: string
}

export type Transport = "websocket" | "long-polling"

/** A session of a client, and all that it was sent. */
export class Session {
  readonly clientId: string
  readonly ack: boolean
  /**
   * What has come by each of its ways, in the order in which these were taken. One that acknowledges knows what it has
   * had, whichever way it came: for it all ways are one.
   */
  readonly received: Array<Array<Received>> = []
  /** Why the server does not know it any more. */
  forgotten: string | undefined
  /** How far it has come, as it tells the server. */
  position = -1
  /** Answers with messages that it did not read, because it had read another one since it had asked. */
  overtaken = 0
  readonly #ways = new Set<Way>()

  private constructor(clientId: string, ack: boolean) {
    this.clientId = clientId
    this.ack = ack
  }

  /** Shakes hands, as soon as there is a process that can do its work. */
  static async begin(exchange: Exchange, { ack = false, user }: SessionOptions = {}): Promise<Session> {
    const ext = { ...(ack && { ack }), ...(user !== undefined && { user }) }
    const reply = await until("an answer to a handshake", async () => {
      const [reply] = await exchange.send({ ...handshakeMessage, ext })
      return reply?.error?.startsWith("503:") === true ? undefined : reply
    })
    if (reply.clientId === undefined) throw new Error(`The handshake was refused: ${reply.error}`)
    return new Session(reply.clientId, ack)
  }

  /** Connects again and again from now on, at the processes of a route. */
  attend(transport: Transport, route: Route): void {
    const received = this.ack ? this.received[0] ?? [] : []
    if (!this.received.includes(received)) this.received.push(received)
    this.#ways.add(
      transport === "websocket" ? new BySocket(this, route, received) : new ByPolling(this, route, received)
    )
  }

  get isAttended(): boolean {
    return this.#ways.size > 0
  }

  /** Connects no more. What is on its way to it is lost, so it ought to have all. */
  async leave(): Promise<void> {
    const ways = [...this.#ways]
    this.#ways.clear()
    await Promise.all(ways.map((way) => way.leave()))
  }

  /** Ends; the server need not know it any more. */
  async disconnect(exchange: Exchange): Promise<void> {
    for (const way of this.#ways) way.isLeaving = true
    await until("an answer to a disconnect", async () => {
      const answers = await exchange.send({ channel: "/meta/disconnect", clientId: this.clientId })
      return answers.length > 0
    })
    await this.leave()
  }
}

/** A way to connect again and again. */
abstract class Way {
  isLeaving = false
  readonly session: Session
  readonly route: Route
  readonly #transport: Transport
  readonly #received: Array<Received>
  /** The number that its connect has told the server. */
  #told = -1

  constructor(session: Session, route: Route, received: Array<Received>, transport: Transport) {
    this.session = session
    this.route = route
    this.#received = received
    this.#transport = transport
  }

  abstract leave(): Promise<void>

  get isOver(): boolean {
    return this.isLeaving || this.session.forgotten !== undefined
  }

  get connectMessage() {
    const { ack, clientId, position } = this.session
    this.#told = position
    return connectMessage(clientId, this.#transport, ack ? { ext: { ack: position } } : {})
  }

  /** Gives whether a connect was answered. */
  receive(messages: ReadonlyArray<Message>): boolean {
    const isOvertaken = this.session.ack && this.#told !== this.session.position
    let isAnswered = false
    for (const { channel = "", data, error, ext, successful } of messages) {
      if (successful === undefined && !isOvertaken) this.#received.push({ channel, ...data as Numbered })
      if (channel !== "/meta/connect") continue
      isAnswered = true
      if (successful !== true && !this.isLeaving) this.session.forgotten = error ?? "for no reason"
      if (typeof ext?.ack === "number") this.#acknowledge(ext.ack, isOvertaken)
    }
    return isAnswered
  }

  /**
   * An answer begins behind the number that its connect has told. If that is not the client's any more, it has had some
   * of it: it reads nothing of it, and what is new in it comes again.
   */
  #acknowledge(number: number, isOvertaken: boolean): void {
    if (isOvertaken) this.session.overtaken++
    else this.session.position = number
  }
}

class ByPolling extends Way {
  readonly #exchange: Exchange
  readonly #running: Promise<void>

  constructor(session: Session, route: Route, received: Array<Received>) {
    super(session, route, received, "long-polling")
    this.#exchange = new Exchange(route)
    this.#running = this.#run()
    atEnd(() => this.leave())
  }

  async leave(): Promise<void> {
    this.isLeaving = true
    this.#exchange.close()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.isOver) this.receive(await this.#exchange.send(this.connectMessage))
  }
}

class BySocket extends Way {
  #socket: WebSocket | undefined
  #isAnswered = true
  readonly #running: Promise<void>

  constructor(session: Session, route: Route, received: Array<Received>) {
    super(session, route, received, "websocket")
    this.#running = this.#run()
    atEnd(() => this.leave())
  }

  async leave(): Promise<void> {
    this.isLeaving = true
    this.#socket?.terminate()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.isOver) {
      const url = this.route.next(!this.#isAnswered)
      this.#isAnswered = false
      await this.#attach(url)
      if (!this.isOver) await pause(retry)
    }
  }

  /** Done when the socket is closed. */
  #attach(url: string): Promise<void> {
    const socket = new WebSocket(url.replace(/^http/, "ws"), { perMessageDeflate: false })
    this.#socket = socket
    const { patience } = this.route
    const listen = () => afterSilence(patience, () => socket.terminate())
    let forget = listen()
    const connect = () => socket.send(JSON.stringify([this.connectMessage]))
    socket.on("open", connect)
    socket.on("message", (frame: Buffer) => {
      forget()
      forget = listen()
      if (!this.receive(JSON.parse(frame.toString("utf8")) as ReadonlyArray<Message>)) return
      this.#isAnswered = true
      if (!this.isOver) connect()
    })
    socket.on("error", () => undefined)
    return new Promise((resolve) => {
      socket.on("close", () => {
        forget()
        resolve()
      })
    })
  }
}

/** What became of a message: `unknown` if nobody answered. */
export type Outcome = "accepted" | "refused" | "unknown"

export interface Published extends Received {
  readonly outcome: Outcome
  readonly error: string | undefined
}

/** Publishes numbered messages, one batch after the other. */
export class Publisher {
  readonly name: string
  readonly published: Array<Published> = []
  readonly #exchange: Exchange
  readonly #clientId: string | undefined
  #count = 0

  constructor(name: string, route: Route, clientId?: string) {
    this.name = name
    this.#exchange = new Exchange(route)
    this.#clientId = clientId
  }

  /** Publishes a batch with a message on each of the channels; done when it knows what became of them, or cannot know. */
  async publish(channels: ReadonlyArray<string>): Promise<ReadonlyArray<Published>> {
    const batch = channels.map((channel): Received => ({ channel, by: this.name, n: this.#count++ }))
    const sender = this.#clientId === undefined ? {} : { clientId: this.#clientId }
    const answers = await this.#exchange.send(
      ...batch.map(({ by, channel, n }) => ({ channel, data: { by, n }, id: n, ...sender }))
    )
    const published = batch.map((message): Published => {
      const answer = answers.find(({ id }) => id === message.n)
      const outcome = answer === undefined ? "unknown" : answer.successful === true ? "accepted" : "refused"
      return { ...message, outcome, error: answer?.error }
    })
    this.published.push(...published)
    return published
  }

  /** Publishes until one batch was accepted as a whole. */
  async publishForSure(channels: ReadonlyArray<string>): Promise<void> {
    await until("a publish to be accepted", async () => {
      const batch = await this.publish(channels)
      return batch.every(({ outcome }) => outcome === "accepted")
    }, 2 * patience)
  }
}
