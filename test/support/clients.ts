/**
 * One face for the two clients people use, Faye's and CometD's, so that a scenario is written once. What a client was
 * sent and what its application heard are kept apart: a message that arrives twice, or after an unsubscription, must
 * show even where the client's own bookkeeping would hide it. Runs in Node and, served as it is, in a page: no import
 * but types, and only plain data goes in and out.
 */
import type { CometD, Extension, SubscriptionHandle } from "cometd"
import type { Client as Faye, Extension as FayeExtension, Subscription } from "faye"

/** What came over the wire with data, and the names of all its fields. */
export interface Delivered {
  readonly channel: string
  readonly data: unknown
  readonly fields: ReadonlyArray<string>
}

/** What a listener of the application was called with. */
export interface Heard {
  readonly pattern: string
  readonly channel: string
  readonly data: unknown
}

export interface Transcript {
  readonly delivered: ReadonlyArray<Delivered>
  readonly heard: ReadonlyArray<Heard>
}

/** A message heard on a channel, or so many successful answers on a meta channel. */
export type Until = { readonly heard: string } | { readonly answers: string; readonly count: number }

/** `"accepted"`, or the error the server gave: `405:/a/*:Invalid channel`. */
export type Outcome = string

export interface Client {
  readonly clientId: () => Promise<string>
  readonly transport: () => Promise<string>
  readonly subscribe: (pattern: string) => Promise<Outcome>
  /** Ends when the server has answered. */
  readonly unsubscribe: (pattern: string) => Promise<void>
  readonly publish: (channel: string, data: unknown) => Promise<Outcome>
  /** Publishes `burst` values at a time, and waits for their answers before the next; tells what was not accepted. */
  readonly publishAll: (channel: string, values: ReadonlyArray<unknown>, burst: number) => Promise<Array<Outcome>>
  /** Waits until it has come true or the deadline has passed, and then tells what has come so far. */
  readonly transcript: (until: Until) => Promise<Transcript>
  readonly answers: (channel: string) => Promise<number>
  /** The errors that it was told, each behind the channel of its message, and whether it has given up. */
  readonly errors: () => Promise<{ readonly errors: ReadonlyArray<string>; readonly hasGivenUp: boolean }>
  readonly disconnect: () => Promise<Outcome>
  /** Lets go of everything, whether the server is there or not. */
  readonly close: () => Promise<void>
}

export interface OpenOptions {
  readonly url: string
  readonly transport: string
  /** Milliseconds between attempts to reach a server that is away. */
  readonly retry: number
  /** Headers of all its requests. */
  readonly headers?: { readonly [name: string]: string }
}

/** How long anything may take that is expected to happen. */
const deadline = 100_000

/** What has come so far, and who waits for more. */
class Log {
  readonly delivered: Array<Delivered> = []
  readonly heard: Array<Heard> = []
  readonly answered: Array<string> = []
  readonly errors: Array<string> = []
  readonly #waiting = new Set<() => void>()

  receive(message: { readonly [field: string]: unknown }): void {
    const channel = String(message["channel"])
    if (message["successful"] === true) this.answered.push(channel)
    if (typeof message["error"] === "string") this.errors.push(`${channel} ${message["error"]}`)
    if (message["successful"] === undefined && message["data"] !== undefined) {
      this.delivered.push({ channel, data: message["data"], fields: Object.keys(message).sort() })
    }
    this.#look()
  }

  hear(pattern: string, channel: string, data: unknown): void {
    this.heard.push({ pattern, channel, data })
    this.#look()
  }

  answers(channel: string): number {
    return this.answered.filter((answered) => answered === channel).length
  }

  until(condition: () => boolean): Promise<boolean> {
    if (condition()) return Promise.resolve(true)
    return new Promise((resolve) => {
      const done = (outcome: boolean) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(outcome)
      }
      const look = () => {
        if (condition()) done(true)
      }
      const timer = setTimeout(done, deadline, false)
      this.#waiting.add(look)
    })
  }

  async transcript(until: Until): Promise<Transcript> {
    await this.until(() =>
      "heard" in until
        ? this.heard.some(({ channel }) => channel === until.heard)
        : this.answers(until.answers) >= until.count
    )
    return { delivered: [...this.delivered], heard: [...this.heard] }
  }

  #look(): void {
    for (const look of this.#waiting) look()
  }
}

/** Waits for a condition that announces itself by no event. */
const eventually = async (condition: () => boolean, what: () => string): Promise<void> => {
  const end = Date.now() + deadline
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Waited ${deadline} ms: ${what()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The promise's value, or the other one when the deadline passes first. */
const within = <A, B>(milliseconds: number, promise: PromiseLike<A>, otherwise: B): Promise<A | B> => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<B>((resolve) => {
    timer = setTimeout(resolve, milliseconds, otherwise)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const answer = (promise: PromiseLike<unknown>): Promise<Outcome> =>
  within(deadline, promise.then(() => "accepted", String), "no answer")

const inBursts = async (
  values: ReadonlyArray<unknown>,
  burst: number,
  publish: (values: ReadonlyArray<unknown>) => ReadonlyArray<Promise<Outcome>>
): Promise<Array<Outcome>> => {
  const outcomes: Array<Outcome> = []
  for (let at = 0; at < values.length; at += burst) {
    outcomes.push(...await Promise.all(publish(values.slice(at, at + burst))))
  }
  return outcomes.filter((outcome) => outcome !== "accepted")
}

const fayeTransports = [
  "websocket",
  "eventsource",
  "long-polling",
  "cross-origin-long-polling",
  "callback-polling"
]

/**
 * Connects a client of Faye over one transport by disabling those that it would rather take. (Long polling stays for
 * WebSocket and EventSource: Faye's client begins with it.)
 */
export const openFaye = async (
  FayeClient: typeof Faye,
  { headers = {}, retry, transport, url }: OpenOptions,
  ...extensions: ReadonlyArray<FayeExtension>
): Promise<Client> => {
  const client = new FayeClient(url, { retry: retry / 1000 })
  const log = new Log()
  const subscriptions = new Map<string, Subscription>()
  for (const better of fayeTransports.slice(0, fayeTransports.indexOf(transport))) client.disable(better)
  for (const [name, value] of Object.entries(headers)) client.setHeader(name, value)
  for (const extension of extensions) client.addExtension(extension)
  client.addExtension({
    incoming: (message, callback) => {
      log.receive(message)
      callback(message)
    }
  })

  const close = async () => {
    await within(2_000, client.disconnect() ?? Promise.resolve(), undefined).catch(() => undefined)
    client._advice.reconnect = "none"
    client._dispatcher.close()
    for (const { timer } of client._dispatcher._envelopes.values()) clearTimeout(timer ?? undefined)
  }
  const publish = (channel: string, data: unknown) => answer(client.publish(channel, data))

  client.connect(() => undefined)
  try {
    await eventually(
      () => client._dispatcher.clientId !== null && client._dispatcher.connectionType === transport,
      () => `a Faye client did not connect by ${transport}, but by ${client._dispatcher.connectionType}`
    )
  } catch (error) {
    await close()
    throw error
  }
  return {
    clientId: () => Promise.resolve(String(client._dispatcher.clientId)),
    transport: () => Promise.resolve(String(client._dispatcher.connectionType)),
    subscribe: (pattern) => {
      const subscription = client.subscribe(pattern).withChannel((channel, data) => log.hear(pattern, channel, data))
      subscriptions.set(pattern, subscription)
      return answer(subscription)
    },
    unsubscribe: async (pattern) => {
      const before = log.answers("/meta/unsubscribe")
      subscriptions.get(pattern)?.cancel()
      await log.until(() => log.answers("/meta/unsubscribe") > before)
    },
    publish,
    publishAll: (channel, values, burst) =>
      inBursts(values, burst, (some) => some.map((value) => publish(channel, value))),
    transcript: (until) => log.transcript(until),
    answers: (channel) => Promise.resolve(log.answers(channel)),
    errors: () => Promise.resolve({ errors: [...log.errors], hasGivenUp: client._advice.reconnect === "none" }),
    disconnect: () => answer(client.disconnect() ?? Promise.reject(new Error("not connected"))),
    close
  }
}

/**
 * Connects a client of CometD over one transport by unregistering the others. CometD forgets its subscriptions when it
 * has to shake hands again; its documentation has the application subscribe in a handshake listener, as is done here.
 */
export const openCometd = async (
  CometDClient: typeof CometD,
  { headers = {}, retry, transport, url }: OpenOptions,
  ...extensions: ReadonlyArray<Extension>
): Promise<Client> => {
  const cometd = new CometDClient()
  const log = new Log()
  const subscriptions = new Map<string, SubscriptionHandle>()
  const patterns = new Set<string>()
  for (const other of cometd.getTransportTypes()) if (other !== transport) cometd.unregisterTransport(other)
  cometd.configure({
    url,
    logLevel: "warn",
    backoffIncrement: retry,
    maxBackoff: retry,
    maxSendBayeuxMessageSize: 1 << 20,
    requestHeaders: headers
  })
  extensions.forEach((extension, index) => cometd.registerExtension(`extension ${index}`, extension))
  cometd.registerExtension("log", {
    incoming: (message) => {
      log.receive({ ...message })
      return message
    }
  })

  const call = (verb: (answered: (message: Answer) => void) => unknown): Promise<Outcome> =>
    within(
      deadline,
      new Promise<Outcome>((resolve) => {
        verb((message) => resolve(message.successful === true ? "accepted" : refusal(message)))
      }),
      "no answer"
    )
  const subscribe = (pattern: string): Promise<Outcome> =>
    call((answered) => {
      subscriptions.set(
        pattern,
        cometd.subscribe(pattern, ({ channel, data }) => log.hear(pattern, channel, data), answered)
      )
    })
  const publish = (channel: string, data: unknown) => call((answered) => cometd.publish(channel, data, answered))
  const disconnect = () => call((answered) => cometd.disconnect(answered))
  const close = async () => {
    if (!cometd.isDisconnected()) await within(2_000, disconnect(), undefined)
  }

  let isOver = false
  cometd.addListener("/meta/disconnect", () => {
    isOver = true
  })
  cometd.addListener("/meta/handshake", ({ successful }) => {
    if (successful === true) { for (const pattern of patterns) void subscribe(pattern) }
  })
  const shaken = await call((answered) => cometd.handshake(answered))
  // Its first connect is answered at once and tells that the transport works; the second one is held.
  const connected = shaken === "accepted" && await log.until(() => log.answers("/meta/connect") > 0)
  if (!connected) {
    await close()
    throw new Error(`A CometD client did not connect by ${transport}: ${shaken}`)
  }
  return {
    clientId: () => Promise.resolve(String(cometd.getClientId())),
    transport: () => Promise.resolve(String(cometd.getTransport()?.type)),
    subscribe: async (pattern) => {
      const outcome = await subscribe(pattern)
      if (outcome === "accepted") patterns.add(pattern)
      return outcome
    },
    unsubscribe: async (pattern) => {
      const subscription = subscriptions.get(pattern)
      patterns.delete(pattern)
      if (subscription !== undefined) await call((answered) => cometd.unsubscribe(subscription, answered))
    },
    publish,
    publishAll: (channel, values, burst) =>
      inBursts(values, burst, (some) => {
        let outcomes: ReadonlyArray<Promise<Outcome>> = []
        const publishSome = () => {
          outcomes = some.map((value) => publish(channel, value))
        }
        // Less than everything goes as one batch, which is one request.
        if (burst < values.length) cometd.batch(publishSome)
        else publishSome()
        return outcomes
      }),
    transcript: (until) => log.transcript(until),
    answers: (channel) => Promise.resolve(log.answers(channel)),
    errors: () => Promise.resolve({ errors: [...log.errors], hasGivenUp: isOver && cometd.isDisconnected() }),
    disconnect,
    close
  }
}

interface Answer {
  readonly successful?: boolean
  readonly error?: string
  readonly failure?: { readonly reason?: string; readonly exception?: unknown }
}

/** The server's own words; where a request failed instead, what the transport says. */
const refusal = ({ error, failure }: Answer): string =>
  error ?? `the request failed: ${failure?.reason ?? String(failure?.exception)}`
