/**
 * Connection inside the service: it keeps the order of incoming and outgoing messages.
 *
 * - Messages are handed to the machine in the order in which they arrived, also when extensions take their time.
 * - Answers leave in the order of their requests, although an engine may take its time. A `/meta/connect` that may be
 *   held over a socket is answered out of turn.
 * - Messages of a turn leave at its end as one frame; the answers to an exchange leave when all are there.
 */
import * as Effect from "effect/Effect"
import * as Channel from "../core/Channel.ts"
import type { ClientId } from "../core/ClientId.ts"
import type { Connection, ConnectionId, Kind } from "../core/Connection.ts"
import * as Message from "../core/Message.ts"
import type * as Extension from "./Extension.ts"
import * as ExtensionPipe from "./ExtensionPipe.ts"
import * as Frame from "./Frame.ts"
import type { FrameGroup, Listener } from "./FrameGroup.ts"
import type { Host } from "./Host.ts"
import { type Branch, SharedSocket } from "./SharedSocket.ts"
import * as TaskQueue from "./TaskQueue.ts"
import type { CloseReason, ConnectionInfo, OpenConnection, Sink } from "./Transport.ts"
import * as UnreadMessages from "./UnreadMessages.ts"

/** Slot of an answer that waits for no other. */
const outOfTurn = -1

/** Whether a request makes no sense when its connection is gone. A publish is as good as before. */
const needsAnswer = ({ _tag }: Message.Incoming): boolean => _tag === "Connect" || _tag === "Handshake"

/** Connection that a transport has opened. */
export class ShellConnection implements OpenConnection, Connection, Listener, Branch {
  readonly id: ConnectionId
  readonly kind: Kind
  readonly local: boolean
  readonly owner: object | undefined
  readonly #info: ConnectionInfo
  readonly #sink: Sink
  readonly #host: Host<ShellConnection>
  #isOpen = true
  #clientId: ClientId | undefined
  /** Whether the socket has changed its session, so that nobody knows any more whose an unwritten frame is. */
  #isMixed = false

  constructor(id: ConnectionId, info: ConnectionInfo, sink: Sink, host: Host<ShellConnection>) {
    this.id = id
    this.kind = info.kind
    this.local = info.local
    this.owner = info.owner
    this.#info = info
    this.#sink = sink
    this.#host = host
  }

  // -------------------------------------------------------------------------------------------------------------------
  // in

  #incoming: TaskQueue.TaskQueue | undefined
  /** Whether a batch is in the machine: an exchange can be answered as soon as all of its messages are. */
  #isHandedIn = false
  #allotted = 0

  receive(batch: ReadonlyArray<unknown>): void {
    if (!this.#isOpen) return
    const messages = Message.batch(batch)
    const { incoming } = this.#host
    if (incoming.length === 0 && (this.#incoming?.isIdle ?? true)) {
      return this.#handIn(messages.map((message) => this.#host.decode(message)))
    }
    this.#incoming ??= TaskQueue.make(this.#host.runFork)
    const contextOf = (message: Message.Raw) => this.#contextOf(message)
    this.#incoming.push(
      Effect.forEach(messages, (message) => ExtensionPipe.passIn(this.#host, incoming, message, contextOf)).pipe(
        Effect.map((passed) => this.#handIn(passed.filter((message) => message !== undefined)))
      )
    )
  }

  /** Whether the client repeats a refused handshake by itself. */
  #insists = false

  #handIn(messages: ReadonlyArray<Message.Incoming>): void {
    for (const message of Message.withOneConnect(messages)) {
      if (message._tag === "Handshake") this.#insists = Message.insists(message.supportedConnectionTypes)
      const connection = message._tag === "Connect" ? this.#connectionOf(message.clientId) : this
      if (!connection.canBeAnswered && needsAnswer(message)) continue
      const mayBeHeld = Message.mayBeHeld(message, messages.length)
      const slot = mayBeHeld && this.kind === "socket" ? outOfTurn : connection.#allotted++
      this.#step(connection, message, slot, mayBeHeld)
    }
    this.#isHandedIn = this.kind === "exchange" || messages.length === 0
    if (this.#isHandedIn) this.#touch()
  }

  #step(connection: Connection, message: Message.Incoming, slot: number, mayBeHeld: boolean): void {
    const { now, probe } = this.#host
    probe?.received(message)
    this.#host.step(
      message._tag === "Handshake"
        ? { _tag: "HandshakeReceived", now, connection, slot, message, freshId: this.#host.freshId() }
        : { _tag: "Received", now, connection, slot, mayBeHeld, message }
    )
  }

  /** Session whose connect is on its way to an answer, where the socket has no session yet. */
  #expected: string | undefined
  /** Further sessions over the same socket. */
  #branches: SharedSocket<ShellConnection> | undefined

  /** Finds the connection of a session: this one, or a branch of it where this one has another session. */
  #connectionOf(clientId: string): ShellConnection {
    if (this.kind !== "socket" || this.local || this.#clientId === clientId) return this
    const known = this.#branches?.get(clientId)
    if (known !== undefined) return known
    if (!this.#host.isBound(this.id) && (this.#expected ?? clientId) === clientId) {
      this.#expected = clientId
      return this
    }
    this.#branches ??= new SharedSocket({
      id: this.id,
      sink: this.#sink,
      open: (sink) => this.#host.open(this.#info, sink),
      close: (reason) => this.close(reason),
      isBound: (connection) => this.#host.isBound(connection)
    })
    return this.#branches.add(clientId) ?? this
  }

  heard(): void {
    if (this.#isOpen && this.#clientId !== undefined) {
      this.#host.step({ _tag: "Heard", now: this.#host.now, connection: this.id })
    }
    this.#branches?.heard()
  }

  attach(clientId: string): void {
    if (!this.canBeAnswered) return
    this.#host.step({ _tag: "StreamOpened", now: this.#host.now, connection: this, clientId })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // out

  #frame: Frame.Frame = Frame.empty
  /** Group with which it shares its frame. */
  #group: FrameGroup | undefined
  #isTouched = false
  #answered = 0
  #early: Map<number, ReadonlyArray<Message.Outgoing>> | undefined
  #outgoing: TaskQueue.TaskQueue | undefined
  /** Messages that an exchange has for sessions: they return if the answer cannot be written. */
  #delivered: Array<UnreadMessages.Delivered> | undefined
  #isSent = false
  /** Messages that are on their way through extensions, the oldest first. */
  #passing: ReadonlyArray<Message.Outgoing> = []

  /** Binds the connection to a session. */
  bind(clientId: ClientId): void {
    this.#expected = undefined
    this.#isMixed ||= this.#clientId !== undefined && this.#clientId !== clientId
    this.#clientId = clientId
    this.#sink.bound?.(clientId)
  }

  /** Tells the transport that the session has gone to another connection. */
  left(): void {
    if (this.#isOpen) this.#sink.left?.()
  }

  /** Answers the request at a slot, with the deliveries behind it. */
  reply(slot: number, messages: ReadonlyArray<Message.Outgoing>, clientId: ClientId | undefined): void {
    if (this.#expected !== undefined && messages[0]?.channel === Channel.connect) this.#expected = undefined
    if (clientId !== undefined && this.kind === "exchange") (this.#delivered ??= []).push({ clientId, messages })
    this.#passOut(messages, (passed) => this.#answer(slot, passed))
  }

  /** Delivers a message to the session of the connection. */
  deliver(message: Message.Delivery): void {
    if (this.#isPassing) return this.#passOut([message], (passed) => this.#write(passed))
    this.#leaveGroup()
    this.#frame = this.#frame.append(message)
    this.#touch()
  }

  /** Writes a message that the peer has not asked for. */
  advise(message: Message.Reply): void {
    this.#passOut([message], (passed) => this.#write(passed))
  }

  join(group: FrameGroup): boolean {
    if (this.local || this.#isPassing || this.#group !== undefined || this.#frame !== Frame.empty) return false
    this.#group = group
    this.#touch()
    return true
  }

  #leaveGroup(): void {
    if (this.#group === undefined) return
    this.#frame = this.#group.leave(this)
    this.#group = undefined
  }

  #answer(slot: number, messages: ReadonlyArray<Message.Outgoing>): void {
    if (slot === outOfTurn) return this.#write(messages)
    if (slot !== this.#answered) {
      this.#early ??= new Map()
      this.#early.set(slot, messages)
      return
    }
    this.#write(messages)
    this.#answered++
    const next = this.#early?.get(this.#answered)
    if (next === undefined) return
    this.#early?.delete(this.#answered)
    this.#answer(this.#answered, next)
  }

  #write(messages: ReadonlyArray<Message.Outgoing>): void {
    if (!this.#isOpen) return
    this.#leaveGroup()
    for (const message of messages) this.#frame = this.#frame.append(message)
    this.#touch()
  }

  #touch(): void {
    if (this.#isTouched) return
    this.#isTouched = true
    this.#host.touched(this)
  }

  /** Whether messages have to go through extensions, or behind others that do. */
  get #isPassing(): boolean {
    return !this.#isStopping && (this.#host.outgoing.length > 0 || this.#outgoing?.isIdle === false)
  }

  #passOut(
    messages: ReadonlyArray<Message.Outgoing>,
    then: (messages: ReadonlyArray<Message.Outgoing>) => void
  ): void {
    if (!this.#isPassing) return then(messages)
    const { outgoing } = this.#host
    this.#passing = [...this.#passing, ...messages]
    this.#outgoing ??= TaskQueue.make(this.#host.runFork)
    this.#outgoing.push(
      Effect.forEach(
        messages,
        (message) => ExtensionPipe.passOut(this.#host, outgoing, message, this.#context, this.#insists)
      ).pipe(
        Effect.map((passed) => {
          this.#passing = this.#passing.slice(messages.length)
          then(passed.filter((message) => message !== undefined))
        })
      )
    )
  }

  /** Writes the messages of this turn, and closes the connection if that is due. */
  flush(): void {
    this.#isTouched = false
    this.#leaveGroup()
    if (!this.#isOpen) return
    const isDue = this.kind === "exchange"
      ? this.#isHandedIn && this.#answered === this.#allotted
      : this.#isHandedIn || this.#frame !== Frame.empty
    if (isDue) {
      const frame = this.#frame
      this.#frame = Frame.empty
      this.#isHandedIn = false
      if (this.kind === "exchange" || this.local || frame.length < 2) this.#send(frame)
      else for (const part of frame.parts(this.#host.maxFrameBytes)) this.#send(part)
      this.#isSent = true
    }
    if (this.#closing === undefined) return
    this.#branches?.flush()
    if (this.#outgoing?.isIdle === false) this.#outgoing.push(Effect.sync(() => this.#touch()))
    else this.#sink.close(this.#closing)
  }

  #send(frame: Frame.Frame): void {
    this.#sink.send(frame)
    this.#host.probe?.sent(frame)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // end

  #isStopping = false

  /** Prepares the end of the service: from now on nothing waits for extensions. */
  stop(): void {
    this.#isStopping = true
  }

  /**
   * Closes the connection at once; nothing more is written. A sink that cannot even be closed is its transport's
   * trouble.
   */
  abort(reason: CloseReason): void {
    try {
      this.#sink.close(reason)
    } catch {
      this.closed()
    }
  }

  #closing: CloseReason | undefined

  /**
   * Whether an answer can reach the peer. A socket or stream that is being closed takes no session: the messages would
   * return later, and might have been overtaken by then.
   */
  get canBeAnswered(): boolean {
    return this.#isOpen && (this.kind === "exchange" || this.#closing === undefined)
  }

  /** Closes the connection at the end of this turn. A socket on which there are other sessions stays. */
  close(reason: CloseReason): void {
    if ((reason === "SessionEnded" || reason === "SessionMoved") && this.#branches?.isInUse === true) return
    this.#closing ??= reason
    this.#touch()
  }

  end(goesOn = false): void {
    if (!this.#isOpen) return
    this.#host.step({ _tag: "ConnectionEnding", now: this.#host.now, connection: this.id, goesOn })
    this.close("Shutdown")
  }

  closed(resetBy?: string, hadEnded = false): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#leaveGroup()
    this.#host.forget(this.id)
    this.#host.step({ _tag: "ConnectionClosed", now: this.#host.now, connection: this.id })
    for (const returned of this.#returns(resetBy, hadEnded)) {
      this.#host.step({ _tag: "Returned", now: this.#host.now, ...returned })
    }
    this.#branches?.closed(resetBy)
  }

  #returns(resetBy: string | undefined, hadEnded: boolean): ReadonlyArray<UnreadMessages.Return> {
    if (this.kind === "exchange") return UnreadMessages.ofExchange(this.id, this.#returnable, resetBy, hadEnded)
    if (this.#isMixed || this.#clientId === undefined) return []
    return UnreadMessages.ofSession(this.#clientId, this.#sent, [...this.#frame.messages, ...this.#passing], resetBy)
  }

  /** Messages that an exchange has for sessions and that may not have left. */
  get #returnable(): ReadonlyArray<UnreadMessages.Delivered> {
    return this.#isSent && this.#unwritten.length === 0 ? [] : this.#delivered ?? []
  }

  /** Frames that may not have left, the oldest first. */
  get #unwritten(): ReadonlyArray<Frame.Frame> {
    const sent = this.#sent
    return this.#frame === Frame.empty ? sent : [...sent, this.#frame]
  }

  /** Frames of its sink that may not have left. */
  get #sent(): ReadonlyArray<Frame.Frame> {
    const frames = this.#sink.unwritten?.() ?? []
    return this.#branches?.withoutTheirs(frames) ?? frames
  }

  /** Sessions whose messages return if the connection breaks now, each with the lowest position of these. */
  get unconfirmed(): ReadonlyArray<UnreadMessages.Lowest> {
    if (this.kind === "exchange") return UnreadMessages.lowestOfExchange(this.#returnable)
    const frames = this.#unwritten
    if (this.#clientId === undefined || this.#isMixed || frames.length + this.#passing.length === 0) return []
    return [[this.#clientId, UnreadMessages.lowestOf(frames, this.#passing)]]
  }

  /** Context of a message: where several sessions share the socket, that of the session that the message names. */
  #contextOf({ clientId }: Message.Raw): Extension.ExtensionContext {
    const branch = typeof clientId === "string" ? this.#branches?.get(clientId) : undefined
    return branch === undefined ? this.#context : branch.#context
  }

  get #context(): Extension.ExtensionContext {
    const { connectionType, local, request } = this.#info
    return { connectionType, local, request, clientId: this.#clientId }
  }
}
