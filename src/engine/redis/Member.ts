/**
 * A service's membership among the processes that share the store: it reads the log, sends orders, and shows that it is
 * alive. When a connection breaks both are made anew, and the membership goes on where it was.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as MonotonicClock from "../../base/MonotonicClock.ts"
import { processName } from "../../base/ProcessName.ts"
import type { Change, Outcome } from "../../core/Change.ts"
import type { ClientId } from "../../core/ClientId.ts"
import type { State } from "../../core/State.ts"
import { EngineError, type Health, type Listener } from "../Engine.ts"
import type * as LogEntry from "./LogEntry.ts"
import { Node } from "./Node.ts"
import * as QueueReplay from "./QueueReplay.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as Store from "./Store.ts"

/** What a membership is made of. Times are milliseconds. */
export interface Parts {
  readonly connections: RedisConnection.Options
  readonly lease: number
  readonly retention: number
  readonly maxQueued: number
  readonly maxQueuedTime: number
  readonly listener: Listener
  readonly setHealth: (status: Health["status"], detail: string) => Effect.Effect<void>
}

/** What can be done as a member. */
export interface Member {
  /** How the store calls it. */
  readonly name: string
  readonly commit: (change: Change) => Outcome | undefined
  /**
   * Asks the store. The answer knows of everything that was ordered here before, and the service knows what the answer
   * knows.
   */
  readonly ask: <A>(
    question: (connection: RedisConnection.Connection) => Effect.Effect<A, RedisConnection.RedisUnavailable>
  ) => Effect.Effect<A, RedisConnection.RedisUnavailable>
}

const random = (): string => randomBytes(8).toString("hex")

/** Milliseconds between two attempts at first; the longest pause lets all be back before any lease passes. */
const shortestPause = 20

/** How many entries are read at once: what they bring about is written in one turn. */
const most = 500

/** Milliseconds for which sessions of a dead process, of which there may be many, arrive without a turn for others. */
const longestStretch = 10

/**
 * What the service has to write in this turn is written first: a session that is given away has its messages on their way
 * before another process can send it the next ones.
 */
const turnEnd = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** What a session waits for would be gone before the session is. */
const tooShort = (retention: number, sessionTimeout: number, lease: number): EngineError =>
  new EngineError({
    reason:
      `The engine's retention is ${retention} ms, but a session may stay away for ${sessionTimeout} ms, and ${lease} ` +
      `ms more if its process dies: give RedisEngine.layer a retention of ${sessionTimeout + lease} ms or more`
  })

const notNow = new RedisConnection.RedisUnavailable({ reason: "there is no connection to Redis now" })

/** Becomes a member; the first attempt has to succeed. */
export const join = Effect.fnUntraced(function*(parts: Parts): Effect.fn.Return<Member, EngineError, Scope.Scope> {
  const { connections, lease, listener, maxQueuedTime, retention } = parts
  const { sessionTimeout } = listener.state().settings
  if (retention < sessionTimeout + lease) return yield* tooShort(retention, sessionTimeout, lease)
  const log = `${connections.prefix}log`
  const now = MonotonicClock.make(yield* Clock.Clock)
  const node = new Node(`${processName}:${random().slice(8)}`, parts.maxQueued, listener)
  const hasJoined = yield* Deferred.make<void, EngineError>()
  let epoch = random()
  let current: { readonly commands: RedisConnection.Connection; readonly membership: Store.Membership } | undefined
  /** What was read a beat ago has left this process, as far as it can know. */
  let mark = 0
  let readAtLastBeat = 0
  let pause = shortestPause
  /** A session whose coming was read, and that the service does not have yet: the connection may break in between. */
  let arriving: LogEntry.Adoption | undefined
  /** The part of the log that the last sessions needed, for those that come next; for a lease at the most. */
  let kept: QueueReplay.Part | undefined
  let keptSince = 0

  // -------------------------------------------------------------------------------------------------------------------
  // reading

  /** The log after a position; nothing if it does not reach back that far. */
  const partAfter = Effect.fnUntraced(function*(from: number, reader: RedisConnection.Connection) {
    const rest = kept !== undefined && kept.from <= from ? node.window.since(kept.to) : undefined
    if (kept !== undefined && rest !== undefined) {
      kept.add(rest)
      return kept
    }
    const entries = node.window.since(from) ?? (yield* Store.between(reader, log, from, node.tail))
    if (entries === undefined) return undefined
    kept = new QueueReplay.Part(from)
    keptSince = now()
    kept.add(entries)
    return kept
  })

  /** A session arrives: its queue is made from the log. */
  const arrive = Effect.fnUntraced(function*(reader: RedisConnection.Connection) {
    if (arriving === undefined) return
    const adoption = arriving
    const part = (yield* partAfter(QueueReplay.wantedFrom(adoption), reader)) ??
      (yield* partAfter(QueueReplay.from(adoption), reader))
    arriving = undefined
    if (part === undefined) return lose(adoption.clientId)
    listener.onOutcome({ _tag: "SessionAdopted", session: part.session(adoption) })
  })

  /** Lets others have a turn when the last one was long ago. */
  const makeRests = (): Effect.Effect<void> => {
    let last = now()
    return Effect.suspend(() => {
      if (now() - last < longestStretch) return Effect.void
      return Effect.tap(Effect.yieldNow, () => Effect.sync(() => last = now()))
    })
  }

  const lose = (clientId: ClientId): void => {
    const change = { _tag: "EndSession", clientId, cause: { _tag: "EngineLost" }, origin: undefined } as const
    const refused = node.commit(change, now())
    if (refused !== undefined) listener.onOutcome(refused)
  }

  const read = Effect.fnUntraced(function*(
    reader: RedisConnection.Connection,
    { node: name, term }: Store.Membership,
    joined: Deferred.Deferred<void>
  ) {
    yield* arrive(reader)
    for (;;) {
      const entries = yield* Store.next(reader, log, node.tail, most, lease / 2, connections.commandTimeout)
      const rest = makeRests()
      for (const entry of entries) {
        const happened = node.read(entry, now())
        if (happened?._tag === "Arrival") {
          arriving = happened.adoption
          yield* Effect.andThen(arrive(reader), rest)
        } else if (happened !== undefined) listener.onOutcome(happened)
        if (entry.kind === "J" && entry.node === name && entry.rest === term) yield* Deferred.succeed(joined, undefined)
      }
      node.settled()
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // writing

  const send = Effect.fnUntraced(function*(commands: RedisConnection.Connection, membership: Store.Membership) {
    for (;;) {
      yield* node.outbox.awaitSome
      const { maxSubscriptions } = listener.state().settings
      const batch = node.batch()
      yield* turnEnd
      yield* Store.commit(commands, membership, maxSubscriptions, batch)
    }
  })

  const beat = Effect.fnUntraced(function*(commands: RedisConnection.Connection, membership: Store.Membership) {
    for (;;) {
      const began = now()
      const isMore = yield* Store.beat(commands, membership, lease, mark, retention, node.positions(mark))
      node.leasedUntil = began + 0.8 * lease
      mark = readAtLastBeat
      readAtLastBeat = node.tail
      node.insist(now(), lease)
      if (!isMore) yield* Effect.sleep(Duration.millis(lease / 5))
    }
  })

  /**
   * The store has lost something: sessions that it does not know as they are end. Those that it has here, although they
   * have gone elsewhere or ended since, come back from where they were then.
   */
  const compare = Effect.fnUntraced(function*(commands: RedisConnection.Connection) {
    const sessions = [...sessionsIn(listener.state())]
    const own = new Set(sessions.map(([clientId]) => clientId))
    for (let i = 0; i < Math.max(1, sessions.length); i += most) {
      const some = sessions.slice(i, i + most)
      const { found, local, remote } = yield* Store.compare(commands, node.name, some.map(([clientId]) => clientId))
      some.forEach(([clientId, patterns], j) => {
        const inStore = found[j]
        if (inStore?.isOwned === false) return listener.onOutcome(node.release(clientId))
        if (inStore === undefined || !isSame(patterns, inStore.patterns)) return lose(clientId)
        node.keep(clientId, inStore.generation)
      })
      if (i > 0) continue
      for (const clientId of remote) if (!own.has(clientId)) node.reclaim(clientId, now())
      for (const clientId of local) if (!own.has(clientId)) lose(clientId)
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // connections

  const begin = (joined: Store.Joined): void => {
    node.tail = joined.position - 1
    node.window.reset(node.tail)
    mark = readAtLastBeat = joined.position
    epoch = joined.epoch
  }

  /** Comes back: gives whether something may have been lost meanwhile, in the store or of the log. */
  const comeBack = (joined: Store.Joined): boolean => {
    const isTrimmed = joined.first > node.tail + 1
    const isLost = joined.epoch !== epoch || !joined.hasTail || isTrimmed
    if (isLost) {
      node.window.reset(node.tail)
      kept = undefined
    }
    if (isTrimmed) { for (const refused of node.expire(Infinity)) listener.onOutcome(refused) }
    node.forgetStored()
    epoch = joined.epoch
    return isLost
  }

  const work = Effect.fnUntraced(
    function*(commands: RedisConnection.Connection, membership: Store.Membership, isLost: boolean) {
      node.outbox.resend()
      if (isLost) yield* compare(commands)
      current = { commands, membership }
      pause = shortestPause
      yield* parts.setHealth("up", `connected as ${node.name}`)
      yield* Deferred.succeed(hasJoined, undefined)
      return yield* Effect.raceFirst(send(commands, membership), beat(commands, membership))
    }
  )

  const live = Effect.scoped(Effect.gen(function*() {
    const commands = yield* RedisConnection.open(connections)
    const reader = yield* RedisConnection.open(connections)
    const membership = { node: node.name, term: random() }
    const joined = yield* Store.join(commands, membership, lease, node.tail, epoch)
    const isLost = node.tail > 0 && comeBack(joined)
    if (node.tail === 0) begin(joined)
    const hasReadIt = yield* Deferred.make<void>()
    return yield* Effect.raceFirst(
      read(reader, membership, hasReadIt),
      Effect.andThen(Deferred.await(hasReadIt), work(commands, membership, isLost))
    )
  }))

  const supervise = Effect.gen(function*() {
    for (;;) {
      const reason = yield* live.pipe(
        Effect.as("the connection ended"),
        Effect.catchTag("RedisUnavailable", ({ reason }) => Effect.succeed(reason)),
        Effect.catchCause((cause) => Effect.as(Effect.logError("The Redis engine failed", cause), "it failed"))
      )
      current = undefined
      yield* Deferred.fail(hasJoined, new EngineError({ reason: `The Redis engine could not begin: ${reason}` }))
      yield* parts.setHealth("down", reason)
      yield* Effect.sleep(Duration.millis(pause))
      pause = Math.min(2 * pause, lease / 5)
    }
  })

  /**
   * What waits too long is refused, whether there is a connection or not, and what was kept for sessions that arrive is
   * forgotten.
   */
  const expire = Effect.gen(function*() {
    for (;;) {
      yield* Effect.sleep(Duration.millis(Math.min(250, maxQueuedTime / 4)))
      for (const refused of node.expire(now() - maxQueuedTime)) listener.onOutcome(refused)
      if (now() - keptSince > lease) kept = undefined
    }
  })

  /** Goes in good order: what was ordered is carried out, and others know at once from where they may go on. */
  const leave = Effect.scoped(Effect.gen(function*() {
    const membership = current?.membership
    if (membership === undefined) return
    const connection = yield* RedisConnection.open(connections)
    yield* Store.leave(connection, membership, node.tail, retention, node.positions(node.tail, true))
  }))

  yield* Effect.forkScoped(expire)
  const supervisor = yield* Effect.forkScoped(supervise)
  yield* Effect.addFinalizer(() =>
    Effect.timeoutOption(node.outbox.awaitSettled, "2 seconds").pipe(
      Effect.andThen(Fiber.interrupt(supervisor)),
      Effect.andThen(Effect.ignore(leave))
    )
  )
  yield* Deferred.await(hasJoined)

  return {
    name: node.name,
    commit: (change) => node.commit(change, now()),
    ask: (question) =>
      Effect.gen(function*() {
        yield* node.outbox.awaitSettled
        if (current === undefined) return yield* notNow
        const { commands } = current
        const answer = yield* question(commands)
        yield* node.reached(yield* Store.position(commands, connections.prefix))
        return answer
      }).pipe(
        Effect.timeoutOrElse({
          duration: Duration.millis(connections.commandTimeout),
          orElse: () => Effect.fail(notNow)
        })
      )
  }
})

const sessionsIn = function*(state: State): Generator<readonly [clientId: ClientId, patterns: ReadonlySet<string>]> {
  for (const [clientId, { subscriptions }] of state.sessions) yield [clientId, new Set(subscriptions)]
}

const isSame = (patterns: ReadonlySet<string>, inStore: ReadonlyArray<string>): boolean =>
  inStore.length === patterns.size && inStore.every((pattern) => patterns.has(pattern))
