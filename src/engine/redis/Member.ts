/**
 * Membership of a process in the cluster, over two connections: one reads the log, the other sends changes and renews the
 * lease. When one of them breaks both are made anew, and the membership goes on where it was.
 *
 * The meaning of the log is left to `LogState`.
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
import { EngineError, type Health, type Listener } from "../Engine.ts"
import { Arrivals } from "./Arrivals.ts"
import { Lease } from "./Lease.ts"
import * as LogEntry from "./LogEntry.ts"
import { LogState } from "./LogState.ts"
import * as Recovery from "./Recovery.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as Store from "./Store.ts"

/** Parts of a membership; times are milliseconds. */
export interface Parts {
  readonly connections: RedisConnection.Options
  readonly lease: number
  readonly retention: number
  readonly maxQueued: number
  readonly maxQueuedTime: number
  readonly listener: Listener
  readonly setHealth: (status: Health["status"], detail: string) => Effect.Effect<void>
}

/** A running membership. */
export interface Member {
  /** Name of the process in the store. */
  readonly name: string
  readonly commit: (change: Change) => Outcome | undefined
  /**
   * Asks the store. The answer includes every change that was committed here before, and the service has read all that the
   * answer includes. Fails with `RedisUnavailable` where that takes longer than the command time-out.
   */
  readonly ask: <A>(
    question: (connection: RedisConnection.Connection) => Effect.Effect<A, RedisConnection.RedisUnavailable>
  ) => Effect.Effect<A, RedisConnection.RedisUnavailable>
}

const random = (): string => randomBytes(8).toString("hex")

/** First pause between two attempts to connect, in milliseconds. The longest one is a fifth of the lease. */
const shortestPause = 20

/** Number of entries that are read at once: their outcomes are written in one turn. */
const most = 500

/** Milliseconds for which sessions of a dead process arrive without a turn for anything else. */
const longestStretch = 10

/**
 * Waits until the service has written what it has to write in this turn: messages of a session that is given away are on
 * their way before another process can send the next ones.
 */
const turnEnd = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Error for a log that may lose the queue of a session before the session ends. */
const tooShort = (retention: number, sessionTimeout: number, lease: number): EngineError =>
  new EngineError({
    reason:
      `The engine's retention is ${retention} ms, but a session may stay away for ${sessionTimeout} ms, and ${lease} ` +
      `ms more if its process dies: give RedisEngine.layer a retention of ${sessionTimeout + lease} ms or more`
  })

const notNow = new RedisConnection.RedisUnavailable({ reason: "there is no connection to Redis now" })

/** Joins the cluster until the scope closes. Fails with `EngineError` if the first attempt fails. */
export const join = Effect.fnUntraced(function*(parts: Parts): Effect.fn.Return<Member, EngineError, Scope.Scope> {
  const { connections, listener, maxQueuedTime, retention } = parts
  const { sessionTimeout } = listener.state().settings
  if (retention < sessionTimeout + parts.lease) return yield* tooShort(retention, sessionTimeout, parts.lease)
  const log = `${connections.prefix}log`
  const now = MonotonicClock.make(yield* Clock.Clock)
  const logState = new LogState(`${processName}:${random().slice(8)}`, parts.maxQueued, listener)
  const hasJoined = yield* Deferred.make<void, EngineError>()
  let epoch = random()
  let current: { readonly commands: RedisConnection.Connection; readonly membership: Store.Membership } | undefined
  let pause = shortestPause

  /** Ends a session that the store, or the log, has lost. */
  const lose = (clientId: ClientId): void => {
    const change = { _tag: "EndSession", clientId, cause: { _tag: "EngineLost" }, origin: undefined } as const
    const refused = logState.commit(change, now())
    if (refused !== undefined) listener.onOutcome(refused)
  }

  const { onOutcome } = listener
  const arrivals = new Arrivals({ log, logState, now, onOutcome, lose })
  const lease = new Lease({ duration: parts.lease, retention, logState, now })

  // -------------------------------------------------------------------------------------------------------------------
  // reading

  /** Makes an effect that lets other fibers run when they have not run for a while. */
  const makeRests = (): Effect.Effect<void> => {
    let last = now()
    return Effect.suspend(() => {
      if (now() - last < longestStretch) return Effect.void
      return Effect.tap(Effect.yieldNow, () => Effect.sync(() => last = now()))
    })
  }

  /** Reads the log for as long as the connection lasts. */
  const read = Effect.fnUntraced(function*(
    reader: RedisConnection.Connection,
    { term }: Store.Membership,
    hasCaughtUp: Deferred.Deferred<void>
  ) {
    yield* arrivals.resume(reader)
    for (;;) {
      const entries = yield* Store.next(reader, log, logState.tail, most, parts.lease / 2, connections.commandTimeout)
      const rest = makeRests()
      for (const entry of entries) {
        const happened = logState.read(entry, now())
        if (happened?._tag === "Arrival") yield* Effect.andThen(arrivals.begin(happened.adoption, reader), rest)
        else if (happened !== undefined) listener.onOutcome(happened)
        const isOwnJoin = entry.kind === "J" && entry.node === logState.name && LogEntry.term(entry) === term
        if (isOwnJoin) yield* Deferred.succeed(hasCaughtUp, undefined)
      }
      logState.settled()
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // writing

  /** Sends changes, a batch at a time. */
  const send = Effect.fnUntraced(function*(commands: RedisConnection.Connection, membership: Store.Membership) {
    for (;;) {
      yield* logState.outbox.awaitSome
      const { maxSubscriptions } = listener.state().settings
      const batch = logState.batch()
      yield* turnEnd
      yield* Store.commit(commands, membership, maxSubscriptions, batch)
    }
  })

  /** Renews the lease five times while it lasts, or at once as long as there are sessions to claim. */
  const beat = Effect.fnUntraced(function*(commands: RedisConnection.Connection, membership: Store.Membership) {
    for (;;) {
      const isMore = yield* lease.renew(commands, membership)
      if (!isMore) yield* Effect.sleep(Duration.millis(parts.lease / 5))
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // connections

  /** Begins at the position where the process has joined. */
  const begin = (joined: Store.Joined): void => {
    logState.tail = joined.position - 1
    logState.window.reset(logState.tail)
    lease.begin(joined.position)
    epoch = joined.epoch
  }

  /** Continues after a break. Returns whether something may have been lost meanwhile, in the store or of the log. */
  const comeBack = (joined: Store.Joined): boolean => {
    const isTrimmed = joined.first > logState.tail + 1
    const isLost = joined.epoch !== epoch || !joined.hasTail || isTrimmed
    if (isLost) {
      logState.window.reset(logState.tail)
      arrivals.forget()
    }
    if (isTrimmed) { for (const refused of logState.expire(Infinity)) listener.onOutcome(refused) }
    logState.positions.forgetStored()
    epoch = joined.epoch
    return isLost
  }

  /** Works over connections that are up, until one of them breaks. */
  const work = Effect.fnUntraced(
    function*(commands: RedisConnection.Connection, membership: Store.Membership, isLost: boolean) {
      logState.outbox.resend()
      if (isLost) yield* Recovery.run(commands, { listener, logState, lose, now })
      current = { commands, membership }
      pause = shortestPause
      yield* parts.setHealth("up", `connected as ${logState.name}`)
      yield* Deferred.succeed(hasJoined, undefined)
      return yield* Effect.raceFirst(send(commands, membership), beat(commands, membership))
    }
  )

  /** Opens connections, joins, reads up to the own entry, and works. Fails when a connection breaks. */
  const live = Effect.scoped(Effect.gen(function*() {
    const commands = yield* RedisConnection.open(connections)
    const reader = yield* RedisConnection.open(connections)
    const membership = { node: logState.name, term: random() }
    const joined = yield* Store.join(commands, membership, parts.lease, logState.tail, epoch)
    const isLost = logState.tail > 0 && comeBack(joined)
    if (logState.tail === 0) begin(joined)
    const hasCaughtUp = yield* Deferred.make<void>()
    return yield* Effect.raceFirst(
      read(reader, membership, hasCaughtUp),
      Effect.andThen(Deferred.await(hasCaughtUp), work(commands, membership, isLost))
    )
  }))

  /** Begins anew whenever the connections have broken. */
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
      pause = Math.min(2 * pause, parts.lease / 5)
    }
  })

  /** Refuses changes that have waited too long, whether there is a connection or not, and frees memory. */
  const expire = Effect.gen(function*() {
    for (;;) {
      yield* Effect.sleep(Duration.millis(Math.min(250, maxQueuedTime / 4)))
      for (const refused of logState.expire(now() - maxQueuedTime)) listener.onOutcome(refused)
      arrivals.forget(now() - parts.lease)
    }
  })

  /** Leaves gracefully: other processes can take the sessions at once, from where they are. */
  const leave = Effect.scoped(Effect.gen(function*() {
    const membership = current?.membership
    if (membership === undefined) return
    const connection = yield* RedisConnection.open(connections)
    yield* Store.leave(
      connection,
      membership,
      logState.tail,
      retention,
      logState.positions.changes(logState.tail, true)
    )
  }))

  yield* Effect.forkScoped(expire)
  const supervisor = yield* Effect.forkScoped(supervise)
  yield* Effect.addFinalizer(() =>
    Effect.timeoutOption(logState.outbox.awaitSettled, "2 seconds").pipe(
      Effect.andThen(Fiber.interrupt(supervisor)),
      Effect.andThen(Effect.ignore(leave))
    )
  )
  yield* Deferred.await(hasJoined)

  return {
    name: logState.name,
    commit: (change) => logState.commit(change, now()),
    ask: (question) =>
      Effect.gen(function*() {
        yield* logState.outbox.awaitSettled
        if (current === undefined) return yield* notNow
        const { commands } = current
        const answer = yield* question(commands)
        yield* logState.reached(yield* Store.position(commands, connections.prefix))
        return answer
      }).pipe(
        Effect.timeoutOrElse({
          duration: Duration.millis(connections.commandTimeout),
          orElse: () => Effect.fail(notNow)
        })
      )
  }
})
