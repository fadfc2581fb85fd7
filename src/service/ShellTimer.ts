/**
 * Time of the shell: the same for all of a turn, a timer for deadlines, and the detection of halts.
 *
 * While anything is due at all, the timer comes once a second. If it comes much too late, the process was halted (a
 * suspended machine, a frozen container): no client could reach it meanwhile, and bytes that have arrived in its
 * sockets are not read yet, so that time does not count.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as MonotonicClock from "../base/MonotonicClock.ts"

/** Parts of the shell that the timer uses. Times are milliseconds since the epoch. */
export interface Host {
  readonly clock: Clock.Clock
  /** Starts an effect that ends with the service. */
  readonly runFork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
  /** Time of the next deadline; `Infinity` if there is none. */
  readonly nextDeadline: () => number
  /** A deadline has passed. */
  readonly deadlinePassed: () => void
  /** The process has not run for so many milliseconds, up to now. */
  readonly halted: (now: number, milliseconds: number) => void
}

/** Longest time between two looks at the clock while anything is due, in milliseconds. */
const heartbeat = 1_000

/** Delays of the timer from which the process was busy, or as good as halted, in milliseconds. */
const late = { busy: 100, halted: 1_000 }

/** Clock and timer of a shell. */
export class ShellTimer {
  readonly #host: Host
  readonly #readClock: () => number
  #turnBegan: number | undefined
  /** Time for which the timer is set, and time of the last look at the clock. */
  #timerAt = Infinity
  #lookedAt = 0
  #timer: Fiber.Fiber<void> | undefined

  constructor(host: Host) {
    this.#host = host
    this.#readClock = MonotonicClock.make(host.clock)
  }

  /**
   * Milliseconds since the epoch, the same for all of a turn, by a clock that never goes back: setting the system's
   * time ends no session.
   */
  get now(): number {
    return this.#turnBegan ?? this.#readClock()
  }

  /** Stops the time for a turn. Gives the time. */
  beginTurn(): number {
    return this.#turnBegan = this.#readClock()
  }

  /** Lets the time go on. */
  endTurn(): void {
    this.#turnBegan = undefined
  }

  /** Tells of a halt, if the timer should have come long before. */
  look(now: number): void {
    const milliseconds = now - this.#lookedAt
    this.#lookedAt = now
    if (now - this.#timerAt <= late.halted) return
    this.#timerAt = now
    this.#host.halted(now, milliseconds)
  }

  /** Sets the timer for the next deadline. A timer that comes too early does no harm, so it is only moved forward. */
  set(): void {
    const deadline = this.#host.nextDeadline()
    if (deadline >= this.#timerAt || deadline === Infinity) return
    const { now } = this
    const next = Math.min(deadline, now + heartbeat)
    this.#timer?.interruptUnsafe()
    this.#timerAt = next
    this.#lookedAt = now
    this.#timer = this.#host.runFork(
      Effect.andThen(
        this.#host.clock.sleep(Duration.millis(Math.max(0, next - now))),
        Effect.sync(() => this.#timeIsUp())
      )
    )
  }

  /** If the process was busy, messages that have arrived meanwhile go before the deadline. */
  #timeIsUp(): void {
    const { now } = this
    const isLate = now - this.#timerAt > late.busy
    this.look(now)
    this.#timerAt = Infinity
    this.#timer = undefined
    if (this.#host.nextDeadline() > this.now) this.set()
    else if (isLate) setImmediate(this.#host.deadlinePassed)
    else this.#host.deadlinePassed()
  }
}
