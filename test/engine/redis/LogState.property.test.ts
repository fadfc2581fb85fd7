/**
 * Several processes on one store, in arbitrary interleavings: each sends its changes and reads the log when it comes to
 * it, clients go from one to another, connections break, processes die. Only the sockets and Redis are left out: the
 * machine, the states of the log and the log are the real ones. What each client has to get follows from the log, told naively.
 */
import { assert, describe, it } from "@effect/vitest"
import { Equal, HashMap } from "effect"
import * as fc from "fast-check"
import * as ClientId from "../../../src/core/ClientId.ts"
import type { Connection, Kind } from "../../../src/core/Connection.ts"
import * as Snapshot from "../../../src/core/folds/Snapshot.ts"
import type { Input } from "../../../src/core/Input.ts"
import * as Machine from "../../../src/core/Machine.ts"
import * as Message from "../../../src/core/Message.ts"
import { type Event, isMove, type Move } from "../../../src/core/MonitorEvent.ts"
import type { Output } from "../../../src/core/Output.ts"
import * as Settings from "../../../src/core/Settings.ts"
import * as State from "../../../src/core/State.ts"
import * as EventHistory from "../../../src/engine/redis/EventHistory.ts"
import * as LogEntry from "../../../src/engine/redis/LogEntry.ts"
import { LogState } from "../../../src/engine/redis/LogState.ts"
import * as QueueReplay from "../../../src/engine/redis/QueueReplay.ts"
import * as Invariants from "../../core/invariants.ts"
import * as Steps from "../../core/transitions.ts"
import { eventsIn } from "../../core/trial.ts"
import { limit, runs } from "../../support/seeds.ts"
import { StoreModel } from "./storeModel.ts"

type Untimed = Input extends infer I ? I extends Input ? Omit<I, "now"> : never : never

/** A connection of a client, with what it has got over it. */
interface Line extends Connection {
  readonly client: Client
  readonly process: Process
  isOpen: boolean
  readonly got: Array<Message.Delivery>
  /** How often its session had come to the process when it got the last of these. */
  stay: number
}

interface Client {
  id: string
  readonly acknowledges: boolean
  acknowledged: number | undefined
  readonly lines: Array<Line>
  /** It got something back out of order, or may have got it twice: a process died. */
  isUnconfirmed: boolean
}

let connections = 0

/** So many messages may have left for a connection and not be written yet. */
const mostUnwritten = 2

/** A machine with its state of the log. */
class Process {
  state = State.make({ ...Settings.defaults, maxSubscriptions: 100 }, ["long-polling", "websocket"], true)
  readonly logState: LogState
  readonly #store: StoreModel
  readonly lines = new Map<number, Line>()
  readonly told: Array<unknown> = []
  folded = Snapshot.empty
  #mark = 0

  constructor(name: string, store: StoreModel) {
    this.logState = new LogState(name, Infinity, { state: () => this.state, unconfirmed: () => this.#unconfirmed() })
    this.logState.leasedUntil = Infinity
    this.#store = store
    store.nodes.add(name)
    this.logState.tail = store.log.at(-1)?.position ?? 0
    this.logState.window.reset(this.logState.tail)
    store.marks.set(name, this.#mark = this.logState.tail)
  }

  *#unconfirmed(): Generator<readonly [ClientId.ClientId, number]> {
    for (const { client, got } of this.lines.values()) {
      for (const { position } of got.slice(-mostUnwritten)) yield [ClientId.make(client.id), position]
    }
  }

  step(event: Untimed): void {
    const inputs: Array<Untimed> = [event]
    for (let input = inputs.shift(); input !== undefined; input = inputs.shift()) {
      const now = { ...input, now: 0 }
      const { outputs, state } = Machine.reduce(this.state, now)
      Steps.check(this.state, now, state)
      this.state = state
      for (const output of outputs) this.#carryOut(output, inputs)
    }
    Invariants.check(this.state)
    this.checkFold()
  }

  #tell(event: Event | Move): void {
    const place = { sequence: this.folded.sequence + 1, at: 0, node: this.logState.name }
    this.folded = Snapshot.fold(this.folded, { ...event, ...place })
    if (!isMove(event)) this.told.push(event)
  }

  /** What the events have told is what is here. */
  checkFold(): void {
    const { sessions } = Snapshot.take(this.folded.sequence, [this.state])
    const told = (all: Snapshot.Snapshot["sessions"]) => HashMap.map(all, ({ subscriptions }) => subscriptions)
    assert.isTrue(Equal.equals(told(this.folded.sessions), told(sessions)))
  }

  #carryOut(output: Output, inputs: Array<Untimed>): void {
    for (const event of eventsIn([output])) this.#tell(event)
    if (output._tag === "Commit") assert.isUndefined(this.logState.commit(output.change, 0))
    else if (output._tag === "Resume") {
      if (this.lines.has(output.input.connection.id)) inputs.push(output.input)
    } else if (output._tag === "Deliver") output.connections.forEach((id) => this.#deliver(id, [output.message]))
    else if (output._tag === "Reply") this.#deliver(output.connection, output.messages)
  }

  #deliver(id: number, messages: ReadonlyArray<Message.Outgoing>): void {
    const deliveries = messages.filter(Message.isDelivery)
    const line = this.lines.get(id)
    const reply = messages.find(Message.isReply)
    if (typeof reply?.ext?.ack === "number" && line !== undefined) line.client.acknowledged = reply.ext.ack
    if (reply?.channel === "/meta/handshake" && line !== undefined) line.client.id = reply.clientId ?? ""
    if (deliveries.length === 0) return
    if (line === undefined) return assert.fail("nothing is delivered to a connection that is gone")
    line.got.push(...deliveries)
    line.stay = this.stay(line.client.id)
  }

  request(line: Line, raw: unknown): void {
    const message = Message.decode(raw, this.state.settings)
    this.step(
      message._tag === "Handshake"
        ? { _tag: "HandshakeReceived", connection: line, slot: 0, message, freshId: ClientId.make(`c${connections}`) }
        : { _tag: "Received", connection: line, slot: 0, mayBeHeld: Message.mayBeHeld(message, 1), message }
    )
  }

  send(): void {
    this.#store.commit(this.logState.name, this.logState.batch())
  }

  read(count = Infinity): void {
    this.#arrive()
    for (const entry of this.#store.log.filter(({ position }) => position > this.logState.tail).slice(0, count)) {
      this.#readOne(entry)
    }
    if (Machine.isTurnOpen(this.state)) this.step({ _tag: "TurnEnded" })
  }

  readonly #stays = new Map<string, number>()

  /** How often a session has come here. */
  stay(clientId: string): number {
    return this.#stays.get(clientId) ?? 0
  }

  #part: QueueReplay.Part | undefined

  #readOne(entry: LogEntry.LogEntry): void {
    this.#arrive()
    const happened = this.logState.read(entry, 0)
    if (happened?._tag === "Arrival") this.#arriving = happened.adoption
    else if (happened !== undefined) this.step({ _tag: "Happened", outcome: happened })
  }

  /** The session of which it has read last: its coming may take some time. */
  #arriving: LogEntry.Adoption | undefined

  #arrive(): void {
    const adoption = this.#arriving
    if (adoption === undefined) return
    this.#arriving = undefined
    const { clientId } = adoption
    this.#stays.set(clientId, this.stay(clientId) + 1)
    const session = this.#partAfter(QueueReplay.wantedFrom(adoption)).session(adoption)
    this.step({ _tag: "Happened", outcome: { _tag: "SessionAdopted", session } })
  }

  /** One that reaches back far enough goes on, as long as it lasts. */
  #partAfter(from: number): QueueReplay.Part {
    const part = this.#part !== undefined && this.#part.from <= from ? this.#part : new QueueReplay.Part(from)
    part.add(this.#store.log.filter(({ position }) => position > part.to && position <= this.logState.tail))
    return this.#part = part
  }

  beat(): void {
    this.#store.beat(this.logState.name, this.#mark, this.logState.positions.changes(this.#mark))
    this.#mark = this.logState.tail
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const who = fc.nat(1)
const where = fc.nat(2)
const patterns = ["/a", "/b", "/*", "/**", "/a/*"]
const channels = ["/a", "/b", "/a/b"]

const beat = fc.record({ do: fc.constant("beat" as const), where })
const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("subscribe" as const, "unsubscribe" as const),
      who,
      where,
      pattern: fc.constantFrom(...patterns)
    })
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("publish" as const), where, channel: fc.constantFrom(...channels) })
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("connect" as const),
      who,
      where,
      kind: fc.constantFrom<Kind>("exchange", "exchange", "socket")
    })
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("cut" as const), who, which: fc.nat(3), unwritten: fc.nat(mostUnwritten) })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("disconnect" as const), who, where }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant("send" as const), where }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant("read" as const), where, count: fc.integer({ min: 1, max: 6 }) })
  },
  { weight: 4, arbitrary: beat }
)
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never
const death = fc.record({ do: fc.constant("die" as const), where, unwritten: fc.nat(mostUnwritten) })
type Death = typeof death extends fc.Arbitrary<infer A> ? A : never

class World {
  readonly store = new StoreModel()
  readonly processes = [0, 1, 2].map((i) => new Process(`p${i}`, this.store))
  readonly clients: Array<Client> = []
  readonly told: Array<unknown> = []
  #data = 0
  #deaths = 0

  process(index: number): Process {
    return this.processes[index] as Process
  }

  open(client: Client, process: Process, kind: Kind): Line {
    const line: Line = { id: ++connections, kind, local: false, client, process, isOpen: true, got: [], stay: 0 }
    process.lines.set(line.id, line)
    client.lines.push(line)
    return line
  }

  run(action: Action | Death): void {
    if (action.do === "send") return this.process(action.where).send()
    if (action.do === "read") return this.process(action.where).read(action.count)
    if (action.do === "beat") return this.process(action.where).beat()
    if (action.do === "die") return this.die(action.where, action.unwritten)
    if (action.do === "publish") return this.publish(this.process(action.where), action.channel)
    const client = this.clients[action.who]
    if (client === undefined || client.id === "") return
    if (action.do === "cut") return this.cut(client, action.which, action.unwritten)
    const process = this.process(action.where)
    const line = this.open(client, process, action.do === "connect" ? action.kind : "exchange")
    if (action.do === "connect") return this.connect(client, line)
    const channel = `/meta/${action.do}`
    const subscription = "pattern" in action ? { subscription: action.pattern } : undefined
    process.request(line, { channel, clientId: client.id, ...subscription })
  }

  constructor() {
    this.begin(this.process(0), false, "alice")
    this.begin(this.process(1), true, "Zoë, 100 % sure = yes")
  }

  /** A client shakes hands and subscribes. */
  begin(process: Process, acknowledges: boolean, identity: string): void {
    const client: Client = { id: "", acknowledges, acknowledged: undefined, lines: [], isUnconfirmed: false }
    this.clients.push(client)
    const handshake = {
      channel: "/meta/handshake",
      version: "1.0",
      supportedConnectionTypes: ["long-polling"],
      ext: { ack: acknowledges }
    }
    process.request(this.open(client, process, "exchange"), Message.withIdentity(handshake, identity))
    this.settle()
    const subscription = ["/a", "/*"]
    process.request(this.open(client, process, "exchange"), {
      channel: "/meta/subscribe",
      clientId: client.id,
      subscription
    })
    this.settle()
  }

  connect(client: Client, line: Line): void {
    const ack = client.acknowledged === undefined ? undefined : { ext: { ack: client.acknowledged } }
    const connectionType = line.kind === "socket" ? "websocket" : "long-polling"
    line.process.request(line, { channel: "/meta/connect", clientId: client.id, connectionType, ...ack })
  }

  publish(process: Process, channel: string): void {
    const nobody: Client = { id: "", acknowledges: false, acknowledged: undefined, lines: [], isUnconfirmed: false }
    process.request(this.open(nobody, process, "exchange"), { channel, data: ++this.#data })
  }

  cut(client: Client, which: number, unwritten: number): void {
    const line = client.lines.filter(({ isOpen }) => isOpen).at(-1 - which)
    if (line !== undefined) this.break(line, unwritten)
  }

  /** A connection breaks; the last messages that left over it were not written. */
  break(line: Line, unwritten: number): void {
    const { client } = line
    line.isOpen = false
    line.process.lines.delete(line.id)
    line.process.step({ _tag: "ConnectionClosed", connection: line.id })
    const messages = line.got.splice(Math.max(0, line.got.length - unwritten))
    if (messages.length === 0) return
    // Who acknowledges has read an answer if it repeats its number: what it did not read, it does not acknowledge.
    if (client.acknowledges) line.got.push(...messages)
    else line.process.step({ _tag: "Returned", clientId: client.id as never, messages })
    // A process that dies cannot tell the session's next one any more: see the promises in docs/redis.md.
    const { process } = line
    if (State.session(process.state, client.id) === undefined) process.send()
    else if (process.stay(client.id) !== line.stay) process.beat()
  }

  /**
   * A process is gone, with everything it had not sent and everything it had not read, and just before that all of its
   * connections; another takes its place.
   */
  die(index: number, unwritten: number): void {
    const dead = this.process(index)
    for (const line of [...dead.lines.values()]) this.break(line, unwritten)
    this.told.push(...dead.told)
    this.store.nodes.delete(dead.logState.name)
    for (const client of this.clients) client.isUnconfirmed = true
    this.processes[index] = new Process(`q${++this.#deaths}`, this.store)
  }

  /** Everything that is under way comes to its end. */
  settle(): void {
    for (let i = 0; i < 12; i++) {
      for (const process of this.processes) {
        process.send()
        process.read()
      }
    }
  }

  finish(): void {
    this.settle()
    for (const process of this.processes) process.beat()
    this.settle()
    for (const client of this.clients) {
      if (!this.store.sessions.has(client.id)) continue
      for (const process of [...this.processes, ...this.processes]) {
        this.connect(client, this.open(client, process, "exchange"))
        this.settle()
      }
    }
    for (const client of this.clients) this.check(client)
    this.checkOwners()
  }

  /** What the log says that a session gets, from its beginning. */
  due(clientId: string): ReadonlyArray<number> {
    const subscribed = new Set<string>()
    const due: Array<number> = []
    for (const entry of this.store.log) {
      const isOwn = entry.kind !== "P" && LogEntry.clientId(entry) === clientId
      if (entry.kind === "S" && isOwn) { for (const pattern of LogEntry.added(entry)) subscribed.add(pattern) }
      if (entry.kind === "U" && isOwn) { for (const { pattern } of LogEntry.removed(entry)) subscribed.delete(pattern) }
      if (entry.kind !== "P") continue
      const { channel } = LogEntry.message(entry)
      if ([...subscribed].some((pattern) => isMatch(pattern, channel))) due.push(entry.position)
    }
    return due
  }

  check(client: Client): void {
    if (!this.store.sessions.has(client.id)) return
    const due = this.due(client.id)
    const got = client.lines.flatMap(({ got }) => got.map(({ position }) => position))
    if (client.isUnconfirmed || client.acknowledges) {
      assert.includeMembers(got, [...due], `${client.id} got everything`)
      assert.includeMembers([...due], got, `${client.id} got nothing else`)
    } else {
      assert.sameMembers(got, [...due], `${client.id} got everything once`)
      assert.strictEqual(got.length, due.length, `${client.id} got nothing twice`)
    }
  }

  /** Each session is at exactly one process, its owner, and belongs to the same somebody wherever it has gone. */
  checkOwners(): void {
    const owned = [...this.store.sessions].map(([id, { identity, owner }]) =>
      `${id} ${owner} ${decodeURIComponent(identity)}`
    )
    const here = this.processes.flatMap(({ logState, state }) =>
      [...state.sessions].map(([id, { identity }]) => `${id} ${logState.name} ${identity}`)
    )
    assert.sameMembers(here, owned)
    for (const { state } of this.processes) assert.strictEqual([...state.awaiting].length, 0, "nothing waits any more")
  }

  /** What the processes have told is what the log tells. */
  checkEvents(): void {
    const told = [...this.told, ...this.processes.flatMap((process) => process.told)]
    assert.sameDeepMembers(told, this.store.log.flatMap((entry) => EventHistory.events(entry)))
  }
}

/** Deliberately unlike `Channel.expand`. */
const isMatch = (pattern: string, channel: string): boolean =>
  new RegExp(`^${pattern.replace(/\*\*$/, ".+").replace(/\*$/, "[^/]+")}$`).test(channel)

const tell = (details: fc.RunDetails<[Array<Action | Death>]>): void => {
  if (!details.failed) return
  const trace = details.counterexample?.[0].map((action, i) => `${i + 1}. ${JSON.stringify(action)}`).join("\n")
  const cause = details.errorInstance
  throw new Error(`A law was broken (seed ${details.seed}, path "${details.counterexamplePath}") with:\n${trace}`, {
    cause
  })
}

describe("several processes on one log", () => {
  it(
    "lose and double nothing while clients go from one to another, and tell what the log tells",
    { timeout: limit(120_000) },
    () => {
      const property = fc.property(fc.array(action, { maxLength: 150, size: "max" }), (actions) => {
        const world = new World()
        for (const each of actions) world.run(each)
        world.finish()
        world.checkEvents()
      })
      tell(fc.check(property as never, runs(500)) as never)
    }
  )

  it("lose nothing when processes die", { timeout: limit(120_000) }, () => {
    const mortal = fc.oneof(
      { weight: 20, arbitrary: action },
      { weight: 4, arbitrary: beat },
      { weight: 1, arbitrary: death }
    )
    const property = fc.property(fc.array(mortal, { maxLength: 150, size: "max" }), (actions) => {
      const world = new World()
      for (const each of actions) world.run(each)
      world.finish()
    })
    tell(fc.check(property as never, runs(500)) as never)
  })
})
