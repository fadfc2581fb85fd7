/**
 * Shell around the reducer: it holds the state, steps the machine with each input and carries out the outputs, in the
 * same call. From a transport's callback to the frame that leaves there is no fiber and no promise.
 *
 * A turn is everything that has arrived in one turn of the event loop. At its end connects for which messages have come
 * are answered, each connection writes one frame, the events go to the monitor and the timer is set. Writing after
 * reading, not in between, wakes a peer once for everything that is there for it: a write that has to wake a process
 * costs double.
 */
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import type { Change, Outcome } from "../core/Change.ts"
import type { ClientId } from "../core/ClientId.ts"
import type { ConnectionId } from "../core/Connection.ts"
import type { Input } from "../core/Input.ts"
import * as Machine from "../core/Machine.ts"
import * as Message from "../core/Message.ts"
import type { Cause } from "../core/MonitorEvent.ts"
import type { Output } from "../core/Output.ts"
import type { Settings } from "../core/Settings.ts"
import * as State from "../core/State.ts"
import type { Engine } from "../engine/Engine.ts"
import type { Monitor } from "../monitor/Monitor.ts"
import type { Recording } from "../recorder/Recording.ts"
import type { Extension } from "./Extension.ts"
import * as Frame from "./Frame.ts"
import { FrameGroups } from "./FrameGroup.ts"
import * as FreshIds from "./FreshIds.ts"
import type { Host } from "./Host.ts"
import * as LogThrottle from "./LogThrottle.ts"
import * as Probe from "./Probe.ts"
import { ShellConnection } from "./ShellConnection.ts"
import { ShellTimer } from "./ShellTimer.ts"
import type { ConnectionInfo, Sink } from "./Transport.ts"

/** Parts of the shell. */
export interface Parts {
  readonly settings: Settings
  readonly extensionTimeout: Duration.Duration
  readonly engine: Engine["Service"]
  readonly monitor: Monitor["Service"]
  readonly clock: Clock.Clock
  /** Starts an effect that ends with the service. */
  readonly runFork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
}

/** Running machine, and host of its connections. */
export class Shell implements Host<ShellConnection> {
  readonly #parts: Parts
  readonly #connections = new Map<ConnectionId, ShellConnection>()
  readonly #groups = new FrameGroups(this.#connections)
  readonly #timer: ShellTimer
  readonly extensionTimeout: Duration.Duration
  readonly logThrottle: LogThrottle.LogThrottle
  readonly maxFrameBytes: number
  readonly runFork: Parts["runFork"]
  readonly freshId = FreshIds.make()
  #lastConnection = 0
  #state: State.State

  constructor(parts: Parts) {
    const { clock, engine, extensionTimeout, runFork, settings } = parts
    this.#parts = parts
    this.extensionTimeout = extensionTimeout
    this.maxFrameBytes = settings.maxAnswerBytes
    this.runFork = runFork
    this.logThrottle = LogThrottle.make(runFork)
    this.#state = State.make(settings, [], engine.isShared)
    this.#timer = new ShellTimer({
      clock,
      runFork,
      nextDeadline: () => Machine.nextDeadline(this.#state),
      deadlinePassed: () => this.step({ _tag: "DeadlinePassed", now: this.now }),
      halted: (now, milliseconds) => this.step({ _tag: "Halted", now, milliseconds })
    })
  }

  /** State as it is now. */
  get state(): State.State {
    return this.#state
  }

  get now(): number {
    return this.#timer.now
  }

  // -------------------------------------------------------------------------------------------------------------------
  // steps

  readonly #inputs: Array<Input> = []
  #isStepping = false

  /** Steps the machine, and steps it further with the inputs that this brings about. */
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
    this.probe?.happened(outcome)
    this.step({ _tag: "Happened", now: this.now, outcome })
  }

  /** Commits a change. An engine that carries it out at once returns the outcome, which is the next step. */
  #commit(change: Change, now: number): void {
    const outcome = this.#parts.engine.commit(change)
    if (outcome === undefined) return
    this.probe?.happened(outcome)
    this.#reduce({ _tag: "Happened", now, outcome })
  }

  /**
   * Takes one step. A step that throws is our own bug: it is logged, the state stays as it was, and other clients are
   * served.
   */
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

  /** Records the steps from now on. */
  record(recording: Recording): void {
    this.#recording = recording
  }

  #carryOut(output: Output, now: number): void {
    switch (output._tag) {
      case "Reply":
        this.#connections.get(output.connection)?.reply(output.slot, output.messages, output.clientId)
        return
      case "Deliver":
        return this.#groups.deliver(output)
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
        this.probe?.dropped(output.reason, output.messages)
        return
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // turns

  #isInTurn = false
  #touched: Array<ShellConnection> = []

  #beginTurn(): void {
    if (this.#isInTurn) return
    this.#isInTurn = true
    const now = this.#timer.beginTurn()
    this.probe?.turnBegan(now)
    setImmediate(this.#endTurn)
    this.#timer.look(now)
  }

  readonly #endTurn = (): void => {
    if (!this.#isInTurn) return
    if (Machine.isTurnOpen(this.#state)) this.step({ _tag: "TurnEnded", now: this.now })
    this.#isInTurn = false
    this.#timer.endTurn()
    const touched = this.#touched
    this.#touched = []
    this.#groups.clear()
    for (const connection of touched) this.#flush(connection)
    this.probe?.turnEnded()
    Frame.empty.forget()
    this.#recording?.endTurn()
    this.#parts.monitor.flush()
    this.#timer.set()
  }

  touched(connection: ShellConnection): void {
    this.#beginTurn()
    if (connection.local) this.#touchLocal(connection)
    else this.#touched.push(connection)
  }

  #touchedLocal: Array<ShellConnection> = []

  /** Flushes a connection of the same process at the end of the task: there are no writes to gather. */
  #touchLocal(connection: ShellConnection): void {
    if (this.#touchedLocal.push(connection) === 1) queueMicrotask(this.#flushLocal)
  }

  readonly #flushLocal = (): void => {
    const touched = this.#touchedLocal
    this.#touchedLocal = []
    for (const connection of touched) this.#flush(connection)
  }

  /**
   * Flushes a connection. One that cannot be written to (an extension has made something of a message that is not JSON)
   * is closed.
   */
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

  /** Extensions that are installed now, in their order. */
  extensions: ReadonlyArray<Extension> = []
  incoming: ReadonlyArray<Extension> = []
  outgoing: ReadonlyArray<Extension> = []

  /** Installs extensions in the place of those before. */
  install(extensions: ReadonlyArray<Extension>): void {
    this.extensions = extensions
    this.#groups.clear()
    this.incoming = extensions.filter((extension) => extension.incoming !== undefined)
    this.outgoing = extensions.filter((extension) => extension.outgoing !== undefined)
  }

  /** Probes that are installed now, and one for all of them. */
  probes: ReadonlyArray<Probe.Probe> = []
  probe: Probe.Probe | undefined

  /** Installs probes in the place of those before. */
  watch(probes: ReadonlyArray<Probe.Probe>): void {
    this.probes = probes
    this.probe = Probe.combine(probes)
  }

  /** Opens a connection for a transport. */
  open(info: ConnectionInfo, sink: Sink): ShellConnection {
    const connection = new ShellConnection(++this.#lastConnection, info, sink, this)
    this.#connections.set(connection.id, connection)
    if (this.#isStopped) queueMicrotask(() => connection.abort("Shutdown"))
    return connection
  }

  forget(connection: ConnectionId): void {
    this.#connections.delete(connection)
  }

  isBound(connection: ConnectionId): boolean {
    return HashMap.has(this.#state.bindings, connection)
  }

  decode(raw: unknown): Message.Incoming {
    if (raw instanceof Message.TooLong) this.#tellOfLong(raw)
    const message = Message.decode(raw, this.#parts.settings)
    return this.probe?.keepsTraces === true ? Message.traced(message, raw) : message
  }

  #tellOfLong({ bytes, fields, limit }: Message.TooLong): void {
    const channel = JSON.stringify(fields["channel"] ?? "no channel")
    const line = `A message of ${bytes} bytes on ${channel} was refused: the longest that is accepted has ${limit}`
    const again = (times: number, within: string) =>
      Effect.logWarning(`${times} more messages were longer than ${limit} bytes within ${within}`)
    this.#parts.runFork(this.logThrottle.say("TooLong", Effect.logWarning(line), again))
  }

  /** Lists the sessions of which messages have left and may yet return, each with the lowest position of these. */
  *unconfirmed(): Generator<readonly [clientId: ClientId, position: number]> {
    for (const connection of this.#connections.values()) yield* connection.unconfirmed
  }

  /** Ends the connections that came through a server. `goesOn` if other processes can go on with their sessions. */
  endConnections(owner: object, goesOn: boolean): void {
    for (const connection of [...this.#connections.values()]) if (connection.owner === owner) connection.end(goesOn)
  }

  #isStopped = false

  /**
   * Ends all sessions that end with this process, with their events, writes their last messages and closes the
   * connections that are still open. Sessions with which other processes can go on are left, their connects answered.
   * Connections that are opened later are closed at once.
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

  /** Ends a session for the application, or asks the engine to. */
  endSession(clientId: ClientId, cause: Cause): void {
    this.step({ _tag: "EndRequested", now: this.now, clientId, cause })
  }
}
