/**
 * The naive model beside the machine: it knows sessions, subscriptions and what each session is to get, and nothing of
 * queues, links, slots or deadlines. It does what happens to the machine, and what the machine tells has to fit.
 */
import { assert } from "@effect/vitest"
import { HashMap } from "effect"
import type { Kind } from "../../../src/core/Connection.ts"
import * as Message from "../../../src/core/Message.ts"
import type { Cause, Event, Move } from "../../../src/core/MonitorEvent.ts"
import type { Output } from "../../../src/core/Output.ts"
import * as Session from "../../../src/core/Session.ts"
import * as State from "../../../src/core/State.ts"
import * as Invariants from "../invariants.ts"
import { settings, Trial } from "../trial.ts"
import { type Action, isMatch, isPublishable, isSubscribable, type Of } from "./actions.ts"
import type { ModelConnection, ModelSession } from "./sessions.ts"

/** Answers of so many bytes deliver a message or two. */
export const shortest = 60

/** What Faye's client sends as the id of its connect, until it has read an answer. */
const idOf = ({ connect, id }: Pick<ModelSession, "connect" | "id">): string => `${connect.toString(36)}.${id}`

const ownerOf = (id: Message.Id): string | undefined => id?.toString().replace(/^[^.]*\./, "")

export class Model {
  readonly trial: Trial
  readonly sessions = new Map<string, ModelSession>()
  readonly connections: Array<ModelConnection> = []
  readonly folded = new Map<string, Set<string>>()
  readonly ended = new Set<string>()
  /** Why sessions end whose `Disconnect` is to follow. */
  readonly ending = new Map<string, Cause>()
  #data = 0

  constructor(maxAnswerBytes: number) {
    this.trial = new Trial({ maxQueueLength: 8, maxSubscriptions: 6, maxAnswerBytes })
  }

  // -- helpers

  names(): ReadonlyArray<string> {
    return [...this.sessions.keys()]
  }

  name(index: number): string {
    return this.names()[index] ?? (index % 2 === 0 ? "nobody" : "constructor")
  }

  connect(kind: Kind, local = false): ModelConnection {
    const connection: ModelConnection = {
      connection: this.trial.open(kind, local),
      isOpen: true,
      owner: undefined,
      requests: 0,
      answers: new Map(),
      lost: new Set(),
      unread: [],
      isReset: false,
      sent: [],
      pendingOf: undefined
    }
    this.connections.push(connection)
    return connection
  }

  route({ kind, reuse }: { readonly kind: Kind; readonly reuse: number | null }): ModelConnection {
    const reused = reuse === null ? undefined : this.connections[this.connections.length - 1 - reuse]
    const isReusable = reused?.isOpen === true && reused.connection.kind === "socket" && !reused.connection.local
    return isReusable ? reused : this.connect(kind)
  }

  send(via: ModelConnection, ...messages: ReadonlyArray<unknown>): ReadonlyArray<Message.Reply> {
    via.requests += Message.batch(messages).length
    return this.observe(this.trial.receive(via.connection, ...messages))
  }

  /** Takes note of what came out, and checks what holds for every output. */
  observe(outputs: ReadonlyArray<Output>): ReadonlyArray<Message.Reply> {
    const replies: Array<Message.Reply> = []
    for (const output of outputs) {
      if (output._tag === "Emit") this.fold(output.event)
      else if (output._tag === "Advise") this.advise(output)
      else if (output._tag === "Bind") this.of(output.connection).owner = output.clientId
      else if (output._tag === "Deliver") {
        for (const id of output.connections) {
          const { owner } = this.of(id)
          assert.isFalse(this.everyone.get(owner ?? "")?.acknowledges, "nothing is pushed that is to be acknowledged")
          this.deliver(this.of(id), owner, [output.message])
        }
      } else if (output._tag === "Reply") {
        const via = this.of(output.connection)
        via.answers.set(output.slot, (via.answers.get(output.slot) ?? 0) + 1)
        const [reply, ...delivered] = output.messages
        if (reply !== undefined && Message.isReply(reply)) {
          replies.push(reply)
          this.checkAdvice(reply)
        }
        const messages = delivered.filter(Message.isDelivery)
        if (via.lost.has(output.slot)) this.lose(via, output.clientId, messages)
        else this.take(via, output.clientId, reply, messages)
        if (via.isReset) this.reset(via, output.clientId, messages)
      }
    }
    Invariants.check(this.trial.state)
    return replies
  }

  /** A client reads an answer. */
  take(
    via: ModelConnection,
    clientId: string | undefined,
    reply: Message.Outgoing | undefined,
    messages: ReadonlyArray<Message.Delivery>
  ): void {
    if (reply === undefined || !Message.isReply(reply)) return this.deliver(via, clientId, messages)
    this.read(reply)
    this.deliver(via, clientId ?? ownerOf(reply.id), messages)
  }

  /** Nobody is told what they have not asked for, but by a stream or at the end, and then what to do. */
  advise({ connection, message }: Extract<Output, { readonly _tag: "Advise" }>): void {
    const via = this.of(connection)
    const mayBe = via.connection.kind === "stream" || message.channel === "/meta/disconnect"
    assert.isTrue(via.isOpen && mayBe, "only a stream and an end say what nobody has asked for")
    this.checkAdvice(message)
    assert.isDefined(message.advice)
  }

  /** Whoever is sent back is told when. */
  checkAdvice({ advice }: Message.Reply): void {
    if (advice !== undefined && advice.reconnect !== "none") assert.isDefined(advice.interval, "it is told when")
  }

  of(id: number): ModelConnection {
    const found = this.connections.find(({ connection }) => connection.id === id)
    if (found === undefined) throw new Error(`Something came out for connection ${id}, which does not exist`)
    return found
  }

  deliver(via: ModelConnection, owner: string | undefined, messages: ReadonlyArray<Message.Delivery>): void {
    if (messages.length === 0) return
    assert.isTrue(via.isOpen, "nothing is written to a connection that is gone")
    for (const message of messages) {
      assert.sameMembers(["channel", "data", "id"], [...new Set(["channel", "data", "id", ...Object.keys(message)])])
      const session = this.everyone.get(owner ?? "")
      assert.isDefined(session, "a message goes to somebody")
      session?.received.push(message.data as number)
      via.sent.push([owner ?? "", message.data as number])
    }
  }

  /** A transport may give back what a client that acknowledges has not read; of Faye's clients nobody knows. */
  lose(via: ModelConnection, clientId: string | undefined, messages: ReadonlyArray<Message.Delivery>): void {
    if (this.everyone.get(clientId ?? "")?.isFaye === true) via.unread = messages
    else this.returnInVain(clientId, messages)
  }

  /** The client says by its ids what it has read: so nothing comes of a reset. */
  reset(
    { connection: { id } }: ModelConnection,
    clientId: string | undefined,
    messages: Array<Message.Delivery>
  ): void {
    const reset = { exchange: id, resetBy: "192.0.2.1" }
    const outputs = this.trial.step({ _tag: "Returned", clientId: clientId as never, messages, ...reset })
    assert.deepStrictEqual(outputs, [])
  }

  /** A client that acknowledges keeps the number of an answer; Faye's has one connect less to send again. */
  read({ channel, ext, id }: Message.Reply): void {
    const session = this.everyone.get(ownerOf(id) ?? "")
    if (session?.isFaye === true && id === idOf(session)) {
      session.connect++
      session.pending = undefined
    }
    if (channel === "/meta/connect" && session !== undefined && typeof ext?.ack === "number") session.number = ext.ack
  }

  readonly everyone = new Map<string, ModelSession>()

  begin(id: string, local: boolean, acknowledges: boolean, isFaye: boolean): void {
    const session: ModelSession = {
      id,
      local,
      acknowledges,
      isFaye,
      connect: 1,
      sent: 0,
      pending: undefined,
      subscriptions: new Set(),
      expected: [],
      received: [],
      lastSign: this.trial.now,
      number: 0,
      acknowledged: 0,
      isDisordered: false
    }
    this.sessions.set(id, session)
    this.everyone.set(id, session)
  }

  finish(id: string): void {
    this.sessions.delete(id)
  }

  /** `fold(snapshot, events)`: sessions and subscriptions as an operator would reckon them from the events. */
  fold(event: Event | Move): void {
    if (event._tag === "Publish") return
    if (event._tag === "Arrive" || event._tag === "Depart") assert.fail("there is no other process")
    const { clientId } = event
    assert.isFalse(this.ended.has(clientId), `${event._tag} of ${clientId} after its Disconnect`)
    const isEnd = event._tag === "Disconnect" || (event._tag === "Unsubscribe" && event.withSession)
    assert.isTrue(isEnd || !this.ending.has(clientId), `${event._tag} of ${clientId} while it ends`)
    const subscriptions = this.folded.get(clientId)
    switch (event._tag) {
      case "Handshake":
        assert.isUndefined(subscriptions, "a session begins once")
        this.folded.set(clientId, new Set())
        return
      case "Subscribe":
        assert.isFalse(subscriptions?.has(event.channel), "no Subscribe for a subscription that exists")
        subscriptions?.add(event.channel)
        return
      case "Unsubscribe":
        assert.isTrue(subscriptions?.delete(event.channel), "each Unsubscribe has its Subscribe")
        if (event.withSession) this.ending.set(clientId, event.cause)
        return
      case "Disconnect":
        assert.strictEqual(subscriptions?.size, 0, "the Unsubscribes come before the Disconnect")
        assert.strictEqual(this.ending.get(clientId) ?? event.cause, event.cause, "and have its cause")
        this.ending.delete(clientId)
        this.folded.delete(clientId)
        this.ended.add(clientId)
    }
  }

  // -- actions

  run(action: Action): void {
    switch (action.do) {
      case "handshake":
        return this.handshake(action)
      case "connect":
        return this.doConnect(action)
      case "subscribe":
      case "unsubscribe":
        return this.subscription(action)
      case "publish":
        return this.publish(action)
      case "disconnect":
        return this.disconnect(action)
      case "kick":
        this.observe(this.trial.step({
          _tag: "EndRequested",
          clientId: this.name(action.session) as never,
          cause: { _tag: "Kicked", reason: "test" }
        }))
        return this.finish(this.name(action.session))
      case "stream":
        return this.stream(action)
      case "late":
        return this.late(action)
      case "close":
        return this.close(action)
      case "end":
        return this.end(action)
      case "endTurn":
        return void this.observe(this.trial.endTurn())
      case "hear":
        return this.hear(action)
      case "halt":
        return this.halt(action.millis)
      case "advance":
        return this.advance(action.millis)
      case "garbage":
        return this.garbage(action)
    }
  }

  handshake({ acknowledges, identity, isFaye, local, route }: Of<"handshake">): void {
    const via = local ? this.connect("socket", true) : this.route(route)
    const types = isFaye ? ["long-polling", "cross-origin-long-polling"] : ["long-polling", "nonsense"]
    const supportedConnectionTypes = local ? ["in-process"] : types
    const ext = { ack: acknowledges }
    const raw = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes, ext }
    const [reply] = this.send(via, identity === undefined ? raw : Message.withIdentity(raw, identity))
    assert.isTrue(reply?.successful)
    assert.strictEqual(reply?.ext?.ack, !local && acknowledges ? true : undefined)
    this.begin(reply?.clientId ?? "", local, !local && acknowledges, isFaye && !local && !acknowledges)
    assert.strictEqual(State.session(this.trial.state, reply?.clientId ?? "")?.identity, identity)
  }

  /** Nobody reads the answer to a connect with a nonsensical number. */
  doConnect({ isLost, isReset, nonsense, route, session, timeout, type, withPublish }: Of<"connect">): void {
    const owner = this.sessions.get(this.name(session))
    if (owner?.isFaye === true) {
      return this.doConnectAsFaye(owner, isLost, isReset, timeout === undefined ? {} : { timeout })
    }
    const clientId = this.name(session)
    const arrived = owner?.received.length ?? 0
    const via = owner?.local === true ? this.connect("socket", true) : this.route(route)
    const connectionType = owner?.local === true ? "in-process" : type
    const connect = {
      channel: "/meta/connect",
      clientId,
      connectionType,
      id: clientId,
      ext: { ack: nonsense === null ? owner?.number : nonsense },
      ...(timeout === undefined ? {} : { advice: { timeout } })
    }
    const before = withPublish ? [this.message(null, "/a")] : []
    if (owner?.acknowledges === true && (isLost || nonsense !== null)) via.lost.add(via.requests + before.length)
    const replies = this.send(via, ...before, connect)
    this.noticeOverflows()
    const isOffered = connectionType !== "iframe" && !(owner?.acknowledges === true && type === "eventsource")
    const isRefused = owner === undefined || !isOffered || !this.sessions.has(clientId)
    if (!isRefused) {
      owner.lastSign = this.trial.now
      if (nonsense === null) owner.acknowledged = arrived
    }
    const own = replies.filter((reply) => reply.channel === "/meta/connect" && !reply.successful)
    assert.strictEqual(own.length, isRefused ? 1 : 0, "a connect is refused if and only if it must be")
    if (isRefused) assert.strictEqual(own[0]?.advice?.reconnect, "handshake")
    if (!isRefused && connectionType === "eventsource" && via.connection.kind === "exchange") {
      this.checkStream(clientId, replies.at(-1))
    }
    if (withPublish || timeout === 0) assert.isTrue(replies.length >= before.length + 1, "answered at once")
  }

  /** No client whose stream is away waits long, and nothing waits for it. */
  checkStream(clientId: string, reply: Message.Reply | undefined): void {
    const session = State.session(this.trial.state, clientId)
    if (session === undefined) return assert.fail(`${clientId} has ended`)
    const interval = Session.isStreaming(session) ? settings.timeout : reply?.advice?.interval ?? Infinity
    assert.strictEqual(reply?.advice?.interval, interval)
    assert.isAtMost(interval, 1_500)
    if (this.trial.state.settings.maxAnswerBytes > shortest) {
      assert.strictEqual(session.queue.length, 0, `${clientId} is left waiting`)
    }
  }

  /** What is still to be answered is given up: nobody reads that answer any more. */
  doConnectAsFaye(owner: ModelSession, isLost: boolean, isReset: boolean, advice: { readonly timeout?: number }): void {
    owner.pending?.via.lost.add(owner.pending.slot)
    const via = this.connect("exchange")
    via.isReset = isReset
    via.pendingOf = owner.id
    if (isLost) via.lost.add(0)
    owner.pending = { via, slot: 0 }
    owner.sent = owner.connect
    owner.lastSign = this.trial.now
    this.send(via, {
      channel: "/meta/connect",
      clientId: owner.id,
      connectionType: "long-polling",
      id: idOf(owner),
      advice
    })
    this.noticeOverflows()
  }

  subscription({ do: what, patterns, route, session }: Of<"subscribe" | "unsubscribe">): void {
    const clientId = this.name(session)
    const owner = this.sessions.get(clientId)
    const [reply] = this.send(this.route(route), { channel: `/meta/${what}`, clientId, subscription: patterns })
    const after = new Set([...owner?.subscriptions ?? [], ...patterns])
    const isAllowed = owner !== undefined && patterns.every(isSubscribable) &&
      (what === "unsubscribe" || after.size <= 6)
    assert.strictEqual(reply?.successful, isAllowed, `${what} ${patterns.join()}: ${reply?.error}`)
    if (!isAllowed) return
    for (const pattern of patterns) {
      if (what === "subscribe") owner.subscriptions.add(pattern)
      else owner.subscriptions.delete(pattern)
    }
  }

  /** A message that is about to be sent; the model assumes that it will be accepted if it may be. */
  message(clientId: string | null, channel: string): unknown {
    const data = ++this.#data
    const isAccepted = isPublishable(channel) && (clientId === null || this.sessions.has(clientId))
    if (isAccepted) {
      for (const session of this.sessions.values()) {
        if ([...session.subscriptions].some((pattern) => isMatch(pattern, channel))) session.expected.push(data)
      }
    }
    return { channel, data, clientId, ext: { secret: 1 }, advice: { reconnect: "none" }, successful: true }
  }

  publish({ channel, route, session }: Of<"publish">): void {
    const clientId = session === null ? null : this.name(session)
    const isAccepted = isPublishable(channel) && (clientId === null || this.sessions.has(clientId))
    const before = this.trial.events.length
    const [reply] = this.send(this.route(route), this.message(clientId, channel))
    assert.strictEqual(reply?.successful, isAccepted, `publish on ${channel}: ${reply?.error}`)
    if (!isAccepted) return
    const { _tag, ...event } = this.trial.events[before] as Event & { readonly _tag: "Publish" }
    assert.deepEqual([_tag, event.clientId, event.channel], ["Publish", clientId, channel])
    this.noticeOverflows()
  }

  /** A session whose queue is full ends with the next message for it, and not before. */
  noticeOverflows(): void {
    for (const [id, session] of this.sessions) {
      const arrived = session.acknowledges ? session.acknowledged : session.received.length
      const waiting = session.expected.length - arrived
      if (State.session(this.trial.state, id) !== undefined) continue
      assert.isAbove(waiting, 8, `${id} ended although its queue was not full`)
      this.finish(id)
    }
  }

  disconnect({ route, session }: Of<"disconnect">): void {
    const clientId = this.name(session)
    const replies = this.send(this.route(route), { channel: "/meta/disconnect", clientId, id: "bye" })
    const reply = replies.find(({ channel }) => channel === "/meta/disconnect")
    assert.strictEqual(reply?.successful, this.sessions.has(clientId))
    this.finish(clientId)
  }

  /** A connect that Faye's client has given up arrives: nobody reads what comes of it. */
  late({ behind, session }: Of<"late">): void {
    const owner = this.sessions.get(this.name(session))
    if (owner?.isFaye !== true || owner.sent <= behind) return
    const via = this.connect("exchange")
    via.pendingOf = owner.id
    via.lost.add(0)
    if (behind === 0) owner.lastSign = this.trial.now
    this.send(via, {
      channel: "/meta/connect",
      clientId: owner.id,
      connectionType: "long-polling",
      id: idOf({ id: owner.id, connect: owner.sent - behind })
    })
    this.noticeOverflows()
  }

  stream({ session }: Of<"stream">): void {
    if (this.sessions.get(this.name(session))?.isFaye === true) return
    const via = this.connect("stream")
    const clientId = this.name(session)
    const outputs = this.trial.step({ _tag: "StreamOpened", connection: via.connection, clientId })
    this.observe(outputs)
    const isAccepted = this.sessions.get(clientId)?.acknowledges === false
    assert.strictEqual(outputs.some(({ _tag }) => _tag === "CloseConnection"), !isAccepted)
  }

  close({ connection, unwritten }: Of<"close">): void {
    const via = this.connections[this.connections.length - 1 - connection]
    if (via?.isOpen !== true) return
    via.isOpen = false
    const session = this.bySocket(via)
    if (session !== undefined) session.lastSign = this.trial.now
    this.observe(this.trial.step({ _tag: "ConnectionClosed", connection: via.connection.id }))
    if (via.pendingOf !== undefined) return this.giveBackUnread(via, via.pendingOf)
    const last = via.sent.at(-1)?.[0]
    const lost = via.sent.slice(Math.max(0, via.sent.length - unwritten)).filter(([owner]) => owner === last)
    if (last !== undefined && lost.length > 0) this.giveBack(last, lost.map(([, data]) => data))
  }

  /** The transport tells, at any time, what it could not write: Faye's client has asked for it, or will. */
  giveBackUnread({ connection: { id }, unread }: ModelConnection, clientId: string): void {
    if (unread.length === 0) return
    const outputs = this.trial.step({
      _tag: "Returned",
      clientId: clientId as never,
      messages: unread,
      exchange: id
    })
    if (this.sessions.has(clientId)) assert.deepStrictEqual(outputs, [])
  }

  giveBack(owner: string, lost: ReadonlyArray<number>): void {
    const session = this.everyone.get(owner)
    if (session === undefined) return
    const messages = lost.map((data) => new Message.Delivery("/a" as never, data, undefined, data))
    if (session.acknowledges) return this.returnInVain(owner, messages)
    const kept = session.received.filter((data) => !lost.includes(data))
    if (kept.length > 0 && Math.max(...kept) > Math.min(...lost)) session.isDisordered = true
    session.received.splice(0, session.received.length, ...kept)
    this.observe(this.trial.step({ _tag: "Returned", clientId: owner as never, messages }))
  }

  /** What a session acknowledges is in its queue still, or has arrived. */
  returnInVain(owner: string | undefined, messages: ReadonlyArray<Message.Delivery>): void {
    const { state } = this.trial
    this.trial.step({ _tag: "Returned", clientId: owner as never, messages })
    assert.strictEqual(this.trial.state, state, "a session that acknowledges takes nothing back")
  }

  end({ connection, goesOn }: Of<"end">): void {
    const via = this.connections[this.connections.length - 1 - connection]
    if (via?.isOpen !== true) return
    const session = this.bySocket(via)
    if (session !== undefined) session.lastSign = this.trial.now
    this.observe(this.trial.step({ _tag: "ConnectionEnding", connection: via.connection.id, goesOn }))
  }

  /** The session that has connected over a socket and is still there; nothing is known of it by other connections. */
  bySocket(via: ModelConnection): ModelSession | undefined {
    const { id, kind } = via.connection
    const link = State.session(this.trial.state, via.owner ?? "")?.link
    return kind === "socket" && link?._tag === "Attached" && link.connection === id
      ? this.sessions.get(via.owner ?? "")
      : undefined
  }

  hear({ connection }: Of<"hear">): void {
    const via = this.connections[this.connections.length - 1 - connection]
    if (via?.isOpen !== true) return
    const session = this.bySocket(via)
    this.observe(this.trial.step({ _tag: "Heard", connection: via.connection.id }))
    if (session !== undefined) session.lastSign = this.trial.now
  }

  /** Time passes in which the process does not run: nothing is due in it, and everything that is due later by so much. */
  halt(millis: number): void {
    this.observe(this.trial.endTurn())
    this.trial.now += millis
    for (const session of this.sessions.values()) session.lastSign += millis
    this.observe(this.trial.step({ _tag: "Halted", milliseconds: millis }))
  }

  /** Time passes: a session ends when there was no sign of it for the session time-out, to the millisecond. */
  advance(millis: number): void {
    const expiring = [...this.sessions.values()].filter(({ lastSign, local }) =>
      !local && lastSign + settings.sessionTimeout <= this.trial.now + millis
    )
    this.observe(this.trial.advance(millis))
    for (const { id } of expiring) this.finish(id)
    assert.sameMembers(this.names().slice(), [...HashMap.keys(this.trial.state.sessions)])
  }

  garbage({ message, route }: Of<"garbage">): void {
    const before = this.trial.state
    const [reply] = this.send(this.route(route), message)
    assert.isFalse(reply?.successful, "garbage is refused")
    assert.strictEqual(this.trial.state, before, "and changes nothing")
  }

  // -- the end

  /** Each client that says what it has read connects on, with nothing lost, until it has got all that is left. */
  collect(): void {
    for (const session of this.sessions.values()) {
      if (!session.isFaye && !session.acknowledges) continue
      let arrived = -1
      while (arrived < session.received.length) {
        arrived = session.received.length
        if (session.isFaye) this.doConnectAsFaye(session, false, false, { timeout: 0 })
        else this.acknowledge(session)
      }
    }
  }

  acknowledge(session: ModelSession): void {
    session.lastSign = this.trial.now
    this.send(this.connect("exchange"), {
      channel: "/meta/connect",
      clientId: session.id,
      connectionType: "long-polling",
      id: session.id,
      ext: { ack: session.number },
      advice: { timeout: 0 }
    })
  }
}
