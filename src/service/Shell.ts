/**
 * The shell around the reducer: it holds the state, steps the machine with whatever happens and carries out what comes
 * of it, in the same call. From a transport's callback to the frame that leaves there is no fiber and no promise.
 *
 * What comes of all that has arrived in one turn of the event loop is collected; at its end connects for which messages have
 * come are answered, each connection writes one frame, the events go to the monitor and the timer is set. Writing after reading,
 * not in between, wakes a peer once for all that is there for it: a write that has to wake somebody costs double.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import { randomBytes } from "node:crypto"
import * as MonotonicClock from "../base/MonotonicClock.ts"
import type { Change, Outcome } from "../core/Change.ts"
import * as ClientId from "../core/ClientId.ts"
import type { Connection, ConnectionId } from "../core/Connection.ts"
import type { Input } from "../core/Input.ts"
import * as Machine from "../core/Machine.ts"
import * as Message from "../core/Message.ts"
import type { Cause } from "../core/MonitorEvent.ts"
import type { Deliver, Output } from "../core/Output.ts"
import type { Settings } from "../core/Settings.ts"
import * as State from "../core/State.ts"
import type { Engine } from "../engine/Engine.ts"
import type { Monitor } from "../monitor/Monitor.ts"
import type { Recording } from "../recorder/Recording.ts"
import type { Extension } from "./Extension.ts"
import * as Frame from "./Frame.ts"
import { FrameGroup } from "./FrameGroup.ts"
import * as LogThrottle from "./LogThrottle.ts"
import * as Probe from "./Probe.ts"
import { type Host, ShellConnection } from "./ShellConnection.ts"
import type { ConnectionInfo, Sink } from "./Transport.ts"

/** What the shell is made of. */
export interface Parts {
  readonly settings: Settings
  readonly extensionTimeout: Duration.Duration
  readonly engine: Engine["Service"]
  readonly monitor: Monitor["Service"]
  readonly clock: Clock.Clock
  /** Starts an effect that ends with the service. */
  readonly runFork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
}

const idLength = 20

/**
 * Makes client ids: 160 random bits as 40 hexadecimal digits (specification, "Client ID": at least 128). The source of
 * randomness costs 8 microseconds a call however little is taken, so bytes for 200 ids are taken at once; each is used
 * once.
 */
const makeFreshIds = (): () => ClientId.ClientId => {
  let bytes = Buffer.alloc(0)
  let used = 0
  return () => {
    if (used === bytes.length) {
      bytes = randomBytes(200 * idLength)
      used = 0
    }
    return ClientId.make(bytes.toString("hex", used, used += idLength))
  }
}

/** So few connections get each message by themselves: gathering them costs more than it saves. */
const fewestTogether = 8

/** How often the time is looked at while anything is due at all, in milliseconds. */
const heartbeat = 1_000

/** A timer that comes so late was held up by a busy process; later still, the process was as good as halted (milliseconds). */
const late = { busy: 100, halted: 1_000 }

/** The running machine. */
export class Shell {
  readonly #parts: Parts
  readonly #connections = new Map<number, ShellConnection>()
  readonly #freshId = makeFreshIds()
  #lastConnection = 0
  #state: State.State

  constructor(parts: Parts) {
    this.#parts = parts
    this.#host = this.#makeHost(parts)
    this.#state = State.make(parts.settings, [], parts.engine.isShared)
    this.#readClock = MonotonicClock.make(parts.clock)
  }

  /** The state as it is now. */
  get state(): State.State {
    return this.#state
  }

  // -------------------------------------------------------------------------------------------------------------------
  // time

  readonly #readClock: () => number
  #turnBegan: number | undefined
  /** When the timer is to come, and when the time was last looked at before. */
  #timerAt = Infinity
  #lookedAt = 0
  #timer: Fiber.Fiber<void> | undefined

  /**
   * Milliseconds since the epoch, the same for all of a turn, by a clock that never goes back: setting the system's
   * time ends no session.
   */
  get now(): number {
    return this.#turnBegan ?? this.#readClock()
  }

  /** A timer that comes too early does no harm, so it is only moved forward. It comes with each heartbeat. */
  #setTimer(): void {
    const deadline = Machine.nextDeadline(this.#state)
    if (deadline >= this.#timerAt || deadline === Infinity) return
    const { now } = this
    const next = Math.min(deadline, now + heartbeat)
    this.#timer?.interruptUnsafe()
    this.#timerAt = next
    this.#lookedAt = now
    this.#timer = this.#parts.runFork(
      Effect.andThen(
        this.#parts.clock.sleep(Duration.millis(Math.max(0, next - now))),
        Effect.sync(() => this.#timeIsUp())
      )
    )
  }

  /** A timer that comes late was held up by a busy process, and so was what has arrived meanwhile: that goes first. */
  #timeIsUp(): void {
    const isLate = this.now - this.#timerAt > late.busy
    this.#mindHalt(this.now)
    this.#timerAt = Infinity
    this.#timer = undefined
    const pass = () => this.step({ _tag: "DeadlinePassed", now: this.now })
    if (Machine.nextDeadline(this.#state) > this.now) this.#setTimer()
    else if (isLate) setImmediate(pass)
    else pass()
  }

  /**
   * The heart has not beaten: the process was halted (a suspended machine, a frozen container). Nobody could reach it
   * meanwhile, and what has arrived in its sockets is not read yet, so that time does not count.
   */
  #mindHalt(now: number): void {
    if (now - this.#timerAt <= late.halted) return
    const milliseconds = now - this.#lookedAt
    this.#timerAt = this.#lookedAt = now
    this.step({ _tag: "Halted", now, milliseconds })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // steps

  readonly #inputs: Array<Input> = []
  #isStepping = false

  /** Something happens: the machine takes a step, and further ones for what that brings about. */
  step(input: Input): void {
    this.#beginTurn()
    this.#inputs.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    for (let input = this.#inputs.shift(); input !== undefined; input = this.#inputs.shift()) {
      this.#reduce(input)
      this.#recording?.settle()
    }
    this.#isStepping = false
  }

  /** Takes an outcome that the engine tells by itself. */
  happened(outcome: Outcome): void {
    this.#host.probe?.happened(outcome)
    this.step({ _tag: "Happened", now: this.now, outcome })
  }

  /** Commits a change. An engine that carries it out at once returns the outcome, which is the next step. */
  #commit(change: Change, now: number): void {
    const outcome = this.#parts.engine.commit(change)
    if (outcome === undefined) return
    this.#host.probe?.happened(outcome)
    this.#reduce({ _tag: "Happened", now, outcome })
  }

  /** A step that throws is our own bug. It is told, the state stays as it was, and everybody else is served. */
  #reduce(input: Input): void {
    let step: Machine.Step | undefined
    try {
      step = Machine.reduce(this.#state, input)
      this.#state = step.state
      this.#recording?.take(input, step.outputs)
      for (const output of step.outputs) this.#carryOut(output, input.now)
    } catch (cause) {
      if (step === undefined) this.#recording?.take(input, undefined)
      this.#parts.runFork(Effect.logError(`A step of the machine failed with the input ${input._tag}`, cause))
    }
  }

  #recording: Recording | undefined

  /** From now on steps are recorded. */
  record(recording: Recording): void {
    this.#recording = recording
  }

  #carryOut(output: Output, now: number): void {
    switch (output._tag) {
      case "Reply":
        this.#connections.get(output.connection)?.reply(output.slot, output.messages, output.clientId)
        return
      case "Deliver":
        return this.#deliver(output)
      case "Advise":
        this.#connections.get(output.connection)?.advise(output.message)
        return
      case "Emit":
        this.#parts.monitor.emit(output.event, now)
        return
      case "Commit":
        return this.#commit(output.change, now)
      case "Bind":
        this.#connections.get(output.connection)?.bind(output.clientId)
        return
      case "Leave":
        this.#connections.get(output.connection)?.left()
        return
      case "Resume":
        if (this.#connections.get(output.input.connection.id)?.canBeAnswered) this.step({ ...output.input, now })
        return
      case "CloseConnection":
        this.#connections.get(output.connection)?.close(output.reason)
        return
      case "Drop":
        this.#host.probe?.dropped(output.reason, output.messages)
        return
    }
  }

  /** By the list of their connections, which stays the same for as long as who gets a channel's messages does. */
  readonly #groups = new Map<ReadonlyArray<ConnectionId>, FrameGroup>()

  #deliver({ connections, message }: Deliver): void {
    if (connections.length < fewestTogether) {
      for (const connection of connections) this.#connections.get(connection)?.deliver(message)
      return
    }
    let group = this.#groups.get(connections)
    if (group === undefined) this.#groups.set(connections, group = this.#gather(connections))
    group.deliver(message)
  }

  #gather(connections: ReadonlyArray<ConnectionId>): FrameGroup {
    const group = new FrameGroup()
    for (const id of connections) {
      const connection = this.#connections.get(id)
      if (connection !== undefined) group.add(connection)
    }
    return group
  }

  // -------------------------------------------------------------------------------------------------------------------
  // turns

  #isInTurn = false
  #touched: Array<ShellConnection> = []

  #beginTurn(): void {
    if (this.#isInTurn) return
    this.#isInTurn = true
    const now = this.#turnBegan = this.#readClock()
    this.#host.probe?.turnBegan(now)
    setImmediate(this.#endTurn)
    this.#mindHalt(now)
    this.#lookedAt = now
  }

  readonly #endTurn = (): void => {
    if (!this.#isInTurn) return
    if (Machine.isTurnOpen(this.#state)) this.step({ _tag: "TurnEnded", now: this.now })
    this.#isInTurn = false
    this.#turnBegan = undefined
    const touched = this.#touched
    this.#touched = []
    this.#groups.clear()
    for (const connection of touched) this.#flush(connection)
    this.#host.probe?.turnEnded()
    Frame.empty.forget()
    this.#recording?.endTurn()
    this.#parts.monitor.flush()
    this.#setTimer()
  }

  #touchedLocal: Array<ShellConnection> = []

  /** In the same process there are no writes to gather: such connections do not wait for the end of the turn. */
  #touchLocal(connection: ShellConnection): void {
    if (this.#touchedLocal.push(connection) === 1) queueMicrotask(this.#flushLocal)
  }

  readonly #flushLocal = (): void => {
    const touched = this.#touchedLocal
    this.#touchedLocal = []
    for (const connection of touched) this.#flush(connection)
  }

  /** A connection that cannot be written to (an extension has made something of a message that is not JSON) is closed. */
  #flush(connection: ShellConnection): void {
    try {
      connection.flush()
    } catch (cause) {
      this.#parts.runFork(Effect.logError("A connection could not be written to", cause))
      connection.abort("ServerError")
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // connections

  /** The extensions that are installed now, in their order. */
  extensions: ReadonlyArray<Extension> = []

  /** Installs extensions in the place of those before. */
  install(extensions: ReadonlyArray<Extension>): void {
    this.extensions = extensions
    this.#groups.clear()
    this.#host.extensions = {
      incoming: extensions.filter((extension) => extension.incoming !== undefined),
      outgoing: extensions.filter((extension) => extension.outgoing !== undefined)
    }
  }

  /** The probes that are installed now. */
  probes: ReadonlyArray<Probe.Probe> = []

  /** Installs probes in the place of those before. */
  watch(probes: ReadonlyArray<Probe.Probe>): void {
    this.probes = probes
    this.#host.probe = Probe.combine(probes)
  }

  /** A transport has a new connection. */
  open(info: ConnectionInfo, sink: Sink): ShellConnection {
    const connection = new ShellConnection(++this.#lastConnection, info, sink, this.#host)
    this.#connections.set(connection.id, connection)
    if (this.#isStopped) queueMicrotask(() => connection.abort("Shutdown"))
    return connection
  }

  readonly #host: { -readonly [K in keyof Host]: Host[K] }

  #makeHost(parts: Parts): Host {
    return {
      extensions: { incoming: [], outgoing: [] },
      extensionTimeout: parts.extensionTimeout,
      logThrottle: LogThrottle.make(parts.runFork),
      maxFrameBytes: parts.settings.maxAnswerBytes,
      probe: undefined,
      open: (info, sink) => this.open(info, sink),
      isBound: (connection) => HashMap.has(this.#state.bindings, connection),
      runFork: parts.runFork,
      decode: (raw) => {
        if (raw instanceof Message.TooLong) this.#tellOfLong(raw)
        const message = Message.decode(raw, parts.settings)
        return this.#host.probe?.keepsTraces === true ? Message.traced(message, raw) : message
      },
      received: (connection, message, slot, mayBeHeld) => this.#received(connection, message, slot, mayBeHeld),
      streamOpened: (connection, clientId) => this.step({ _tag: "StreamOpened", now: this.now, connection, clientId }),
      heard: (connection) => this.step({ _tag: "Heard", now: this.now, connection }),
      ending: (connection, goesOn) => this.step({ _tag: "ConnectionEnding", now: this.now, connection, goesOn }),
      closed: (connection) => {
        this.#connections.delete(connection)
        this.step({ _tag: "ConnectionClosed", now: this.now, connection })
      },
      returned: (returned) => this.step({ _tag: "Returned", now: this.now, ...returned }),
      touched: (connection) => {
        this.#beginTurn()
        if (connection.local) this.#touchLocal(connection)
        else this.#touched.push(connection)
      }
    }
  }

  #tellOfLong({ bytes, fields, limit }: Message.TooLong): void {
    const channel = JSON.stringify(fields["channel"] ?? "no channel")
    const line = `A message of ${bytes} bytes on ${channel} was refused: the longest that is accepted has ${limit}`
    const again = (times: number, within: string) =>
      Effect.logWarning(`${times} more messages were longer than ${limit} bytes within ${within}`)
    this.#parts.runFork(this.#host.logThrottle.say("TooLong", Effect.logWarning(line), again))
  }

  #received(connection: Connection, message: Message.Incoming, slot: number, mayBeHeld: boolean): void {
    const { now } = this
    this.#host.probe?.received(message)
    this.step(
      message._tag === "Handshake"
        ? { _tag: "HandshakeReceived", now, connection, slot, message, freshId: this.#freshId() }
        : { _tag: "Received", now, connection, slot, mayBeHeld, message }
    )
  }

  /** The sessions of which messages have left and may yet come back, each with the lowest position of these. */
  *unconfirmed(): Generator<readonly [clientId: ClientId.ClientId, position: number]> {
    for (const connection of this.#connections.values()) yield* connection.unconfirmed
  }

  /** Ends the connections that came through a server. `goesOn` if other processes can go on with their sessions. */
  endConnections(owner: object, goesOn: boolean): void {
    for (const connection of [...this.#connections.values()]) if (connection.owner === owner) connection.end(goesOn)
  }

  #isStopped = false

  /**
   * Ends all sessions that end with this process, with their events, writes what they are still to get and closes what
   * is still open. Sessions with which other processes can go on are left, their connects answered. What is opened later
   * is closed at once.
   */
  stop(): void {
    this.#isStopped = true
    for (const connection of this.#connections.values()) connection.stop()
    for (const { clientId, local } of [...HashMap.values(this.#state.sessions)]) {
      if (local || !this.#parts.engine.isShared) this.endSession(clientId, { _tag: "Shutdown" })
    }
    for (const connection of [...this.#connections.values()]) connection.end(this.#parts.engine.isShared)
    this.#flushLocal()
    this.#endTurn()
    for (const connection of [...this.#connections.values()]) connection.abort("Shutdown")
  }

  /** The application ends a session, or asks the engine to. */
  endSession(clientId: ClientId.ClientId, cause: Cause): void {
    this.step({ _tag: "EndRequested", now: this.now, clientId, cause })
  }
}
