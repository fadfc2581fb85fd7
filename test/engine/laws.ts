/**
 * The laws of an engine: what a Bayeux service promises, whatever engine it runs on.
 *
 * The service is driven through its public surface by small peers, which stand where a transport would and keep what
 * they are sent. An engine may take its time over an order, so everything is waited for and nothing is taken to have
 * happened at once. The layer is built anew for each test; nobody else may use its store meanwhile.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Context, Effect, Layer, type Schema, type Scope, Stream } from "effect"
import * as fc from "fast-check"
import type { OptionsInvalid } from "../../src/base/Options.ts"
import type { ClientId } from "../../src/core/ClientId.ts"
import * as Message from "../../src/core/Message.ts"
import { isMove, type Lagged, type MonitorEvent } from "../../src/core/MonitorEvent.ts"
import { type Counts, Engine, type EngineError } from "../../src/engine/Engine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import { Connections } from "../../src/service/Connections.ts"
import type { Frame } from "../../src/service/Frame.ts"
import type { CloseReason, ConnectionInfo, OpenConnection, Sink } from "../../src/service/Transport.ts"
import { limit, runs } from "../support/seeds.ts"

/** Both sides of a service: what applications call, and what transports do. */
export type Service = Bayeux.Bayeux["Service"] & Connections["Service"]

/** Both sides of the service of a layer. */
export const wholeService: Effect.Effect<Service, never, Bayeux.Bayeux | Connections> = Effect.gen(function*() {
  return { ...yield* Connections, ...yield* Bayeux.Bayeux }
})

/** What a test may fail with where it does not expect it. */
export type Failure = Bayeux.RequestRefused | EngineError | OptionsInvalid

// ---------------------------------------------------------------------------------------------------------------------
// waiting

/** Lets everything happen that is ready to happen: the rest of this turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** How long anything may take that is expected to happen, in milliseconds. */
const patience = 60_000

/** Between two looks: a turn of the event loop at first, and a millisecond where another process may need the processor. */
const pause = (begin: number, tooLate: () => Error): Effect.Effect<void> =>
  Effect.suspend(() => {
    const waited = performance.now() - begin
    if (waited > patience) return Effect.die(tooLate())
    return waited < 20 ? turn : Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 1)))
  })

/** Looks again and again until there is something; it does not depend on the test's clock. */
export const eventually = <A, E = never, R = never>(
  what: string,
  look: Effect.Effect<A | undefined, E, R>
): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const begin = performance.now()
    for (;;) {
      const found = yield* look
      if (found !== undefined) return found
      yield* pause(begin, () => new Error(`Waited in vain for ${what}`))
    }
  })

/** The error of an effect that has to fail. */
export const failure = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E, never, R> =>
  Effect.flip(effect).pipe(Effect.catch((value) => Effect.die(new Error(`It succeeded with ${String(value)}`))))

/** Waits until something is so. */
export const until = (what: string, isSo: () => boolean): Effect.Effect<void> =>
  Effect.asVoid(eventually(what, Effect.sync(() => isSo() || undefined)))

// ---------------------------------------------------------------------------------------------------------------------
// peers

const connectionTypes = { socket: "websocket", exchange: "long-polling", stream: "eventsource" } as const

/** Offers a transport for each kind of connection; the peers of this file are their other ends. */
export const layerTransports: Layer.Layer<never, never, Connections> = Layer.effectDiscard(
  Connections.use(({ addTransport }) => addTransport({ connectionTypes: ["websocket", "long-polling", "eventsource"] }))
)

/** The other end of a connection: it keeps what it is sent. */
export class Peer {
  readonly frames: Array<Frame> = []
  readonly boundTo: Array<string> = []
  /** Why the service has closed the connection, if it has. */
  end: CloseReason | undefined
  readonly connection: OpenConnection
  #unwritten: ReadonlyArray<Frame> = []

  constructor(bayeux: Service, info: Partial<ConnectionInfo> & Pick<ConnectionInfo, "kind">, sink: Partial<Sink> = {}) {
    const connectionType = connectionTypes[info.kind]
    this.connection = bayeux.open({ connectionType, local: false, request: undefined, owner: undefined, ...info }, {
      send: (frame) => void this.frames.push(frame),
      close: (reason) => void (this.end ??= reason),
      bound: (clientId) => void this.boundTo.push(clientId),
      unwritten: () => this.#unwritten,
      ...sink
    })
  }

  /** Sends a batch. */
  send(...batch: ReadonlyArray<unknown>): this {
    this.connection.receive(batch)
    return this
  }

  /** The connection breaks; the last frames that were sent over it had not been written. */
  cut(unwritten = 0): void {
    this.#unwritten = this.frames.splice(this.frames.length - unwritten, unwritten)
    this.connection.closed()
  }

  get messages(): ReadonlyArray<Message.Outgoing> {
    return this.frames.flatMap((frame) => frame.messages)
  }

  get replies(): ReadonlyArray<Message.Reply> {
    return this.messages.filter(Message.isReply)
  }

  get deliveries(): ReadonlyArray<Message.Delivery> {
    return this.messages.filter(Message.isDelivery)
  }

  /** The data of the messages that were delivered over it. */
  get data(): ReadonlyArray<Schema.Json> {
    return this.deliveries.map(({ data }) => data)
  }
}

/** A connection by which messages come and go at any time. */
export const socket = (bayeux: Service, info: Partial<ConnectionInfo> = {}): Peer =>
  new Peer(bayeux, { kind: "socket", ...info })

/** Sends a batch by an exchange, which may be held. */
export const exchange = (bayeux: Service, ...batch: ReadonlyArray<unknown>): Peer =>
  new Peer(bayeux, { kind: "exchange" }).send(...batch)

/** Sends a batch by an exchange and gives its answer. */
export const answer = (
  bayeux: Service,
  ...batch: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Message.Outgoing>> =>
  Effect.suspend(() => {
    const peer = exchange(bayeux, ...batch)
    return Effect.map(until(`the answer to ${JSON.stringify(batch)}`, () => peer.frames.length > 0), () => {
      peer.connection.closed()
      return peer.messages
    })
  })

/** Sends a message by an exchange and gives its reply. */
export const ask = (bayeux: Service, message: unknown): Effect.Effect<Message.Reply> =>
  Effect.map(
    answer(bayeux, message),
    (messages) => messages.find(Message.isReply) ?? { successful: false, error: "no reply" }
  )

/** A handshake as clients send it. */
export const handshake = {
  channel: "/meta/handshake",
  version: "1.0",
  supportedConnectionTypes: ["websocket", "long-polling", "eventsource"]
}

/** A connect as clients send it. */
export const connect = (clientId: string, kind: ConnectionInfo["kind"], timeout?: number) => ({
  channel: "/meta/connect",
  clientId,
  connectionType: connectionTypes[kind],
  ...(timeout === undefined ? undefined : { advice: { timeout } })
})

/** A client with a session, over whatever connections it has had. */
export class Client {
  readonly bayeux: Service
  readonly clientId: string
  readonly peers: Array<Peer> = []

  constructor(bayeux: Service, clientId: string) {
    this.bayeux = bayeux
    this.clientId = clientId
  }

  /** Shakes hands. */
  static readonly make = (bayeux: Service): Effect.Effect<Client> =>
    Effect.map(ask(bayeux, handshake), (reply) => {
      assert.isTrue(reply.successful, reply.error)
      return new Client(bayeux, reply.clientId ?? "")
    })

  /** Shakes hands and subscribes. */
  static readonly subscribed = (bayeux: Service, ...patterns: ReadonlyArray<string>): Effect.Effect<Client> =>
    Effect.gen(function*() {
      const client = yield* Client.make(bayeux)
      yield* client.subscribe(...patterns)
      return client
    })

  #peer(peer: Peer): Peer {
    this.peers.push(peer)
    return peer
  }

  /** Connects over a socket of its own; the connect may be held. */
  socket(): Peer {
    return this.#peer(socket(this.bayeux)).send(connect(this.clientId, "socket"))
  }

  /** Connects by an exchange; it may be held. */
  poll(timeout?: number): Peer {
    return this.#peer(exchange(this.bayeux, connect(this.clientId, "exchange", timeout)))
  }

  /** Asks for its messages as a stream. */
  stream(): Peer {
    const peer = this.#peer(new Peer(this.bayeux, { kind: "stream" }))
    peer.connection.attach(this.clientId)
    return peer
  }

  #ask(message: object): Effect.Effect<Message.Reply> {
    return Effect.tap(
      ask(this.bayeux, { clientId: this.clientId, ...message }),
      (reply) => Effect.sync(() => assert.isTrue(reply.successful, `${JSON.stringify(message)}: ${reply.error}`))
    )
  }

  subscribe(...subscription: ReadonlyArray<string>): Effect.Effect<Message.Reply> {
    return this.#ask({ channel: "/meta/subscribe", subscription })
  }

  unsubscribe(...subscription: ReadonlyArray<string>): Effect.Effect<Message.Reply> {
    return this.#ask({ channel: "/meta/unsubscribe", subscription })
  }

  publish(channel: string, data: Schema.Json): Effect.Effect<Message.Reply> {
    return this.#ask({ channel, data })
  }

  disconnect(): Effect.Effect<Message.Reply> {
    return this.#ask({ channel: "/meta/disconnect" })
  }

  /** All that it was sent, over all of its connections. */
  get heard(): ReadonlyArray<Schema.Json> {
    return this.peers.flatMap((peer) => peer.data)
  }

  /** Waits until it has been sent something. */
  hears(data: Schema.Json): Effect.Effect<void> {
    return until(`${JSON.stringify(data)} after ${JSON.stringify(this.heard)}`, () => this.heard.includes(data))
  }

  /** Polls, as a client does, until it has been sent something. */
  pollsUntil(data: Schema.Json): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.heard.includes(data)) return Effect.void
      const poll = this.poll()
      const what = `${JSON.stringify(data)} by polling, after ${JSON.stringify(this.heard)}`
      const answered = Effect.tap(
        until(what, () => poll.frames.length > 0),
        () => Effect.sync(() => poll.replies.forEach(({ error, successful }) => assert.isTrue(successful, error)))
      )
      return Effect.andThen(answered, this.pollsUntil(data))
    })
  }
}

const readerKinds = ["socket", "exchange"] as const

/**
 * A client that acknowledges, as CometD's does. It knows the number of the last answer that it has read, and takes each
 * message that it reads for a new one. An answer that it does not read is lost.
 */
class Reader {
  readonly #client: Client
  readonly read: Array<Schema.Json> = []
  #number = 0

  constructor(client: Client) {
    this.#client = client
  }

  /** Shakes hands and subscribes to `/a`. */
  static readonly subscribed = (bayeux: Service): Effect.Effect<Reader> =>
    Effect.gen(function*() {
      const { clientId = "", ext, supportedConnectionTypes } = yield* ask(bayeux, { ...handshake, ext: { ack: true } })
      assert.deepStrictEqual(ext, { ack: true })
      assert.notInclude(supportedConnectionTypes ?? [], "eventsource")
      const client = new Client(bayeux, clientId)
      yield* client.subscribe("/a")
      return new Reader(client)
    })

  publish(data: Schema.Json): Effect.Effect<void> {
    return Effect.asVoid(this.#client.publish("/a", data))
  }

  disconnect(): Effect.Effect<void> {
    return Effect.asVoid(this.#client.disconnect())
  }

  /** Connects over a connection of its own. */
  connect(kind: (typeof readerKinds)[number], timeout?: number): Peer {
    const { bayeux, clientId } = this.#client
    return new Peer(bayeux, { kind }).send({ ...connect(clientId, kind, timeout), ext: { ack: this.#number } })
  }

  /** Waits for the answer to a connect, and reads it. */
  reads(peer: Peer): Effect.Effect<void> {
    return Effect.map(until(`an answer after ${JSON.stringify(this.read)}`, () => peer.frames.length > 0), () => {
      const [reply, ...others] = peer.replies
      assert.deepStrictEqual([reply?.channel, reply?.successful, others], ["/meta/connect", true, []], reply?.error)
      if (typeof reply?.ext?.ack === "number") this.#number = reply.ext.ack
      this.read.push(...peer.data)
    })
  }

  /** Connects, as a client does, until it has read something. */
  readsUntil(data: Schema.Json, kind: (typeof readerKinds)[number]): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.read.includes(data)
        ? Effect.void
        : Effect.andThen(this.reads(this.connect(kind)), this.readsUntil(data, kind))
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// events

/** Keeps all events from now on. */
export const record: Effect.Effect<
  ReadonlyArray<MonitorEvent | Lagged>,
  never,
  Monitor.Monitor | Scope.Scope
> = Effect.gen(function*() {
  const monitor = yield* Monitor.Monitor
  const stream = yield* monitor.subscribe({ strategy: "unbounded" })
  const events: Array<MonitorEvent | Lagged> = []
  yield* Effect.forkScoped(Stream.runForEach(stream, (event) => Effect.sync(() => void events.push(event))))
  return events
})

/** An event without its place in the stream. */
export type Told = { readonly _tag: string; readonly [field: string]: unknown }

/** Takes an event out of its place in the stream. */
export const plain = (event: MonitorEvent | Lagged): Told => {
  if (event._tag === "Lagged") return { ...event }
  const { at: _at, node: _node, sequence: _sequence, ...rest } = event
  return rest
}

/** The events of the service so far, without their places, when everything that has been done is told. */
export const toldIn = (
  bayeux: Service,
  events: ReadonlyArray<MonitorEvent | Lagged>
): Effect.Effect<ReadonlyArray<Told>> =>
  Effect.gen(function*() {
    const marker = `/marker/${events.length}`
    const isMarker = (event: MonitorEvent | Lagged) => event._tag === "Publish" && event.channel === marker
    yield* ask(bayeux, { channel: marker, data: null })
    yield* until("the event of a publish", () => events.some(isMarker))
    return events.filter((event) => !isMarker(event) && !isMove(event)).map(plain)
  })

// ---------------------------------------------------------------------------------------------------------------------
// properties

/** Runs an effect for arbitrary values, in this service; what fails is shrunk. */
export const forAll = <A, R>(
  arbitrary: fc.Arbitrary<A>,
  count: number,
  holds: (value: A) => Effect.Effect<void, Failure, R>
): Effect.Effect<void, never, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.promise(() =>
      fc.assert(fc.asyncProperty(arbitrary, (value) => Effect.runPromiseWith(context)(holds(value))), runs(count))
    )
  )

const patterns = ["/a", "/b", "/a/b", "/*", "/a/*", "/**", "/a/**", "/a/b/*", "/a/b/**"]
const channels = ["/a", "/b", "/a/b", "/a/b/c", "/a/c", "/c"]

/** Deliberately unlike `Channel.expand`. */
const isMatch = (pattern: string, channel: string): boolean =>
  new RegExp(`^${pattern.replace(/\*\*$/, ".+").replace(/\*$/, "[^/]+")}$`).test(channel)

const kinds = ["socket", "exchange", "stream"] as const
type Kind = (typeof kinds)[number]

/** Connects in the way of its transport; the connection is the session's when it is done. */
const attach = (client: Client, kind: Kind): Effect.Effect<Peer> => {
  if (kind === "exchange") return Effect.sync(() => client.poll())
  const peer = kind === "socket" ? client.socket() : client.stream()
  return Effect.as(until("the session's connection", () => peer.boundTo.length > 0), peer)
}

/** Waits until a client has been sent something, in the way of its transport. */
const hears = (client: Client, kind: Kind, data: Schema.Json): Effect.Effect<void> =>
  kind === "exchange" ? client.pollsUntil(data) : client.hears(data)

const numbersTo = (length: number): Array<number> => Array.from({ length }, (_, i) => i)

// ---------------------------------------------------------------------------------------------------------------------
// counting

const operation = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ do: "handshake" } as const) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("subscribe" as const, "unsubscribe" as const),
      who: fc.nat(3),
      patterns: fc.array(fc.constantFrom(...patterns, "/meta/*", "bad"), { minLength: 1, maxLength: 3 })
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("disconnect" as const, "kick" as const, "connect" as const, "publish" as const),
      who: fc.nat(3)
    })
  }
)
type Operation = typeof operation extends fc.Arbitrary<infer A> ? A : never

/** Sessions and their subscriptions, kept by hand. */
type PageModel = Array<{ readonly clientId: string; readonly patterns: Set<string> }>

const readable = ({ sessions, subscribers }: Counts): unknown => ({
  sessions,
  subscribers: Object.fromEntries([...subscribers].sort(([a], [b]) => a < b ? -1 : 1))
})

const countByHand = (model: PageModel): unknown => {
  const subscribers = new Map<string, number>()
  for (const { patterns } of model) {
    for (const pattern of patterns) subscribers.set(pattern, (subscribers.get(pattern) ?? 0) + 1)
  }
  return readable({ sessions: model.length, subscribers })
}

/** Does an operation, and to the ledger what it must come to. */
const perform = (bayeux: Service, model: PageModel, operation: Operation): Effect.Effect<void> =>
  Effect.gen(function*() {
    if (operation.do === "handshake") {
      const { clientId } = yield* Client.make(bayeux)
      model.push({ clientId, patterns: new Set() })
      return
    }
    const index = operation.who % Math.max(1, model.length)
    const session = model[index]
    const clientId = session?.clientId ?? "nobody"
    switch (operation.do) {
      case "publish":
        yield* ask(bayeux, { channel: "/a", data: 1, clientId })
        return
      case "connect":
        yield* ask(bayeux, connect(clientId, "exchange", 0))
        return
      case "kick":
        assert.strictEqual(yield* bayeux.disconnect(clientId, "test"), session !== undefined)
        model.splice(index, 1)
        return
      case "disconnect":
        yield* ask(bayeux, { channel: "/meta/disconnect", clientId })
        model.splice(index, 1)
        return
      case "subscribe":
      case "unsubscribe": {
        const subscription = operation.patterns
        const { successful } = yield* ask(bayeux, { channel: `/meta/${operation.do}`, clientId, subscription })
        const isGood = session !== undefined && subscription.every((pattern) => patterns.includes(pattern))
        assert.strictEqual(successful, isGood)
        const change = operation.do === "subscribe" ? "add" : "delete"
        if (isGood) subscription.forEach((pattern) => session.patterns[change](pattern))
        return
      }
    }
  })

const countsBecome = (expected: unknown): Effect.Effect<void, EngineError, Engine> =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const begin = performance.now()
    for (;;) {
      const counts = readable(yield* engine.counts)
      if (JSON.stringify(counts) === JSON.stringify(expected)) return
      yield* pause(begin, () => new Error(`There are ${JSON.stringify(counts)}, not ${JSON.stringify(expected)}`))
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// the laws

type Law = (
  bayeux: Service
) => Effect.Effect<void, Failure, Bayeux.Bayeux | Connections | Engine | Monitor.Monitor | Scope.Scope>

const isThere = (clientId: string): Effect.Effect<boolean, EngineError, Engine> =>
  Engine.use((engine) => engine.hasSession(clientId as ClientId))

const isGone = (clientId: string): Effect.Effect<true, EngineError, Engine> =>
  eventually(`the end of ${clientId}`, Effect.map(isThere(clientId), (there) => there ? undefined : true))

const handshakeAndDisconnect: Law = (bayeux) =>
  Effect.gen(function*() {
    const [one, other] = [yield* Client.make(bayeux), yield* Client.make(bayeux)]
    assert.match(one.clientId, /^[A-Za-z0-9]{22,}$/)
    assert.notStrictEqual(one.clientId, other.clientId)
    assert.isTrue(yield* isThere(one.clientId))
    const reply = yield* one.disconnect()
    assert.deepStrictEqual(reply, { channel: "/meta/disconnect", successful: true, clientId: one.clientId })
    assert.isFalse(yield* isThere(one.clientId))
    assert.isTrue(yield* isThere(other.clientId))
    const again = yield* ask(bayeux, connect(one.clientId, "exchange"))
    assert.strictEqual(again.error, `401:${one.clientId}:Unknown client`)
    assert.deepStrictEqual(again.advice, { reconnect: "handshake", interval: 1_000 })
  })

const disconnectFreesConnections: Law = (bayeux) =>
  Effect.gen(function*() {
    const [bySocket, byPoll] = [yield* Client.make(bayeux), yield* Client.make(bayeux)]
    const [open, poll] = [yield* attach(bySocket, "socket"), yield* attach(byPoll, "exchange")]
    yield* bySocket.disconnect()
    yield* byPoll.disconnect()
    yield* until("the end of the socket", () => open.end === "SessionEnded")
    yield* until("the answer to the connect", () => poll.frames.length === 1)
    assert.deepStrictEqual(poll.replies.map(({ advice, channel }) => [channel, advice?.reconnect]), [
      ["/meta/connect", "none"]
    ])
  })

const connectIsHeld: Law = (bayeux) =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, "/a")
    const poll = yield* attach(client, "exchange")
    yield* ask(bayeux, { channel: "/b", data: 1 })
    yield* ask(bayeux, connect((yield* Client.make(bayeux)).clientId, "exchange", 0))
    assert.strictEqual(poll.frames.length, 0)
    yield* ask(bayeux, { channel: "/a", data: 2 })
    yield* client.hears(2)
    assert.strictEqual(poll.frames.length, 1)
    assert.deepStrictEqual(poll.replies.map(({ channel, successful }) => [channel, successful]), [
      ["/meta/connect", true]
    ])
  })

const silentSessionEnds: Law = (bayeux) =>
  Effect.gen(function*() {
    const { clientId } = yield* Client.subscribed(bayeux, "/a", "/b")
    yield* isGone(clientId)
    yield* countsBecome({ sessions: 0, subscribers: {} })
    assert.strictEqual((yield* ask(bayeux, connect(clientId, "exchange"))).error, `401:${clientId}:Unknown client`)
  })

const connectedSessionLives: Law = (bayeux) =>
  Effect.gen(function*() {
    const [client, silent] = [yield* Client.make(bayeux), yield* Client.make(bayeux)]
    const poll = Effect.suspend(() => {
      const peer = client.poll()
      return until("the answer to a connect", () => peer.replies.some(({ successful }) => successful))
    })
    yield* Effect.raceFirst(Effect.forever(poll), isGone(silent.clientId))
    assert.isTrue(yield* isThere(client.clientId))
  })

const requestsAnsweredInOrder: Law = (bayeux) =>
  Effect.gen(function*() {
    const { clientId } = yield* Client.make(bayeux)
    const replies = yield* answer(
      bayeux,
      { channel: "/a", data: 1, id: "1" },
      { channel: "/meta/subscribe", clientId, subscription: "/a", id: "2" },
      { channel: "/meta/subscribe", clientId, subscription: "bad", id: "3" },
      { ...connect(clientId, "exchange"), id: "4" },
      { channel: "/meta/unsubscribe", clientId, subscription: "/a", id: "5" },
      { channel: "/meta/disconnect", clientId, id: "6" },
      { channel: "/a", data: 1, id: "7", clientId: "nobody" }
    )
    assert.deepStrictEqual(replies.filter(Message.isReply).map(({ id, successful }) => [id, successful]), [
      ["1", true],
      ["2", true],
      ["3", false],
      ["4", true],
      ["5", true],
      ["6", true],
      ["7", false]
    ])
  })

const handshakeIsAlone: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    const replies = yield* answer(bayeux, { channel: "/a", data: 1 }, handshake, { channel: "/a", data: 2 }, handshake)
    assert.deepStrictEqual(replies.map(({ channel }) => channel), ["/meta/handshake"])
    assert.deepStrictEqual((yield* toldIn(bayeux, events)).map(({ _tag }) => _tag), ["Handshake"])
  })

const subscriptionIsAllOrNothing: Law = (bayeux) =>
  Effect.gen(function*() {
    const { clientId } = yield* Client.make(bayeux)
    const subscribe = (subscription: ReadonlyArray<string>) =>
      ask(bayeux, { channel: "/meta/subscribe", clientId, subscription })
    const refused = yield* subscribe(["/a", "/meta/x", "/b"])
    assert.strictEqual(refused.error, "403:/meta/x:Forbidden channel")
    yield* countsBecome({ sessions: 1, subscribers: {} })
    const granted = yield* subscribe(["/a", "/b"])
    assert.deepStrictEqual(granted.subscription, ["/a", "/b"])
    yield* countsBecome({ sessions: 1, subscribers: { "/a": 1, "/b": 1 } })
  })

const strangersAreRefused: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    const listener = yield* Client.subscribed(bayeux, "/a")
    yield* attach(listener, "socket")
    const gone = yield* Client.make(bayeux)
    yield* gone.disconnect()
    for (const clientId of ["guess", "constructor", gone.clientId]) {
      const reply = yield* ask(bayeux, { channel: "/a", data: "forged", clientId })
      const error = `401:${clientId}:Unknown client`
      assert.deepStrictEqual(reply, {
        channel: "/a",
        successful: false,
        error,
        advice: { reconnect: "handshake", interval: 1_000 }
      })
    }
    yield* ask(bayeux, { channel: "/a", data: "honest" })
    yield* listener.hears("honest")
    assert.deepStrictEqual(listener.heard, ["honest"])
    const published = (yield* toldIn(bayeux, events)).filter(({ _tag }) => _tag === "Publish")
    assert.deepStrictEqual(published, [{ _tag: "Publish", clientId: null, channel: "/a", data: "honest" }])
  })

const messageIsBuiltAnew: Law = (bayeux) =>
  Effect.gen(function*() {
    const clients = yield* Effect.forEach(kinds, (kind) =>
      Effect.tap(Client.subscribed(bayeux, "/a"), (client) => attach(client, kind)))
    const { clientId } = yield* Client.make(bayeux)
    const data = JSON.parse(`{"__proto__": {"x": 1}, "list": [1, null, "ü€😀"]}`)
    yield* ask(bayeux, { channel: "/a", data, id: "7", clientId, ext: { secret: 1 }, advice: {}, successful: true })
    for (const { peers } of clients) {
      yield* until("a message", () =>
        peers.some((peer) => peer.deliveries.length > 0))
      const deliveries: unknown = peers.flatMap((peer) => peer.deliveries)
      assert.deepStrictEqual(deliveries, [{ channel: "/a", data, id: "7" }])
    }
  })

/** Faye's clients are known by a connection type that only they name; they use an id for one message. */
const fayes = { ...handshake, supportedConnectionTypes: [...handshake.supportedConnectionTypes, "in-process"] }

const repeatedIsPublishedOnce: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    const subscriber = yield* Client.subscribed(bayeux, "/a")
    yield* attach(subscriber, "socket")
    const publish = (clientId: string | undefined, id: string, data: number) =>
      Effect.tap(
        ask(bayeux, { channel: "/a", data, id, clientId }),
        (reply) => Effect.sync(() => assert.deepStrictEqual([reply.successful, reply.id], [true, id]))
      )
    const { clientId: faye } = yield* ask(bayeux, fayes)
    for (const id of ["a", "b", "c", "a", "c", "b", "d"]) yield* publish(faye, id, Number.parseInt(id, 36))
    yield* publish(faye, "a", 99)
    const { clientId: other } = yield* ask(bayeux, handshake)
    for (const clientId of [other, other, undefined, undefined]) yield* publish(clientId, "a", 1)
    yield* ask(bayeux, { channel: "/a", data: 0 })
    yield* subscriber.hears(0)
    assert.deepStrictEqual(subscriber.heard, [10, 11, 12, 13, 99, 1, 1, 1, 1, 0])
    const told = (yield* toldIn(bayeux, events)).filter(({ _tag }) => _tag === "Publish").map(({ data }) => data)
    assert.deepStrictEqual(told, [10, 11, 12, 13, 99, 1, 1, 1, 1, 0])
  })

const onlySubscribersHear: Law = (bayeux) =>
  Effect.gen(function*() {
    const [publisher, other] = [yield* Client.subscribed(bayeux, "/a"), yield* Client.subscribed(bayeux, "/b")]
    yield* attach(publisher, "socket")
    yield* attach(other, "socket")
    yield* publisher.publish("/a", 1)
    yield* publisher.publish("/b", 2)
    yield* publisher.hears(1)
    yield* other.hears(2)
    assert.deepStrictEqual([publisher.heard, other.heard], [[1], [2]])
  })

const unsubscribedIsSilent: Law = (bayeux) =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, "/a", "/b", "/b/**")
    yield* attach(client, "socket")
    yield* client.publish("/a", 1)
    yield* client.hears(1)
    const { subscription } = yield* client.unsubscribe("/a", "/b")
    assert.deepStrictEqual(subscription, ["/a", "/b"])
    yield* client.publish("/a", 2)
    yield* client.publish("/b/c", 3)
    yield* client.hears(3)
    assert.deepStrictEqual(client.heard, [1, 3])
  })

/** The data of the first messages of a local subscription, which is in place when this is done. */
const listen = (bayeux: Service, pattern: string, channel: string, count: number) =>
  Effect.gen(function*() {
    const data = bayeux.subscribe(pattern).pipe(Stream.take(count), Stream.map(({ data }) => data), Stream.runCollect)
    const fiber = yield* Effect.forkScoped(data, { startImmediately: true })
    yield* eventually("the application", Effect.map(bayeux.subscribers(channel), ([first]) => first))
    return { data: Effect.flatten(eventually("the messages", Effect.sync(() => fiber.pollUnsafe()))) }
  })

const serviceChannelsArePrivate: Law = (bayeux) =>
  Effect.gen(function*() {
    const remote = yield* Client.subscribed(bayeux, "/**", "/*")
    yield* attach(remote, "socket")
    const heard = yield* listen(bayeux, "/service/**", "/service/x", 1)
    yield* ask(bayeux, { channel: "/service/x", data: "for the application" })
    assert.deepStrictEqual(yield* heard.data, ["for the application"])
    yield* ask(bayeux, { channel: "/x", data: "for all" })
    yield* remote.hears("for all")
    assert.deepStrictEqual(remote.heard, ["for all"])
  })

const applicationTakesPart: Law = (bayeux) =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, "/to/client")
    yield* attach(client, "socket")
    const heard = yield* listen(bayeux, "/to/*", "/to/application", 40)
    const numbers = numbersTo(20)
    for (const n of numbers) yield* bayeux.publish("/to/client", n)
    for (const n of numbers) yield* client.publish("/to/application", n + 20)
    yield* client.hears(19)
    assert.deepStrictEqual(client.heard, numbers)
    const all = yield* heard.data
    assert.deepStrictEqual(all.filter((n) => Number(n) < 20), numbers)
    assert.deepStrictEqual(all.filter((n) => Number(n) >= 20), numbers.map((n) => n + 20))
  })

const subscriptionAndMessage = fc.record({
  subscribed: fc.uniqueArray(fc.constantFrom(...patterns), { minLength: 1 }),
  channel: fc.constantFrom(...channels),
  kind: fc.constantFrom(...kinds)
})

const overlapsAreDeliveredOnce: Law = (bayeux) =>
  forAll(subscriptionAndMessage, 60, ({ channel, kind, subscribed }) =>
    Effect.gen(function*() {
      const client = yield* Client.subscribed(bayeux, ...subscribed, "/last")
      yield* attach(client, kind)
      yield* ask(bayeux, { channel, data: 1 })
      yield* ask(bayeux, { channel: "/last", data: "last" })
      yield* hears(client, kind, "last")
      const times = subscribed.some((pattern) => isMatch(pattern, channel)) ? 1 : 0
      assert.deepStrictEqual(client.heard.filter((data) => data === 1).length, times)
      yield* client.disconnect()
    }))

const orderIsKept: Law = (bayeux) =>
  Effect.gen(function*() {
    const listeners = yield* Effect.forEach(kinds, (kind) =>
      Effect.tap(Client.subscribed(bayeux, "/a/*"), (client) => attach(client, kind)))
    const publishers = [yield* Client.make(bayeux), yield* Client.make(bayeux)]
    const sockets = yield* Effect.forEach(publishers, (publisher) =>
      attach(publisher, "socket"))
    const numbers = numbersTo(200)
    const channels = ["/a/x", "/a/y"]
    for (const n of numbers) {
      sockets.forEach((socket, i) => {
        const clientId = publishers[i]?.clientId
        socket.send(...channels.map((channel) => ({ channel, data: `${i}${channel} ${n}`, clientId })))
      })
      if (n % 7 === 0) yield* turn
    }
    for (const series of [0, 1].flatMap((i) => channels.map((channel) => `${i}${channel} `))) {
      for (const [i, listener] of listeners.entries()) {
        yield* hears(listener, kinds[i] ?? "socket", `${series}199`)
        const own = listener.heard.filter((data) => typeof data === "string" && data.startsWith(series))
        assert.deepStrictEqual(own, numbers.map((n) => `${series}${n}`))
      }
    }
  })

const queueSurvives: Law = (bayeux) =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, "/a")
    let last = -1
    const publish = Effect.suspend(() => client.publish("/a", ++last))
    for (const kind of [...kinds, ...kinds]) {
      yield* publish
      yield* publish
      const peer = yield* attach(client, kind)
      yield* publish
      yield* hears(client, kind, last)
      peer.cut()
    }
    assert.deepStrictEqual(client.heard, numbersTo(last + 1))
  })

const queueFollowsItsSession: Law = (bayeux) =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, "/a")
    const held = yield* attach(client, "exchange")
    const open = yield* attach(client, "socket")
    yield* until("the answer to the connect that was held", () => held.frames.length === 1)
    held.cut()
    yield* client.publish("/a", 1)
    yield* client.hears(1)
    assert.deepStrictEqual(open.data, [1])
    assert.deepStrictEqual(held.data, [], "the old connection gets nothing that it could lose")
    const stream = yield* attach(client, "stream")
    open.cut()
    yield* client.publish("/a", 2)
    yield* client.hears(2)
    assert.deepStrictEqual(stream.data, [2], "closing the old connection does not touch the new one")
  })

const unwrittenComesBack: Law = (bayeux) =>
  Effect.gen(function*() {
    for (const kind of kinds) {
      const client = yield* Client.subscribed(bayeux, "/a")
      const broken = yield* attach(client, kind)
      yield* client.publish("/a", 1)
      yield* until("a frame", () => broken.data.length > 0)
      yield* client.publish("/a", 2)
      if (kind !== "exchange") yield* client.hears(2)
      broken.cut(kind === "exchange" ? 1 : 2)
      assert.deepStrictEqual(client.heard, [])
      yield* client.pollsUntil(2)
      assert.deepStrictEqual(client.heard, [1, 2], `after a broken ${kind}`)
      yield* client.disconnect()
    }
  })

const inDoubtComesBackInOrder: Law = (bayeux) =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, "/a")
    const polls: Array<Peer> = []
    for (const data of [1, 2, 3]) {
      const poll = yield* attach(client, "exchange")
      yield* client.publish("/a", data)
      yield* until("the answer to a poll", () => poll.frames.length > 0)
      polls.push(poll)
    }
    yield* client.publish("/a", 4)
    for (const poll of polls.reverse()) poll.cut(1)
    yield* client.pollsUntil(4)
    assert.deepStrictEqual(client.heard, [1, 2, 3, 4])
  })

const unsentStays: Law = (bayeux) =>
  Effect.gen(function*() {
    const client = yield* Client.subscribed(bayeux, "/a")
    yield* client.publish("/a", 1)
    exchange(bayeux, { channel: "/b", data: 0 }, connect(client.clientId, "exchange")).cut()
    exchange(bayeux, connect(client.clientId, "exchange")).cut()
    socket(bayeux).send({ channel: "/b", data: 0 }, connect(client.clientId, "socket")).cut()
    yield* client.publish("/a", 2)
    yield* client.pollsUntil(2)
    assert.deepStrictEqual(client.heard, [1, 2])
  })

const cuts = fc.array(fc.record({ publish: fc.nat(3), unwritten: fc.nat(2), by: fc.constantFrom(...kinds) }), {
  minLength: 1,
  maxLength: 8
})

const nothingIsLostInCuts: Law = (bayeux) =>
  forAll(cuts, 60, (cuts) =>
    Effect.gen(function*() {
      const client = yield* Client.subscribed(bayeux, "/a")
      let last = -1
      for (const { by, publish, unwritten } of cuts) {
        const peer = yield* attach(client, by)
        for (let i = 0; i < publish; i++) yield* client.publish("/a", ++last)
        peer.cut(Math.min(unwritten, peer.frames.length))
      }
      yield* client.publish("/a", ++last)
      yield* client.pollsUntil(last)
      assert.deepStrictEqual(client.heard, numbersTo(last + 1))
      yield* client.disconnect()
    }))

const answersCarryMessages: Law = (bayeux) =>
  Effect.gen(function*() {
    for (const kind of readerKinds) {
      const reader = yield* Reader.subscribed(bayeux)
      const held = reader.connect(kind)
      yield* reader.publish(1)
      yield* reader.reads(held)
      yield* reader.publish(2)
      assert.deepStrictEqual(held.data, [1], `nothing comes over a ${kind} without a connect`)
      yield* reader.readsUntil(2, kind)
      const next = reader.connect(kind)
      yield* reader.publish(3)
      yield* reader.reads(next)
      assert.deepStrictEqual(reader.read, [1, 2, 3])
      yield* reader.disconnect()
    }
  })

const unacknowledgedComesAgain: Law = (bayeux) =>
  Effect.gen(function*() {
    const reader = yield* Reader.subscribed(bayeux)
    yield* reader.publish(1)
    for (const kind of [...readerKinds, ...readerKinds]) {
      const lost = reader.connect(kind)
      yield* until("the answer", () => lost.frames.length > 0)
      assert.deepStrictEqual(lost.data, [1])
    }
    yield* reader.readsUntil(1, "exchange")
    yield* reader.publish(2)
    yield* reader.readsUntil(2, "socket")
    assert.deepStrictEqual(reader.read, [1, 2])
  })

const answers = fc.array(
  fc.record({
    publish: fc.nat(3),
    kind: fc.constantFrom(...readerKinds),
    isHeld: fc.boolean(),
    fate: fc.constantFrom("read" as const, "unread" as const, "unwritten" as const)
  }),
  { minLength: 1, maxLength: 8 }
)

/** An answer may be lost without the service being told (`unread`), or with. */
const acknowledgedComesOnce: Law = (bayeux) =>
  forAll(answers, 30, (answers) =>
    Effect.gen(function*() {
      const reader = yield* Reader.subscribed(bayeux)
      let last = -1
      for (const { fate, isHeld, kind, publish } of answers) {
        const peer = reader.connect(kind, isHeld && publish > 0 ? undefined : 0)
        for (let i = 0; i < publish; i++) yield* reader.publish(++last)
        if (fate === "read") yield* reader.reads(peer)
        else yield* until("an answer", () => peer.frames.length > 0)
        peer.cut(fate === "unwritten" ? 1 : 0)
      }
      yield* reader.publish(++last)
      yield* reader.readsUntil(last, "exchange")
      assert.deepStrictEqual(reader.read, numbersTo(last + 1))
      yield* reader.disconnect()
    }))

const countsFollow: Law = (bayeux) =>
  Effect.gen(function*() {
    yield* countsBecome({ sessions: 0, subscribers: {} })
    const [one, other] = [yield* Client.make(bayeux), yield* Client.make(bayeux)]
    yield* one.subscribe("/a", "/b/*", "/a")
    yield* one.subscribe("/a")
    yield* other.subscribe("/a")
    yield* countsBecome({ sessions: 2, subscribers: { "/a": 2, "/b/*": 1 } })
    yield* one.unsubscribe("/b/*", "/never")
    yield* one.unsubscribe("/b/*")
    yield* countsBecome({ sessions: 2, subscribers: { "/a": 2 } })
    yield* one.disconnect()
    yield* countsBecome({ sessions: 1, subscribers: { "/a": 1 } })
    yield* Effect.scoped(Effect.gen(function*() {
      yield* Effect.asVoid(listen(bayeux, "/service/*", "/service/x", 1))
      yield* countsBecome({ sessions: 2, subscribers: { "/a": 1, "/service/*": 1 } })
    }))
    yield* countsBecome({ sessions: 1, subscribers: { "/a": 1 } })
    assert.isTrue(yield* bayeux.disconnect(other.clientId, "enough"))
    yield* countsBecome({ sessions: 0, subscribers: {} })
  })

/** The ledger as one who has only the events would keep it. */
const modelOf = (events: ReadonlyArray<MonitorEvent | Lagged>): PageModel => {
  const sessions = new Map<string, Set<string>>()
  for (const event of events) {
    assert(event._tag !== "Lagged")
    if (event._tag === "Publish" || isMove(event)) continue
    const { clientId } = event
    const own = sessions.get(clientId)
    if (event._tag === "Handshake") {
      assert.isUndefined(own, "a session begins once")
      sessions.set(clientId, new Set())
    } else if (event._tag === "Subscribe") {
      assert.isFalse(own?.has(event.channel), "a subscription that exists is not told again")
      own?.add(event.channel)
    } else if (event._tag === "Unsubscribe") {
      assert.isTrue(own?.delete(event.channel), "each Unsubscribe has its Subscribe")
    } else {
      assert.strictEqual(own?.size, 0, "the Unsubscribes come before the Disconnect, which comes once")
      sessions.delete(clientId)
    }
  }
  return [...sessions].map(([clientId, patterns]) => ({ clientId, patterns }))
}

const countsAreExact: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    yield* forAll(fc.array(operation, { maxLength: 30 }), 100, (operations) =>
      Effect.gen(function*() {
        const model: PageModel = []
        for (const operation of operations) {
          yield* perform(bayeux, model, operation)
          yield* countsBecome(countByHand(model))
        }
        yield* toldIn(bayeux, events)
        assert.sameDeepMembers(modelOf(events), model)
        for (const { clientId } of model) yield* bayeux.disconnect(clientId, "the end of the test")
        yield* countsBecome({ sessions: 0, subscribers: {} })
      }))
  })

const requestedEvents: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    const client = yield* Client.make(bayeux)
    const { clientId } = client
    yield* client.subscribe("/a")
    yield* client.subscribe("/a", "/b/*")
    yield* client.unsubscribe("/a", "/never")
    yield* client.publish("/b/c", { x: [1] })
    yield* client.publish("/service/x", "private")
    yield* ask(bayeux, { channel: "/nobody/listens", data: null })
    yield* ask(bayeux, connect(clientId, "exchange", 0))
    yield* client.disconnect()
    const cause = { _tag: "ClientRequest" }
    assert.deepStrictEqual(yield* toldIn(bayeux, events), [
      { _tag: "Handshake", clientId },
      { _tag: "Subscribe", clientId, channel: "/a" },
      { _tag: "Subscribe", clientId, channel: "/b/*" },
      { _tag: "Unsubscribe", clientId, channel: "/a", cause, withSession: false },
      { _tag: "Publish", clientId, channel: "/b/c", data: { x: [1] } },
      { _tag: "Publish", clientId, channel: "/service/x", data: "private" },
      { _tag: "Publish", clientId: null, channel: "/nobody/listens", data: null },
      { _tag: "Unsubscribe", clientId, channel: "/b/*", cause, withSession: true },
      { _tag: "Disconnect", clientId, cause }
    ])
    assert.deepStrictEqual(events.map((event) => event._tag === "Lagged" ? event : event.sequence), [
      ...numbersTo(events.length).map((n) => n + 1)
    ])
  })

const nothingHappensForTheRefused: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    const { clientId } = yield* Client.make(bayeux)
    const refused = [
      { ...handshake, version: "0.9" },
      { ...handshake, supportedConnectionTypes: ["smoke signals"] },
      { channel: "/meta/subscribe", clientId, subscription: ["/a", "/meta/*"] },
      { channel: "/meta/subscribe", clientId: "nobody", subscription: "/a" },
      { channel: "/meta/unsubscribe", clientId: "nobody", subscription: "/a" },
      { channel: "/meta/disconnect", clientId: "nobody" },
      { channel: "/a/*", data: 1, clientId },
      { channel: "/meta/other", data: 1, clientId },
      { channel: "/a", clientId },
      null
    ]
    for (const message of refused) assert.isFalse((yield* ask(bayeux, message)).successful, JSON.stringify(message))
    assert.deepStrictEqual(yield* toldIn(bayeux, events), [{ _tag: "Handshake", clientId }])
  })

/** The events of a session that was ended by the server: each of its subscriptions, then itself, with the cause. */
const checkEnd = (
  told: ReadonlyArray<Told>,
  clientId: string,
  patterns: ReadonlyArray<string>,
  cause: unknown
): void => {
  const ends = told.filter((event) => event["clientId"] === clientId && "cause" in event)
  assert.deepStrictEqual(ends.at(-1), { _tag: "Disconnect", clientId, cause })
  assert.sameDeepMembers(
    ends.slice(0, -1),
    patterns.map((channel) => ({ _tag: "Unsubscribe", clientId, channel, cause, withSession: true }))
  )
}

const timeoutEvents: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    const { clientId } = yield* Client.subscribed(bayeux, "/a", "/b/**")
    const end = yield* eventually("its end", Effect.sync(() => events.find(({ _tag }) => _tag === "Disconnect")))
    const begin = events[0]
    if (end._tag !== "Disconnect" || end.cause._tag !== "Timeout" || begin?._tag !== "Handshake") {
      return assert.fail(`unexpected events: ${JSON.stringify(events)}`)
    }
    assert.isAtLeast(end.at - end.cause.lastSeen, 300)
    assert.isAtLeast(end.cause.lastSeen, begin.at)
    checkEnd(yield* toldIn(bayeux, events), clientId, ["/a", "/b/**"], end.cause)
  })

const kickEvents: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    const { clientId } = yield* Client.subscribed(bayeux, "/a")
    assert.isTrue(yield* bayeux.disconnect(clientId, "spam"))
    yield* isGone(clientId)
    checkEnd(yield* toldIn(bayeux, events), clientId, ["/a"], { _tag: "Kicked", reason: "spam" })
    const { advice, error } = yield* ask(bayeux, connect(clientId, "exchange", 0))
    assert.deepStrictEqual([error, advice], [`403:${clientId}:spam`, { reconnect: "none" }])
    assert.isFalse(yield* bayeux.disconnect(clientId, "again"))
  })

const overflowEvents: Law = (bayeux) =>
  Effect.gen(function*() {
    const events = yield* record
    const { clientId } = yield* Client.subscribed(bayeux, "/a")
    yield* ask(bayeux, { channel: "/a", data: 1 })
    yield* ask(bayeux, { channel: "/a", data: 2 })
    assert.isTrue(yield* isThere(clientId))
    yield* ask(bayeux, { channel: "/a", data: 3 })
    yield* isGone(clientId)
    const told = yield* toldIn(bayeux, events)
    checkEnd(told, clientId, ["/a"], { _tag: "QueueOverflow" })
    assert.strictEqual(told.filter(({ _tag }) => _tag === "Publish").length, 3)
  })

/** A service with these options, its engine and its monitor; or several that are to be taken for one. */
export type MakeService = (
  options: Bayeux.BayeuxOptions
) => Layer.Layer<Bayeux.Bayeux | Connections | Engine | Monitor.Monitor, EngineError | OptionsInvalid>

/** Puts an engine to the test. */
export const engineLaws = (name: string, layer: Layer.Layer<Engine, EngineError>): void =>
  serviceLaws(
    name,
    (options) => Bayeux.layer(options).pipe(Layer.provideMerge(Layer.mergeAll(Layer.fresh(layer), Monitor.layer())))
  )

/** Puts a service to the same test, however it is made up. */
export const serviceLaws = (name: string, makeService: MakeService): void => {
  const law = (sentence: string, law: Law, options: Bayeux.BayeuxOptions = {}): void =>
    it.live(sentence, () => {
      const service = Layer.provideMerge(layerTransports, makeService(options))
      return Effect.provide(Effect.flatMap(wholeService, law), service)
    }, limit(120_000))

  describe(`${name}: a session`, () => {
    law("begins with a handshake, under a fresh name, and ends with a disconnect", handshakeAndDisconnect)
    law("that disconnects has its socket closed and its held connect answered", disconnectFreesConnections)
    law("has its connect held until there is something to deliver", connectIsHeld)
    law("that stays away ends by itself", silentSessionEnds, { timeout: 100, sessionTimeout: 300 })
    law("lives on while it connects", connectedSessionLives, { timeout: 40, sessionTimeout: 600 })
  })

  describe(`${name}: requests`, () => {
    law("are answered in their order, each once", requestsAnsweredInOrder)
    law("that come with a handshake are ignored", handshakeIsAlone)
    law("for several subscriptions are granted as a whole or not at all", subscriptionIsAllOrNothing)
    law("under a name that is not known, or no longer, are refused and tell nobody anything", strangersAreRefused)
  })

  describe(`${name}: a message`, () => {
    law("reaches subscribers by every kind of connection, built anew from channel, data and id", messageIsBuiltAnew)
    law("reaches its publisher, if it has subscribed, and nobody who has not", onlySubscribersHear)
    law("that Faye's client sends again, with its id, is published once", repeatedIsPublishedOnce)
    law("does not reach those who have unsubscribed", unsubscribedIsSilent)
    law("on a service channel reaches the application and nobody else", serviceChannelsArePrivate)
    law("goes from the application to clients and from clients to the application", applicationTakesPart)
    law("is delivered exactly once, however many patterns match", overlapsAreDeliveredOnce)
    law("follows those that its publisher sent on its channel before, whoever else publishes", orderIsKept)
  })

  describe(`${name}: what waits for a session`, () => {
    law("survives the end of its connection and every change of transport", queueSurvives)
    law("leaves by the session's newest connection", queueFollowsItsSession)
    law("is joined, at its front, by frames that could not be written", unwrittenComesBack)
    law("is joined by answers that nobody has seen, the last one first", inDoubtComesBackInOrder)
    law("stays when a connection ends before its connect is answered", unsentStays)
    law("comes exactly once and in order, wherever connections are cut", nothingIsLostInCuts)
  })

  describe(`${name}: a session that acknowledges`, () => {
    law("gets its messages with the answers to its connects and in no other way", answersCarryMessages)
    law("gets them again until it says that it has them", unacknowledgedComesAgain)
    law("gets them exactly once and in order, whichever answers are lost", acknowledgedComesOnce)
  })

  describe(`${name}: the counts`, () => {
    law("follow sessions and subscriptions", countsFollow)
    law("are those of a naive count, and of the events, after any sequence of requests", countsAreExact)
  })

  describe(`${name}: the events`, () => {
    law("tell what was done on request, each once, in order and without gaps", requestedEvents)
    law("tell nothing of what was refused", nothingHappensForTheRefused)
    law("tell of a silent session's end without any message", timeoutEvents, { timeout: 100, sessionTimeout: 300 })
    law("tell why the application ended a session", kickEvents)
    law("tell of a session whose queue overflowed", overflowEvents, { maxQueueLength: 2 })
  })
}
