/** Clients that poll through a proxy, and the real ones, as the tests of this folder use them. */
import { AckExtension, CometD } from "cometd"
import { adapt } from "cometd-nodejs-client"
import { Client as Faye } from "faye"
import { Agent } from "node:http"
import { type Client, openCometd, openFaye, type OpenOptions } from "../support/clients.ts"
import { atEnd, connectMessage, handshakeMessage, type Message, post, subscribeMessage } from "../transport/support.ts"

adapt()

type Open = (options: OpenOptions) => Promise<Client>

const fayes: Open = (options) => openFaye(Faye, options)
const cometds: Open = (options) => openCometd(CometD, options)
const acknowledging: Open = (options) => openCometd(CometD, options, new AckExtension())

const closing = { Connection: "close" }

/** The clients that people use, by their long-polling. */
export const pollingClients = [
  { name: "Faye's client", open: fayes, headers: {} },
  { name: "CometD's client", open: cometds, headers: {} },
  { name: "CometD's client with acknowledgement", open: acknowledging, headers: {} },
  { name: "Faye's client, Connection: close", open: fayes, headers: closing },
  { name: "CometD's client, Connection: close", open: cometds, headers: closing }
]

/** The clients that people use, by WebSocket. */
export const socketClients = pollingClients.slice(0, 3)

/** Opens one of the clients; it closes with the test. */
export const openClient = async (
  { headers, open }: typeof pollingClients[number],
  url: string,
  transport: string,
  retry = 100
): Promise<Client> => {
  const client = await open({ url, transport, retry, headers })
  atEnd(() => client.close())
  return client
}

/**
 * How a client that polls by hand behaves. `faye` sends a connect whose answer it has not read again with the same `id`,
 * and each other one with a new one; `cometd` takes a new `id` always; `ack` acknowledges what it has read.
 */
export type Manner = "faye" | "cometd" | "ack"

/** What their handshakes name: Faye's client in Node, and CometD's. */
const connectionTypes: { readonly [M in Manner]: ReadonlyArray<string> } = {
  faye: ["in-process", "websocket", "long-polling"],
  cometd: ["websocket", "long-polling", "callback-polling"],
  ack: ["websocket", "long-polling", "callback-polling"]
}

export interface PollerOptions {
  readonly manner: Manner
  /** Draws after how many milliseconds a poll is given up, if it is. Default: none is. */
  readonly giveUp?: () => number | undefined
  /** How long it waits between an answer and its next connect, in milliseconds. Default: 0. */
  readonly pause?: number
  /** Says `Connection: close` with each request. */
  readonly isClosing?: boolean
}

/** A session that polls, and all that it has read. */
export class Poller {
  readonly received: Array<unknown> = []
  /** Polls that it has given up. */
  givenUp = 0
  /** Polls that were answered with something else than messages, as by a proxy that finds nobody. */
  failed = 0
  readonly clientId: string
  readonly #url: string
  readonly #options: PollerOptions
  readonly #agent: Agent | undefined
  readonly #end = new AbortController()
  #lastId = 2
  #ack = 0
  /** The connect whose answer it has not read. */
  #open: object | undefined
  #isSteady = false
  #running: Promise<void> = Promise.resolve()

  private constructor(url: string, clientId: string, options: PollerOptions) {
    this.#url = url
    this.clientId = clientId
    this.#options = options
    this.#agent = options.isClosing === true ? undefined : new Agent({ keepAlive: true })
    atEnd(() => this.stop())
  }

  /** Shakes hands through the proxy, subscribes, and polls from then on. */
  static async begin(url: string, subscription: unknown, options: PollerOptions): Promise<Poller> {
    const shake = { ...handshakeMessage, supportedConnectionTypes: connectionTypes[options.manner], id: "1" }
    const ext = options.manner === "ack" ? { ext: { ack: true } } : {}
    const [shaken] = (await post({ url }, [{ ...shake, ...ext }])).messages
    const clientId = shaken?.clientId ?? ""
    const [subscribed] = (await post({ url }, [{ ...subscribeMessage(clientId, subscription), id: "2" }])).messages
    if (subscribed?.successful !== true) throw new Error(`The subscription was refused: ${subscribed?.error}`)
    const poller = new Poller(url, clientId, options)
    if (options.manner !== "faye") await poller.#tryOut()
    poller.#running = poller.#run()
    return poller
  }

  /** Gives up no more polls. */
  steady(): void {
    this.#isSteady = true
  }

  async stop(): Promise<void> {
    this.#end.abort()
    await this.#running
    this.#agent?.destroy()
  }

  /** CometD's client has its first connect answered at once, to see whether the transport works. */
  async #tryOut(): Promise<void> {
    this.#receive((await post({ url: this.#url }, [{ ...this.#connect, advice: { timeout: 0 } }])).messages)
  }

  async #run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      await this.#poll()
      const { pause = 0 } = this.#options
      if (pause > 0 && !this.#end.signal.aborted) await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  get #connect(): object {
    const { manner } = this.#options
    if (manner !== "faye" || this.#open === undefined) {
      const ext = manner === "ack" ? { ext: { ack: this.#ack } } : {}
      this.#open = connectMessage(this.clientId, "long-polling", { id: (++this.#lastId).toString(36), ...ext })
    }
    return this.#open
  }

  async #poll(): Promise<void> {
    const { giveUp, isClosing } = this.#options
    const after = this.#isSteady ? undefined : giveUp?.()
    const limit = new AbortController()
    const timer = after === undefined ? undefined : setTimeout(() => limit.abort(), after)
    try {
      const answer = await post({ url: this.#url }, [this.#connect], {
        isOwn: true,
        signal: AbortSignal.any([this.#end.signal, limit.signal]),
        ...(this.#agent === undefined ? {} : { agent: this.#agent }),
        ...(isClosing === true ? { headers: closing } : {})
      })
      this.#receive(answer.messages)
      this.#open = undefined
    } catch {
      if (limit.signal.aborted) this.givenUp++
      else await this.#failedOnce()
    } finally {
      clearTimeout(timer)
    }
  }

  async #failedOnce(): Promise<void> {
    this.failed++
    if (!this.#end.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  #receive(messages: ReadonlyArray<Message>): void {
    for (const { channel, data, error, ext, successful } of messages) {
      if (successful === undefined) this.received.push(data)
      else if (channel === "/meta/connect" && !successful) throw new Error(`The connect was refused: ${error}`)
      if (typeof ext?.ack === "number") this.#ack = ext.ack
    }
  }
}

/** How numbers ought to arrive. */
export const once = "once, in order"

/** What became of the numbers from 0 to `count - 1`, in a sentence. */
export const fateOf = (received: ReadonlyArray<unknown>, count: number): string => {
  const firsts = new Set(received)
  const again = received.filter((n, at) => received.indexOf(n) !== at)
  const lost = Array.from({ length: count }, (_, n) => n).filter((n) => !firsts.has(n))
  if (lost.length > 0 || again.length > 0) {
    return `${lost.length} of ${count} lost (${lost.slice(0, 8).join()}), ${again.length} too many (${
      again.slice(0, 8).join()
    })`
  }
  return [...firsts].every((n, at) => n === at) ? once : "once, out of order"
}
