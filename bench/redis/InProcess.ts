/**
 * The benchmark's clients inside a server process: they hand the server messages and get text from it, as a WebSocket
 * would, but no socket costs anything. One dialect for all servers that can be spoken to in this way.
 *
 * Many sessions stand behind one subscription of the load: a message counts as delivered when all of them have it. Each
 * of them checks the order of what it gets; that costs them little, since the same text goes to many.
 */
import type { Dialect, Publication, Subscription } from "../dialects/Dialect.ts"
import * as Request from "../dialects/Request.ts"
import { read } from "../load/BareSocket.ts"
import { forAll } from "../load/Load.ts"
import * as Mark from "../load/Mark.ts"

/** Opens a connection within the process: gives what sends a batch of messages. */
export type Open = (onText: (text: string) => void) => (messages: ReadonlyArray<object>) => void

type Numbered = readonly [stream: number, sequence: number]

const marks = (begin: string, text: string): ReadonlyArray<Numbered> => {
  const all: Array<Numbered> = []
  for (let at = text.indexOf(begin); at !== -1; at = text.indexOf(begin, at + Mark.length)) {
    all.push(Mark.parse(text, at))
  }
  return all
}

/** Messages of a stream that follow each other. */
interface Run {
  readonly stream: number
  readonly first: number
  last: number
}

const runsOf = (messages: ReadonlyArray<Numbered>): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const [stream, sequence] of messages) {
    const run = runs.find((run) => run.stream === stream && run.last === sequence - 1)
    if (run === undefined) runs.push({ stream, first: sequence, last: sequence })
    else run.last = sequence
  }
  return runs
}

/** A text that not all sessions have yet. */
interface Delivery {
  readonly messages: ReadonlyArray<Numbered>
  readonly runs: ReadonlyArray<Run>
  left: number
}

/** Sessions that have to get the same. */
class Group {
  readonly #size: number
  readonly #onDelivery: (stream: number, sequence: number) => void
  readonly #deliveries = new Map<string, Delivery>()

  constructor(size: number, onDelivery: (stream: number, sequence: number) => void) {
    this.#size = size
    this.#onDelivery = onDelivery
  }

  /** Gives what takes the texts of a session. */
  join(): (text: string) => void {
    const next: Array<number> = []
    return (text) => {
      const delivery = this.#delivery(text)
      for (const { first, last, stream } of delivery.runs) {
        const due = next[stream] ?? 0
        if (first !== due) throw new Error(`Stream ${stream}: message ${first} came where ${due} was due`)
        next[stream] = last + 1
      }
      if (--delivery.left === 0) this.#finish(text, delivery)
    }
  }

  #delivery(text: string): Delivery {
    const known = this.#deliveries.get(text)
    if (known !== undefined) return known
    const messages = marks("@@", text)
    const delivery = { messages, runs: runsOf(messages), left: this.#size }
    if (messages.length > 0) this.#deliveries.set(text, delivery)
    return delivery
  }

  #finish(text: string, { messages }: Delivery): void {
    this.#deliveries.delete(text)
    read.at = performance.now()
    for (const [stream, sequence] of messages) this.#onDelivery(stream, sequence)
  }
}

/** Opens a session that is connected. Texts are answers first, then whatever comes. */
const begin = async (open: Open) => {
  let receive: (text: string) => void = () => {}
  const send = open((text) => receive(text))
  const ask = (messages: ReadonlyArray<object>): Promise<string> => {
    const answer = new Promise<string>((resolve) => receive = resolve)
    send(messages)
    return answer
  }
  const clientId = Request.clientIdOf(await ask(JSON.parse(Request.handshake) as ReadonlyArray<object>))
  return {
    clientId,
    ask,
    send,
    /** What is done with texts from now on. */
    listen: (onText: (text: string) => void) => {
      receive = onText
      send([Request.connect(clientId, "websocket")])
    }
  }
}

const subscribe =
  (open: Open, sessions: number): Dialect["subscribe"] => async (_, { patterns }: Subscription, onDelivery) => {
    const group = new Group(sessions, onDelivery)
    await forAll(Array.from({ length: sessions }), async () => {
      const { ask, clientId, listen } = await begin(open)
      Request.expectReply(await ask([Request.subscribe(clientId, patterns)]), "/meta/subscribe")
      listen(group.join())
    })
  }

const publisher = (open: Open): Dialect["publisher"] => async (_, { streams }: Publication, onAnswer) => {
  const { clientId, listen, send } = await begin(open)
  listen((text) => {
    if (text.includes("\"successful\":false")) throw new Error(`The server refused a publish: ${text}`)
    for (const [stream, sequence] of marks("!!", text)) onAnswer(stream, sequence)
  })
  const channels = new Map(streams.map(({ channel, stream }) => [stream, channel]))
  let batch: Array<object> = []
  const flush = () => {
    const messages = batch
    batch = []
    send(messages)
  }
  return (stream, sequence) => {
    const channel = channels.get(stream)
    const message = {
      channel,
      data: Mark.numbered(Mark.data(stream), sequence),
      clientId,
      id: Mark.numbered(Mark.id(stream), sequence)
    }
    if (batch.push(message) === 1) setImmediate(flush)
  }
}

/** A subscription is that of so many sessions. */
export const dialect = (open: Open, sessions: number): Dialect => ({
  subscribe: subscribe(open, sessions),
  publisher: publisher(open),
  answers: "always"
})
