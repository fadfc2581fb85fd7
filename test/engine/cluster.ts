/**
 * Three services, each with an engine of its own on one store, that look like one: each call goes to a random one, as
 * with a load balancer that knows nothing of sessions.
 */
import { Context, Effect, Layer, Option, Stream } from "effect"
import type { OptionsInvalid } from "../../src/base/Options.ts"
import * as Channel from "../../src/core/Channel.ts"
import * as Message from "../../src/core/Message.ts"
import { Engine, type EngineError } from "../../src/engine/Engine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import { Connections } from "../../src/service/Connections.ts"
import type { Frame } from "../../src/service/Frame.ts"
import type { Open, OpenConnection } from "../../src/service/Transport.ts"
import { seeds } from "../support/seeds.ts"
import { random } from "../transport/support.ts"
import { type Service, wholeService } from "./laws.ts"

/**
 * What is done to connections, in the order in which it was done. A session that connects here after it was connected
 * there takes some time to come, and a process that finds a connection broken takes some to tell the others; a test that
 * does one after the other means that. So after a connect and after a cut all services have done with each other before
 * anything else happens, and the answer to a publish comes when the message has arrived everywhere.
 */
class Sequence {
  readonly #steps: Array<() => Promise<unknown> | void> = []
  readonly #settle: () => Promise<unknown>
  #isRunning = false

  constructor(settle: () => Promise<unknown>) {
    this.#settle = settle
  }

  /** Does something when everything before is done. */
  add(step: () => void): void {
    this.#steps.push(step)
    if (!this.#isRunning) void this.#run()
  }

  /** What was done so far takes effect before anything else is done. */
  settle(): void {
    this.#steps.push(this.#settle)
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) {
      const done = step()
      if (done !== undefined) await done
    }
    this.#isRunning = false
  }
}

const isConnect = (message: unknown): boolean => Message.isRaw(message) && message["channel"] === Channel.connect

const isAnswer = (message: Message.Outgoing): boolean => Message.isReply(message) && !isConnect(message)

const route = (services: ReadonlyArray<Service>, settle: () => Promise<unknown>): Service => {
  const lot = random(seeds(1)[0] ?? 1)
  const pick = (): Service => services[lot.below(services.length)] ?? (services[0] as Service)
  const each = <A, E, R>(f: (service: Service) => Effect.Effect<A, E, R>) =>
    Effect.forEach(services, f, { discard: true })
  const all = <A, E, R>(f: (service: Service) => Effect.Effect<ReadonlyArray<A>, E, R>) =>
    Effect.map(Effect.forEach(services, f), (found) => found.flat())
  const sequence = new Sequence(settle)
  const open: Open = (info, sink) => {
    let connection: OpenConnection | undefined
    let waiting = 0
    let cut: ((connection: OpenConnection) => void) | undefined
    const send = (frame: Frame) => {
      if (info.kind === "exchange" && frame.messages.every(isAnswer)) void settle().then(() => sink.send(frame))
      else sink.send(frame)
    }
    const inTurn = (act: (connection: OpenConnection) => void, isConnect: boolean) => {
      waiting += 1
      sequence.add(() => {
        connection ??= pick().open(info, { ...sink, send })
        act(connection)
        waiting -= 1
        if (waiting === 0) cut?.(connection)
      })
      if (isConnect) sequence.settle()
    }
    // A connection breaks when it breaks, but not before what was sent over it has arrived.
    const breakBy = (act: (connection: OpenConnection) => void) => {
      cut = act
      if (waiting === 0 && connection !== undefined) act(connection)
      sequence.settle()
    }
    return {
      receive: (messages) => inTurn((connection) => connection.receive(messages), messages.some(isConnect)),
      heard: () => connection?.heard(),
      attach: (clientId) => inTurn((connection) => connection.attach(clientId), true),
      closed: () => breakBy((connection) => connection.closed()),
      end: () => breakBy((connection) => connection.end())
    }
  }
  return {
    open,
    publish: (channel, data) => Effect.suspend(() => pick().publish(channel, data)),
    subscribe: (pattern, options) => Stream.suspend(() => pick().subscribe(pattern, options)),
    subscription: (pattern, options) => Effect.suspend(() => pick().subscription(pattern, options)),
    sessions: all(({ sessions }) => sessions),
    subscribers: (channel) => all(({ subscribers }) => subscribers(channel)),
    disconnect: (clientId, reason) => Effect.suspend(() => pick().disconnect(clientId, reason)),
    addExtension: (extension) => each(({ addExtension }) => addExtension(extension)),
    removeExtension: (extension) => each(({ removeExtension }) => removeExtension(extension)),
    health: services[0]?.health ?? Effect.die("there are no services"),
    session: (clientId) => Effect.map(Effect.forEach(services, ({ session }) => session(clientId)), Option.firstSomeOf),
    counts: services[0]?.counts ?? Effect.die("there are no services"),
    gauges: () => pick().gauges(),
    addProbe: (probe) => each(({ addProbe }) => addProbe(probe)),
    addTransport: (transport) => each(({ addTransport }) => addTransport(transport)),
    transports: () => pick().transports(),
    end: (owner) => each(({ end }) => end(owner))
  }
}

/** A connect asks for the session, its owner gives it, and it is there: each has been read by all when the next is told. */
const rounds = 3

/** Three services that look like one, with one monitor; each gets an engine of its own. */
export const layer = (
  engine: Layer.Layer<Engine, EngineError>,
  options: Bayeux.BayeuxOptions
): Layer.Layer<Bayeux.Bayeux | Connections | Engine | Monitor.Monitor, EngineError | OptionsInvalid> =>
  Layer.effectContext(Effect.gen(function*() {
    const monitor = yield* Monitor.Monitor
    const service = Bayeux.layer(options).pipe(
      Layer.provideMerge(Layer.fresh(engine)),
      Layer.provide(Layer.succeed(Monitor.Monitor, monitor))
    )
    const contexts = yield* Effect.forEach([1, 2, 3], () => Layer.build(Layer.fresh(service)))
    const engines = contexts.map((context) => Context.get(context, Engine))
    const told = Effect.forEach(engines, ({ hasSession }) => hasSession("nobody" as never), { concurrency: 3 })
    // A test that is over does not wait for it any more.
    const settle = () => Effect.runPromise(Effect.ignore(Effect.repeat(told, { times: rounds })))
    const services = yield* Effect.forEach(contexts, (context) => Effect.provideContext(wholeService, context))
    const all = route(services, settle)
    const first = engines[0] as Engine["Service"]
    return Context.make(Bayeux.Bayeux, all).pipe(
      Context.add(Connections, all),
      Context.add(Engine, first),
      Context.add(Monitor.Monitor, monitor)
    )
  })).pipe(Layer.provide(Monitor.layer()))
